"""The records of a job that is not new: that it begins, changes, and ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.errors import Cancelled, StateFault
from ganetix.flow.retry import backoff, retry
from ganetix.flow.tasks import TaskSet
from ganetix.jobs.live import LiveJob
from ganetix.jobs.log import JobLog
from ganetix.jobs.model import Job, LogLine
from ganetix.jobs.ports import Rows
from ganetix.jobs.rows import job_rows, log_rows
from ganetix.state.rows import Row

STORE_PAUSE_SECONDS = 5.0
"""The longest a job waits for the next attempt when the store took no record of it."""

Move = Callable[[Job], Job]


class JobRecords:
    """Writes what becomes of jobs, and shows it when it may be seen."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: Rows, log: JobLog) -> None:
        self._clock = clock
        self._store = store
        self._job_log = log
        self._savers = TaskSet()

    async def stop(self) -> None:
        """Give up on records that the store does not take."""
        await self._savers.stop()

    async def begin(self, live: LiveJob) -> None:
        """Record that the current opcode runs: it will not be done twice.

        :raises Cancelled: the user does not want it any more
        :raises StateFault: there is no such record
        """
        _check_wanted(live)
        live.is_starting = True
        try:
            rows = job_rows(live.job.logged(live.last_line))
            await self._store.write(rows, withdrawable=False)
        finally:
            live.is_starting = False
        live.is_begun = True
        self._job_log.go_on(live)
        _check_wanted(live)

    def write(self, live: LiveJob) -> Deferred[None]:
        """Write the job as it is; fails with ``StateFault`` if that was not possible.

        A job whose current opcode waits for locks, or has not begun, is recorded as
        queued: nothing of that is done.
        """
        job = live.job
        if live.is_starting or live.is_ending or job.is_final:
            # A later record than this one says it all.
            return succeed(None)
        if job.status != "queued" and not live.is_begun:
            job = job.requeued()
        written = self._store.write(job_rows(job.logged(live.last_line)))
        return written.addCallback(lambda _: None)

    def write_soon(self, live: LiveJob) -> None:
        """Write the job as it is, without waiting; a failure is logged."""
        _ = self.write(live).addErrback(self._not_recorded, live.job.id)

    def _not_recorded(self, failure: Failure, job_id: int) -> None:
        self._log.warn(
            "a change of job {job} is not recorded: {error}",
            job=job_id,
            error=failure.value,
        )

    async def end(self, live: LiveJob, move: Move) -> None:
        """End a job by this move, and show it when that is durable.

        If the store fails, it is tried again until it takes the record.

        :raises StateFault: the job has ended, but there is no record of it yet
        """
        live.move(move(live.job))
        lines = self._job_log.take(live)
        job = live.job.logged(live.last_line)
        rows = (*job_rows(job), *log_rows(job.id, lines))
        try:
            await self._store.write(rows, withdrawable=False)
        except StateFault as error:
            live.hindrance = f"its end cannot be recorded: {error}"
            self._savers.spawn(f"end of job {job.id}", self._save(live, rows, lines))
            raise
        self._show_end(live, lines)

    async def end_quietly(self, live: LiveJob, move: Move) -> None:
        """End a job as ``end`` does; a failure of the store is logged."""
        try:
            await self.end(live, move)
        except StateFault as error:
            self._log.error(
                "job {job} has ended, but: {error}", job=live.job.id, error=error
            )

    async def _save(
        self, live: LiveJob, rows: Sequence[Row], lines: list[LogLine]
    ) -> None:
        await retry(
            self._clock,
            lambda: self._store.write(rows),
            StateFault,
            backoff(1, STORE_PAUSE_SECONDS),
        )
        self._show_end(live, lines)

    def _show_end(self, live: LiveJob, lines: list[LogLine]) -> None:
        live.hindrance = None
        live.show_lines(lines)
        live.show()


def _check_wanted(live: LiveJob) -> None:
    if live.job.cancel_requested:
        raise Cancelled(f"job {live.job.id} was canceled")
