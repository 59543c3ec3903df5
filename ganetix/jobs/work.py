"""What the job runner needs from whoever does the work, and gives to it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from ganetix.config.snapshot import Change, Snapshot
from ganetix.objects.base import Value
from ganetix.opcodes import Opcode
from ganetix.plan.lock_plan import LEVELS, Level, LevelLocks, LockPlan, Mode

__all__ = [
    "LEVELS",
    "Level",
    "LevelLocks",
    "LockPlan",
    "Mode",
    "Outcome",
    "Progress",
    "Worker",
]


T = TypeVar("T")


class Outcome(Value, frozen=True, kw_only=True):
    """What an opcode came to: a JSON-able result, and a last change of configuration.

    The change, the opcode's success and the job's record become durable in one batch.
    """

    result: object = None
    change: Change | None = None


class Progress(Protocol):
    """What a unit may do to the job it works for."""

    job_id: int

    def begun(self) -> Deferred[None]:
        """Fires when it is recorded that the opcode runs, so that it will not twice.

        Fails with ``StateFault`` if there can be no such record; the opcode is tried
        again later then.
        """

    def say(self, text: str) -> None:
        """Add a line to the job's log."""

    def warn(self, text: str) -> None:
        """Add a warning to the job's log."""

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` if the user asked for that: call at safe points."""

    def hold_nodes(self, uuids: Collection[str]) -> Deferred[None]:
        """Lock nodes that were only just chosen, shared, in place of any held so far.

        Fails with ``Cancelled`` if the user does not want to wait any longer.
        """

    def while_wanted(self, work: Deferred[T]) -> Deferred[T]:
        """What comes of work that may be cancelled at any time.

        It is, and this fails with ``Cancelled``, once the user asks for that.
        """


class Worker(Protocol):
    """Does opcodes: the logical units behind one door."""

    def locks_for(self, op: Opcode, snapshot: Snapshot) -> LockPlan:
        """The locks of an opcode in this configuration; pure.

        Raises ``NotFound`` and the like if the opcode names what does not exist.
        """

    async def run(self, op: Opcode, progress: Progress, locks: LockPlan) -> Outcome:
        """Do the opcode; all its locks, which are these, are held.

        Nothing may be done that must not be done twice, nor anything that lasts, before
        the opcode has ``begun``.
        """
