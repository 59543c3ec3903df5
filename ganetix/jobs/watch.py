"""Following jobs from some point on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ganetix.errors import NotFound
from ganetix.flow.breath import Breath
from ganetix.flow.outbox import Outbox
from ganetix.jobs.history import JobHistory
from ganetix.jobs.live import LiveJob
from ganetix.jobs.model import Job, LogLine
from ganetix.jobs.values import JobMark, JobUpdate

MOST_LINES = 500
"""Lines in one update; the rest comes with the next."""

MOST_UPDATES = 200
"""Jobs that are told of at once; the others come next."""

FEW_JOBS = 8
GATHER_SECONDS = 0.05
"""Who watches more than a few jobs gets their changes of so long a time together."""

Find = Callable[[Sequence[int]], Awaitable[Sequence["LiveJob | Job"]]]
"""The jobs of these numbers, in order; ``NotFound`` if there is one missing."""


class JobsWatch:
    """The changes of some jobs, as fast as the watcher takes them.

    Nothing is kept for the watcher but where it is: a slow one gets the changes since
    the last together, and lines that are no longer in memory from the store. A watch
    that begins with the serials it last saw misses no line and no final state.

    :param marks: the jobs, and what the watcher has seen of each
    :param ends_only: tell nothing of a job but its end, and no lines
    """

    def __init__(
        self,
        clock: IReactorTime,
        outbox: Outbox,
        find: Find,
        history: JobHistory,
        marks: Sequence[JobMark],
        ends_only: bool = False,
    ) -> None:
        self._clock = clock
        self._outbox = outbox
        self._find = find
        self._history = history
        self._ends_only = ends_only
        self._places = {mark.job_id: _Place(mark) for mark in marks}
        self._news: Deferred[None] | None = None
        # Jobs that may have something to tell, the longest waiting first.
        self._fresh = OrderedDict.fromkeys(self._places)
        self._unknown = list(self._places.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing comes after what ``next`` gave last."""
        return not self._places

    async def next(self) -> Sequence[JobUpdate] | None:
        """The next changes, when there are some; None after the last, or ``close``.

        :raises NotFound: there is no such job
        """
        while self._places:
            if updates := await self._collect():
                return updates
            if self._places and not self._fresh:
                await self._wait()
        return None

    def close(self) -> None:
        """Ask for no more; a waiting ``next`` ends with None."""
        for place in tuple(self._places.values()):
            self._forget(place)
        self._fresh.clear()
        news, self._news = self._news, None
        if news is not None and not news.called:
            news.callback(None)

    def changed(self, live: LiveJob) -> None:
        """A job of these has changed, as others see it."""
        if self._ends_only and live.shown.ended is None:
            return
        self._fresh[live.job.id] = None
        if self._news is not None:
            news, self._news = self._news, None
            self._outbox.give(news, None)

    async def _wait(self) -> None:
        self._news = Deferred()
        try:
            await self._news
        finally:
            self._news = None
        if len(self._places) > FEW_JOBS:
            await deferLater(self._clock, GATHER_SECONDS)

    async def _collect(self) -> Sequence[JobUpdate]:
        """Updates of the jobs that waited longest; none if there is nothing new."""
        if self._unknown:
            await self._find_jobs()
        updates: list[JobUpdate] = []
        lines = 0
        breath = Breath(self._clock)
        while self._fresh and len(updates) < MOST_UPDATES and lines < MOST_LINES:
            if breath.is_due:
                if updates:
                    break
                await breath.take()
                continue
            job_id, _ = self._fresh.popitem(last=False)
            place = self._places.get(job_id)
            if place is None:
                continue
            update = self._update(place)
            if update is None and place.lacks_lines:
                if updates:
                    self._fresh[job_id] = None
                    break
                update = await self._update_from_store(place)
            if update is not None:
                updates.append(update)
                lines += len(update.lines)
        return updates

    async def _find_jobs(self) -> None:
        found = await self._find([place.job_id for place in self._unknown])
        unknown, self._unknown = self._unknown, []
        for place, job in zip(unknown, found, strict=True):
            if place.job_id in self._places:
                place.found = job
                if isinstance(job, LiveJob):
                    job.tell(self)
                    if self._ends_only and job.shown.ended is None:
                        self._fresh.pop(place.job_id, None)

    def _update(self, place: _Place) -> JobUpdate | None:
        """What is new, from memory; ``lacks_lines`` if that is not enough."""
        job = place.shown
        if self._ends_only:
            if job.ended is None:
                return None
            self._forget(place)
            return JobUpdate(job=job)
        lines = place.recent_lines(job)
        place.lacks_lines = lines is None
        return None if lines is None else self._told(place, job, lines)

    async def _update_from_store(self, place: _Place) -> JobUpdate | None:
        job = place.shown
        try:
            lines = await self._history.lines(job.id, place.log_serial, MOST_LINES)
        except Exception:
            self._fresh[job.id] = None
            raise
        place.lacks_lines = False
        return self._told(place, job, lines) if job.id in self._places else None

    def _told(
        self, place: _Place, job: Job, lines: Sequence[LogLine]
    ) -> JobUpdate | None:
        if job.serial == place.serial and not lines and job.ended is None:
            return None
        if lines:
            place.log_serial = lines[-1].serial
        if len(lines) >= MOST_LINES:
            self._fresh[job.id] = None
        else:
            place.serial = job.serial
            if job.ended is not None:
                self._forget(place)
            elif place.shown is not job:
                # It went on while old lines were read.
                self._fresh[job.id] = None
        return JobUpdate(job=job, lines=tuple(lines))

    def _forget(self, place: _Place) -> None:
        self._places.pop(place.job_id, None)
        if isinstance(place.found, LiveJob):
            place.found.tell_no_more(self)


class _Place:
    """A job that is watched, and what the watcher has seen of it."""

    __slots__ = ("found", "job_id", "lacks_lines", "log_serial", "serial")

    def __init__(self, mark: JobMark) -> None:
        self.job_id = mark.job_id
        self.serial = mark.serial
        self.log_serial = mark.log_serial
        self.found: LiveJob | Job | None = None
        self.lacks_lines = False

    @property
    def shown(self) -> Job:
        """The job as others see it."""
        found = self.found
        assert found is not None  # noqa: S101 - told of only when it is found
        return found.shown if isinstance(found, LiveJob) else found

    def recent_lines(self, job: Job) -> Sequence[LogLine] | None:
        """The lines that were not seen; None if they are not all in memory."""
        seen = self.log_serial
        if job.log_serial <= seen:
            return ()
        recent = self.found.lines if isinstance(self.found, LiveJob) else None
        if not recent or recent[0].serial > seen + 1:
            return None
        return [line for line in recent if seen < line.serial <= job.log_serial]


def no_such_job(job_id: int) -> NotFound:
    """What is said of a number that no job has."""
    return NotFound(f"there is no job {job_id}", job=str(job_id))
