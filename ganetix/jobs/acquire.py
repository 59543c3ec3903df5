"""Getting the locks of an opcode, and being sure that they are the right ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.errors import Bug, LockDeleted
from ganetix.jobs.work import LEVELS, Level, LevelLocks, LockPlan
from ganetix.locking import ALL, LockManager
from ganetix.locking.info import Owner

MAX_ROUNDS = 100
_NOTHING = LevelLocks()


Priority = Callable[[], int]
"""The priority to ask with; it may change from level to level."""


class Planner(Protocol):
    """Says which locks the opcode needs as things are now; may refuse."""

    def __call__(self) -> LockPlan:
        """The plan."""


async def acquire_locks(
    locks: LockManager,
    clock: IReactorTime,
    owner: Owner,
    planned: Planner,
    priority: Priority,
    seconds: float | None,
    on_wait: Callable[[], None],
) -> LockPlan:
    """Acquire level by level what is planned, and say what that was in the end.

    The configuration may change while one waits. So the plan is made anew when all
    is held, and if it came out otherwise everything is let go and acquired anew.

    :param seconds: for all levels together; None waits for ever
    :param on_wait: called whenever something is not granted at once
    :raises LockTimeout: not all was granted in time; none is held
    """
    deadline = None if seconds is None else clock.seconds() + seconds
    plan = planned()
    if not plan:
        return plan
    for _ in range(MAX_ROUNDS):
        has_waited = False
        try:
            for level in LEVELS:
                wanted = plan.get(level, _NOTHING)
                if wanted == _NOTHING:
                    continue
                left = None if deadline is None else max(deadline - clock.seconds(), 0)
                got = _acquire_level(locks, owner, level, wanted, priority(), left)
                if not got.called:
                    has_waited = True
                    on_wait()
                await got
        except LockDeleted:
            locks.release_all(owner)
            fresh = planned()
            if fresh == plan and not _all_exist(locks, plan):
                raise
        except Exception:
            locks.release_all(owner)
            raise
        else:
            if not has_waited:
                return plan
            try:
                fresh = planned()
            except Exception:
                locks.release_all(owner)
                raise
            if fresh == plan:
                return plan
            locks.release_all(owner)
        plan = fresh
    raise Bug(f"{owner} wants other locks each time it is asked")


def _acquire_level(
    locks: LockManager,
    owner: Owner,
    level: Level,
    wanted: LevelLocks,
    priority: int,
    seconds: float | None,
) -> Deferred[frozenset[str]]:
    return locks.acquire(
        owner,
        level,
        ALL if wanted.all is not None else wanted.names,
        wanted.all != "exclusive",
        priority,
        seconds,
        exclusively=[n for n, mode in wanted.names.items() if mode == "exclusive"],
        creates=wanted.creates,
    )


def _all_exist(locks: LockManager, plan: LockPlan) -> bool:
    return all(
        locks.has(level, name)
        for level, wanted in plan.items()
        for name in wanted.names
        if name not in wanted.creates
    )
