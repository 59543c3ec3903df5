"""Following a job from some point on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import Deferred

from ganetix.errors import NotFound
from ganetix.jobs.history import JobHistory
from ganetix.jobs.live import LiveJob
from ganetix.jobs.model import Job, LogLine
from ganetix.jobs.values import JobUpdate

MOST_LINES = 500
"""Lines in one update; the rest comes with the next."""


class JobWatch:
    """A job's changes, one after the other, as fast as the watcher takes them.

    Nothing is kept for the watcher but where it is: a slow one gets the changes since
    the last together, and lines that are no longer in memory from the store. A watch
    that begins with the serials it last saw misses no line and no final state.
    """

    def __init__(
        self,
        job_id: int,
        find: Callable[[int], Awaitable[LiveJob | Job]],
        history: JobHistory,
        serial: int,
        log_serial: int,
    ) -> None:
        self._job_id = job_id
        self._find = find
        self._history = history
        self._serial = serial
        self._log_serial = log_serial
        self._job: LiveJob | Job | None = None
        self._news: Deferred[None] | None = None
        self._is_over = False

    async def next(self) -> JobUpdate | None:
        """The next change, when there is one; None after the job's last, or ``close``.

        :raises NotFound: there is no such job
        """
        while not self._is_over:
            if self._job is None:
                self._job = await self._find(self._job_id)
            found = self._job
            job = found.shown if isinstance(found, LiveJob) else found
            update = await self._update(found, job)
            if update is not None:
                return update
            # Nothing new, unless it came while old lines were read.
            if isinstance(found, LiveJob) and found.shown is job:
                await self._wait(found)
        return None

    def close(self) -> None:
        """Ask for no more; a waiting ``next`` ends with None."""
        self._is_over = True
        if self._news is not None:
            news, self._news = self._news, None
            if not news.called:
                news.callback(None)

    async def _update(self, found: LiveJob | Job, job: Job) -> JobUpdate | None:
        lines = await self._lines(found, job)
        if self._is_over:
            return None
        has_all = len(lines) < MOST_LINES
        if job.serial == self._serial and not lines and not job.is_final:
            return None
        if lines:
            self._log_serial = lines[-1].serial
        if has_all:
            self._serial = job.serial
            self._is_over = job.is_final
        return JobUpdate(job=job, lines=tuple(lines))

    async def _lines(self, found: LiveJob | Job, job: Job) -> Sequence[LogLine]:
        if job.log_serial <= self._log_serial:
            return ()
        if isinstance(found, LiveJob) and found.lines:
            recent = found.lines
            if recent[0].serial <= self._log_serial + 1:
                return [
                    n for n in recent if self._log_serial < n.serial <= job.log_serial
                ]
        return await self._history.lines(self._job_id, self._log_serial, MOST_LINES)

    async def _wait(self, live: LiveJob) -> None:
        if self._is_over:
            return
        self._news = live.news()
        try:
            await self._news
        finally:
            self._news = None


def no_such_job(job_id: int) -> NotFound:
    """What is said of a number that no job has."""
    return NotFound(f"there is no job {job_id}", job=str(job_id))
