"""All locks of a cluster: who may acquire what, and who has what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from ganetix.errors import Bug, LockOrderError
from ganetix.flow.outbox import Outbox
from ganetix.locking.info import LockState, Owner
from ganetix.locking.levels import CLUSTER_LOCK, LEVELS, Level
from ganetix.locking.lockset import LockSet, SetHold
from ganetix.locking.request import Names, Request

_RANKS = {level: rank for rank, level in enumerate(LEVELS)}


class LevelState(msgspec.Struct, frozen=True, kw_only=True):
    """A lock with its level, as the monitor lists it."""

    level: Level
    lock: LockState


class LockManager:
    """A lock set a level, and the rule that makes deadlock impossible.

    An owner acquires levels in their order, each at once with all the names that it
    needs there. Whoever waits thus holds only what comes before. Any lock implies the
    cluster lock, shared.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        outbox = Outbox(clock)
        self._sets = {level: LockSet(level, clock, outbox) for level in LEVELS}
        self._sets["cluster"].keep([CLUSTER_LOCK])
        self._owners: dict[Owner, _Possessions] = {}

    def names(self, level: Level) -> frozenset[str]:
        """The names of a level."""
        return self._sets[level].names()

    def has(self, level: Level, name: str) -> bool:
        """Whether there is such a lock."""
        return name in self._sets[level]

    def keep(self, level: Level, names: Iterable[str]) -> None:
        """Names that exist from now on; see ``LockSet.keep``."""
        self._sets[level].keep(names)

    def drop(self, level: Level, names: Iterable[str]) -> None:
        """Names that exist no more; see ``LockSet.drop``."""
        self._sets[level].drop(names)

    def acquire(
        self,
        owner: Owner,
        level: Level,
        names: Names,
        shared: bool = False,
        priority: int = 0,
        timeout: float | None = None,
        *,
        exclusively: Collection[str] = (),
        creates: Collection[str] = (),
    ) -> Deferred[frozenset[str]]:
        """Wait for locks of one level; fires with the names got.

        The parameters are those of ``LockSet.acquire``. If it fails or is cancelled,
        the owner holds what it held before.

        :raises LockOrderError: the owner holds or awaits something of this level or of
            a later one
        """
        mine = self._owners.get(owner) or _Possessions()
        if mine.acquiring is not None:
            return fail(_out_of_order(owner, level, "while it waits for other locks"))
        last = max(map(_RANKS.__getitem__, mine.holds), default=-1)
        if _RANKS[level] <= last:
            return fail(_out_of_order(owner, level, f"but holds {LEVELS[last]} locks"))
        self._owners[owner] = mine
        request = Request(
            self._clock, names, shared, priority, timeout, owner, exclusively, creates
        )
        implied = None
        if level != "cluster" and "cluster" not in mine.holds:
            implied = Request(
                self._clock, [CLUSTER_LOCK], True, priority, timeout, owner
            )
        if self._take_free(mine.holds, level, request, implied):
            return succeed(mine.holds[level].names)
        done = Deferred.fromCoroutine(self._take(mine.holds, level, request, implied))
        if not done.called:
            mine.acquiring = done
            mine.requests = (request,) if implied is None else (implied, request)
            _ = done.addBoth(self._acquired, owner, mine)
        elif not mine.holds:
            self._owners.pop(owner, None)
        return done

    def release(self, owner: Owner, level: Level) -> None:
        """Let go of what the owner holds of a level."""
        self._hold(owner, level).release()
        mine = self._owners[owner]
        del mine.holds[level]
        if not mine.holds and mine.acquiring is None:
            del self._owners[owner]

    def release_names(self, owner: Owner, level: Level, names: Iterable[str]) -> None:
        """Let go of some names of a level; the rest stays held."""
        self._hold(owner, level).release(names)

    def downgrade(
        self, owner: Owner, level: Level, names: Iterable[str] | None = None
    ) -> None:
        """Share some names of a level, or all that is held of it."""
        self._hold(owner, level).downgrade(names)

    def release_all(self, owner: Owner) -> None:
        """Let go of everything, and wait for nothing any more."""
        mine = self._owners.get(owner)
        if mine is None:
            return
        if mine.acquiring is not None:
            mine.acquiring.cancel()
        for level in reversed(LEVELS):
            if level in mine.holds:
                mine.holds.pop(level).release()
        self._owners.pop(owner, None)

    def change_priority(self, owner: Owner, priority: int) -> None:
        """Let an owner wait with another priority for what it is acquiring."""
        mine = self._owners.get(owner)
        if mine is None or mine.acquiring is None:
            return
        for request in mine.requests:
            request.priority = priority
        for lock_set in self._sets.values():
            lock_set.change_priority(owner, priority)

    def held(self, owner: Owner) -> Mapping[Level, frozenset[str]]:
        """What an owner holds."""
        mine = self._owners.get(owner)
        return {} if mine is None else {lv: h.names for lv, h in mine.holds.items()}

    def awaited_by(self, owner: Owner) -> LockState | None:
        """The lock that an owner waits for just now, with those who are in its way."""
        for lock_set in self._sets.values():
            if (state := lock_set.awaited_by(owner)) is not None:
                return state
        return None

    def monitor(self, busy_only: bool = False) -> Iterator[LevelState]:
        """All locks by level and name; or those that somebody holds or awaits."""
        for level, lock_set in self._sets.items():
            for state in lock_set.states():
                if not busy_only or state.holders or state.waiters:
                    yield LevelState(level=level, lock=state)

    def _take_free(
        self, holds: Holds, level: Level, request: Request, implied: Request | None
    ) -> bool:
        """Take what is wanted if nothing of it must be waited for; else nothing."""
        cluster: SetHold | None = None
        if implied is not None:
            cluster = self._sets["cluster"].take_free(implied)
            if cluster is None:
                return False
        got = self._sets[level].take_free(request)
        if got is None:
            if cluster is not None:
                cluster.release()
            return False
        if cluster is not None:
            holds["cluster"] = cluster
        holds[level] = got
        return True

    async def _take(
        self, holds: Holds, level: Level, request: Request, implied: Request | None
    ) -> frozenset[str]:
        """Take what is wanted, waiting."""
        cluster: SetHold | None = None
        if implied is not None:
            cluster = await self._sets["cluster"].take(implied)
        try:
            got = await self._sets[level].take(request)
        except Exception:
            if cluster is not None:
                cluster.release()
            raise
        if cluster is not None:
            holds["cluster"] = cluster
        holds[level] = got
        return got.names

    def _acquired(self, result: object, owner: Owner, mine: _Possessions) -> object:
        mine.acquiring = None
        mine.requests = ()
        if not mine.holds and self._owners.get(owner) is mine:
            del self._owners[owner]
        return result

    def _hold(self, owner: Owner, level: Level) -> SetHold:
        mine = self._owners.get(owner)
        if mine is None or level not in mine.holds:
            raise Bug(f"{owner} holds no {level} locks")
        return mine.holds[level]


Holds = dict[Level, SetHold]
"""What one owner holds."""


class _Possessions:
    """What one owner holds, and what it is acquiring just now."""

    __slots__ = ("acquiring", "holds", "requests")

    def __init__(self) -> None:
        self.holds: Holds = {}
        self.acquiring: Deferred[frozenset[str]] | None = None
        self.requests: tuple[Request, ...] = ()


def _out_of_order(owner: Owner, level: Level, why: str) -> LockOrderError:
    return LockOrderError(f"{owner} acquires {level} locks {why}")
