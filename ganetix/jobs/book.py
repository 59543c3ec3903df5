"""Which jobs there are: those that have not ended, and the way to all others."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from ganetix.jobs.depend import Ends
from ganetix.jobs.history import JobHistory
from ganetix.jobs.live import LiveJob
from ganetix.jobs.model import Job, JobStatus
from ganetix.jobs.rows import ARCHIVED, FINISHED
from ganetix.jobs.watch import no_such_job

KEPT_FINISHED = 500
"""How many jobs stay in memory after their end, for those who ask at once."""


class JobCounts(NamedTuple):
    """How many jobs are queued, wait for locks, and are being done."""

    queued: int
    waiting: int
    running: int


class JobBook:
    """Jobs by number.

    ``live`` are those that have not ended, by what others may see of them. Some that
    ended lately are kept too; the rest is in the store.

    :param on_end: called with number and status once a job's end is shown
    """

    def __init__(
        self, history: JobHistory, on_end: Callable[[int, JobStatus], None]
    ) -> None:
        self.live: dict[int, LiveJob] = {}
        self._history = history
        self._on_end = on_end
        self._recent: OrderedDict[int, LiveJob] = OrderedDict()
        self._statuses: Counter[str] = Counter()
        # Bound once for all jobs.
        self._on_show = self._shown

    def counts(self) -> JobCounts:
        """How many jobs there are that have not ended."""
        count = self._statuses
        return JobCounts(
            count["queued"], count["waiting"], count["running"] + count["canceling"]
        )

    def hold(self, job: Job) -> LiveJob:
        """Take a job in that has not ended."""
        live = self.make(job)
        self.add(live)
        return live

    def make(self, job: Job) -> LiveJob:
        """A job that nobody can see before it is added."""
        return LiveJob(job, self._on_show)

    def add(self, live: LiveJob) -> None:
        """Take in a job that was made here."""
        self.live[live.job.id] = live
        self._statuses[live.status] += 1

    async def find(self, job_id: int) -> LiveJob | Job:
        """A job, wherever it is; ``NotFound`` if there is none of that number."""
        live = self.live.get(job_id) or self._recent.get(job_id)
        if live is not None:
            return live
        found = await self._history.finished([job_id])
        if not found:
            raise no_such_job(job_id)
        return found[0]

    async def find_all(self, ids: Sequence[int]) -> list[LiveJob | Job]:
        """Jobs, wherever they are; ``NotFound`` names the first that is none."""
        held = {i: self.live.get(i) or self._recent.get(i) for i in ids}
        ended = [job_id for job_id, live in held.items() if live is None]
        jobs = await self._history.finished(ended) if ended else ()
        found = {job.id: job for job in jobs}
        for job_id in ended:
            if job_id not in found:
                raise no_such_job(job_id)
        return [held[i] or found[i] for i in ids]

    async def shown(self, job_id: int) -> Job:
        """A job as others see it; ``NotFound`` if there is none of that number."""
        found = await self.find(job_id)
        return found.shown if isinstance(found, LiveJob) else found

    async def jobs(
        self,
        limit: int | None,
        ids: Sequence[int] | None,
        finished: bool,
        archived: bool,
    ) -> Sequence[Job]:
        """Jobs by number; see ``JobQueue.jobs``."""
        # The store is asked last: what ends in the meantime is not missed then.
        jobs = {job_id: live.shown for job_id, live in self.live.items()}
        if ids:
            jobs = {i: jobs[i] for i in ids if i in jobs}
            missing = [i for i in ids if i not in jobs]
            jobs |= {job.id: job for job in await self._history.finished(missing)}
            for job_id in ids:
                if job_id not in jobs:
                    raise no_such_job(job_id)
        else:
            # The archive last, as well: jobs move into it.
            kinds = ((FINISHED, finished), (ARCHIVED, archived))
            for kind in (kind for kind, is_wanted in kinds if is_wanted):
                ended = await self._history.newest_finished(limit, kind)
                jobs |= {job.id: job for job in ended}
        found = [jobs[job_id] for job_id in sorted(jobs)]
        return found if limit is None else found[max(len(found) - limit, 0) :]

    async def ends(self, numbers: Collection[int]) -> Ends:
        """How those of these jobs have ended that are not to come any more."""
        ends: dict[int, JobStatus | None] = {}
        while True:
            unknown = [n for n in numbers if n not in self.live and n not in ends]
            if not unknown:
                return ends
            ends |= await self._history.ends(unknown)

    async def ended_line(self, job_id: int) -> str:
        """A line that says how a job has ended."""
        found = await self.find(job_id)
        job = found.job if isinstance(found, LiveJob) else found
        return f"job {job_id} has ended already: {job.status}"

    def _shown(self, live: LiveJob, before: JobStatus) -> None:
        """Keep count; let go of a job that has ended."""
        job, status = live.shown, live.status
        self._statuses[before] -= 1
        self._statuses[status] += 1
        if job.is_final and job.id in self.live:
            self._statuses[status] -= 1
            del self.live[job.id]
            live.task = None
            self._on_end(job.id, status)
            self._recent[job.id] = live
            if len(self._recent) > KEPT_FINISHED:
                self._recent.popitem(last=False)
