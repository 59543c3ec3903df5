"""How jobs come in: what is asked is checked, recorded, and let wait or begin."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.errors import StateFault, Unavailable
from ganetix.flow.breath import Breath
from ganetix.jobs.book import JobBook
from ganetix.jobs.depend import (
    Dependencies,
    check_depends,
    named_jobs,
    require_all,
    resolved,
)
from ganetix.jobs.drain import DrainSwitch
from ganetix.jobs.intake import check_request, new_job
from ganetix.jobs.live import LiveJob
from ganetix.jobs.model import Job
from ganetix.jobs.ports import Rows
from ganetix.jobs.records import JobRecords
from ganetix.jobs.rows import counter_row, job_rows
from ganetix.jobs.runner import Runner
from ganetix.jobs.values import SubmitRequest
from ganetix.scheduler import Again, Scheduler, Task
from ganetix.state.rows import Row


class Admission:
    """Takes jobs into the book, and lets them begin when nothing is in their way.

    A job that is submitted alone, and for which slot and locks are free, is recorded
    as running from the first: so one write is enough before it is done.
    """

    def __init__(
        self,
        clock: IReactorTime,
        store: Rows,
        book: JobBook,
        records: JobRecords,
        runner: Runner,
        scheduler: Scheduler,
        depend: Dependencies,
        drain: DrainSwitch,
    ) -> None:
        self._clock = clock
        self._store = store
        self._book = book
        self._records = records
        self._runner = runner
        self._scheduler = scheduler
        self._depend = depend
        self._drain = drain
        # Bound once for all jobs.
        self._run = runner.run
        self.last_number = 0
        self.takes_jobs = False

    async def submit(
        self, requests: Sequence[SubmitRequest], internal: bool
    ) -> tuple[int, ...]:
        """Take jobs, all or none; see ``JobQueue.submit``."""
        if not self.takes_jobs:
            raise Unavailable("the job queue takes no jobs: the master is not running")
        if not internal:
            self._drain.check()
        for index, request in enumerate(requests):
            check_request(request, internal)
            check_depends(index, request)
        if not requests:
            return ()
        ends = await self._book.ends(named_jobs(requests))
        require_all(ends)
        first = self.last_number + 1
        self.last_number += len(requests)
        if len(requests) == 1 and not requests[0].depends:
            job = new_job(first, requests[0], self._clock.seconds())
            begun = self._begin_at_once(job)
            if begun is not None:
                await begun
                return (first,)
        for number, request in enumerate(requests, first):
            if request.depends:
                self._depend.add(number, resolved(request, number), ends)
        try:
            return await self._take(first, requests)
        except StateFault:
            for number in range(first, first + len(requests)):
                self._depend.drop(number)
            raise

    def begin(self, live: LiveJob) -> None:
        """Let a job wait for a slot, unless it waits for other jobs."""
        job_id = live.job.id
        unmet = self._depend.unmet(job_id)
        if unmet is not None:
            now, other, status = self._clock.seconds(), unmet.job_id, unmet.ended_as
            end = self._records.end_quietly(live, lambda j: j.unmet(now, other, status))
            _ = Deferred.fromCoroutine(end)
        elif not self._depend.is_open(job_id):
            work = partial(self._run, live)
            live.task = self._scheduler.add(f"job {job_id}", work, live.job.priority)

    async def find_dependencies(self) -> None:
        """Let the jobs that were found at the start wait for those they depend on."""
        depending = [
            live.job
            for live in self._book.live.values()
            if live.job.depends and live.job.started is None
        ]
        others = {d.job_id for job in depending for d in job.depends}
        ends = await self._book.ends(others)
        for job in depending:
            self._depend.add(job.id, job.depends, ends)

    def _begin_at_once(self, job: Job) -> Deferred[None] | None:
        """Begin a new job if nothing is in its way; fires when it is durable."""
        if not self._scheduler.has_room:
            return None
        live = self._book.make(job)
        if not self._runner.claim(live):
            return None
        rows = (counter_row(job.id), *job_rows(live.job))
        written = self._store.write(rows, withdrawable=False)
        begun: Deferred[None] = Deferred()
        work = partial(self._run_when_written, live, written, begun)
        self._scheduler.start(f"job {job.id}", work, job.priority)
        return begun

    async def _run_when_written(
        self, live: LiveJob, written: Deferred[int], begun: Deferred[None], task: Task
    ) -> Again | None:
        if begun.called:
            # Its first opcode was done; it has been in the queue for the next.
            return await self._run(live, task)
        try:
            await written
        except StateFault as error:
            self._runner.let_go(live)
            begun.errback(error)
            return None
        except CancelledError:
            self._runner.let_go(live)
            begun.errback(Unavailable("the master is stopping"))
            raise
        live.task = task
        self._book.add(live)
        begun.callback(None)
        return await self._runner.run_claimed(live, task)

    async def _take(
        self, first: int, requests: Sequence[SubmitRequest]
    ) -> tuple[int, ...]:
        now = self._clock.seconds()
        jobs: list[Job] = []
        rows: list[Row] = []
        breath = Breath(self._clock)
        for number, request in enumerate(requests, first):
            jobs.append(new_job(number, request, now))
            rows += job_rows(jobs[-1])
            if breath.is_due:
                await breath.take()
        # Others may have taken numbers, and written them, during a breath.
        await self._store.write([counter_row(self.last_number), *rows])
        breath = Breath(self._clock)
        for job in jobs:
            live = self._book.hold(job)
            if self.takes_jobs:
                self.begin(live)
            if breath.is_due:
                await breath.take()
        return tuple(job.id for job in jobs)
