"""What a unit may do to the job it works for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed

from ganetix.errors import Bug, Cancelled
from ganetix.jobs.live import JobOwner, LiveJob
from ganetix.jobs.log import JobLog
from ganetix.locking import LockManager

T = TypeVar("T")


class JobProgress:
    """What a unit may do to its job: the ``Progress`` of ``jobs.work``.

    :param begin: records that the current opcode runs
    """

    def __init__(
        self,
        live: LiveJob,
        log: JobLog,
        op: int,
        locks: LockManager,
        begin: Callable[[LiveJob], Coroutine[Deferred[Any], Any, None]],
    ) -> None:
        self.job_id = live.job.id
        self._live = live
        self._log = log
        self._op = op
        self._locks = locks
        self._begin = begin

    def begun(self) -> Deferred[None]:
        """Fires when it is recorded that the opcode runs."""
        if self._live.is_begun:
            return succeed(None)
        return Deferred.fromCoroutine(self._begin(self._live))

    def say(self, text: str) -> None:
        """Add a line to the job's log."""
        self._log.add(self._live, self._op, text)

    def warn(self, text: str) -> None:
        """Add a warning to the job's log."""
        self._log.add(self._live, self._op, text, "warning")

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` if the user asked for that."""
        if self._live.job.cancel_requested:
            raise Cancelled(f"job {self.job_id} was canceled")

    def hold_nodes(self, uuids: Collection[str]) -> Deferred[None]:
        """Lock nodes, shared, in place of any that are held."""
        return Deferred.fromCoroutine(self._hold_nodes(uuids))

    async def _hold_nodes(self, uuids: Collection[str]) -> None:
        owner, locks = self._owner(), self._locks
        if "node" in locks.held(owner):
            locks.release(owner, "node")
        priority = self._live.job.priority
        await self.while_wanted(
            locks.acquire(owner, "node", sorted(uuids), True, priority)
        )

    def while_wanted(self, work: Deferred[T]) -> Deferred[T]:
        """What comes of work that is cancelled if the user asks for that."""
        return Deferred.fromCoroutine(self._while_wanted(work))

    async def _while_wanted(self, work: Deferred[T]) -> T:
        waits = self._owner().awaited
        if self._live.job.cancel_requested:
            work.cancel()
        waits.append(work)
        try:
            return await work
        except CancelledError:
            self.check_cancelled()
            raise
        finally:
            waits.remove(work)

    def _owner(self) -> JobOwner:
        owner = self._live.owner
        if owner is None:
            raise Bug(f"job {self.job_id} is at work without its locks")
        return owner
