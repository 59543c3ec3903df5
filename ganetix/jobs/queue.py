"""The job queue: takes jobs, keeps them durably, has them done, answers about them."""

from __future__ import annotations

import random as random_module
from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ganetix.errors import StateFault, Unavailable
from ganetix.flow.breath import Breath
from ganetix.flow.outbox import Outbox
from ganetix.flow.shield import shielded
from ganetix.jobs.archive import Archive
from ganetix.jobs.book import JobBook, JobCounts
from ganetix.jobs.depend import (
    Dependencies,
    check_depends,
    named_jobs,
    require_all,
    resolved,
)
from ganetix.jobs.drain import DrainSwitch
from ganetix.jobs.history import JobHistory
from ganetix.jobs.intake import bad_priority, check_request, new_job
from ganetix.jobs.live import LiveJob
from ganetix.jobs.lock_names import follow, shown_name
from ganetix.jobs.log import JobLog
from ganetix.jobs.model import (
    Job,
    JobStatus,
    LogLine,
)
from ganetix.jobs.monitor import lock_infos
from ganetix.jobs.ports import Config, Rows
from ganetix.jobs.rows import counter_row, job_rows
from ganetix.jobs.runner import Runner
from ganetix.jobs.values import Drain, JobMark, LockInfo, QueueInfo, SubmitRequest
from ganetix.jobs.watch import JobsWatch
from ganetix.jobs.why import why_waiting
from ganetix.jobs.work import Worker
from ganetix.locking import LockManager
from ganetix.opcodes import SUBMIT_PRIORITIES
from ganetix.scheduler import Scheduler
from ganetix.state.rows import Row

STOP_SECONDS = 4.0
"""How long running jobs have for their clean-up when the master stops."""


class JobQueue:
    """All jobs of a cluster.

    :param random: for the jitter of lock attempts and the ids of internal errors
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: Rows,
        config: Config,
        worker: Worker,
        locks: LockManager,
        scheduler: Scheduler,
        random: random_module.Random,
    ) -> None:
        self._clock = clock
        self._store = store
        self._config = config
        self._locks = locks
        self._scheduler = scheduler
        self._outbox = Outbox(clock)
        self._history = JobHistory(clock, store)
        self._archive = Archive(clock, store)
        self._drain = DrainSwitch(clock, store)
        self._job_log = JobLog(clock, store)
        self._runner = Runner(
            clock, store, config, worker, locks, self._job_log, random
        )
        # Bound once for all jobs.
        self._run = self._runner.run
        self._book = JobBook(self._history, self._ended)
        self._live = self._book.live
        self._depend = Dependencies(clock, self._judged)
        self._last_number = 0
        self._takes_jobs = False

    async def load(self) -> None:
        """Read the unfinished jobs; what ran when the master ended is an error now."""
        follow(self._config, self._locks)
        await self._drain.load()
        self._last_number = await self._history.last_number()
        ended: list[Deferred[None]] = []
        for job in await self._history.unfinished():
            self._book.hold(job)
        await self._find_dependencies()
        for live in list(self._live.values()):
            job = live.job
            if job.status != "queued":
                live.last_line = await self._history.last_line(job.id)
                live.shown = live.shown.logged(live.last_line)
                self._log.warn("job {job} was interrupted", job=job.id)
            if job.status != "queued" or job.cancel_requested:
                end = self._runner.end_quietly(live, self._after_restart)
                ended.append(Deferred.fromCoroutine(end))
        for recorded in ended:
            await recorded

    def start(self) -> None:
        """Begin to do jobs, and to take new ones."""
        self._takes_jobs = True
        for _, live in sorted(self._live.items()):
            if not live.job.is_final:
                self._begin(live)

    async def stop(self) -> None:
        """Take no more jobs and end those that run; queued ones stay for next time.

        A running opcode is cancelled and may clean up for ``STOP_SECONDS``. One that
        takes longer is found interrupted at the next start.
        """
        self._takes_jobs = False
        self._runner.stopping()
        ended = Deferred.fromCoroutine(self._scheduler.stop())
        try:
            await shielded(ended).addTimeout(STOP_SECONDS, self._clock)
        except TimeoutError:
            running = ", ".join(task.name for task in self._scheduler.running)
            self._log.warn("did not wait for {tasks}", tasks=running)
        await self._job_log.settled()
        await self._runner.stop()

    def submit(
        self, requests: Sequence[SubmitRequest], internal: bool = False
    ) -> Deferred[tuple[int, ...]]:
        """Take jobs, all or none; fires with their numbers when they are durable.

        :param internal: any priority is allowed, not only those for users, also
            while the queue is drained
        :raises BadParameter: a job without opcodes or with a priority not allowed, or
            a dependency on a job that is not before it in the call
        :raises NotFound: a dependency on a job that does not exist
        :raises StateFault: the store does not take them, and says why
        :raises Unavailable: the master is starting or stopping
        :raises WrongState: the queue is drained
        """
        # Jobs that were written are queued, whether or not the caller still waits.
        return shielded(Deferred.fromCoroutine(self._submit(requests, internal)))

    def cancel(self, job_id: int) -> Deferred[tuple[bool, str]]:
        """Cancel a job; whether that was possible, and a line for the user.

        A job that is queued or waits for locks is ended at once, and never runs. One
        that runs is asked, and stops at its next safe point.

        :raises NotFound: there is no such job
        :raises StateFault: it is ended, but there is no durable record of that yet
        """
        return Deferred.fromCoroutine(self._cancel(job_id))

    def change_priority(self, job_id: int, priority: int) -> Deferred[tuple[bool, str]]:
        """Give what is left of a job another priority; whether that was possible.

        :raises BadParameter: the priority is not one for users
        :raises NotFound: there is no such job
        :raises StateFault: it has the priority, but there is no durable record of that
        """
        return Deferred.fromCoroutine(self._change_priority(job_id, priority))

    def archive(self, job_ids: Sequence[int]) -> Deferred[tuple[tuple[bool, str], ...]]:
        """Archive jobs; of each whether it is archived now, and a line for the user.

        :raises NotFound: there is no such job; nothing was done
        """
        return shielded(Deferred.fromCoroutine(self._archive_jobs(job_ids)))

    def archive_older(self, age_seconds: float) -> Deferred[int]:
        """Archive all jobs that ended so many seconds ago or earlier; how many."""
        return Deferred.fromCoroutine(self._archive.move_older(age_seconds))

    def drain(self, reason: str = "") -> Deferred[Drain]:
        """Take no more jobs but the master's own, durably; those there are go on."""
        return shielded(Deferred.fromCoroutine(self._drain.on(reason)))

    def undrain(self) -> Deferred[None]:
        """Take jobs again."""
        return shielded(Deferred.fromCoroutine(self._drain.off()))

    def info(self) -> QueueInfo:
        """The queue at a glance."""
        counts = self.counts()
        return QueueInfo(
            drain=self._drain.drain,
            queued=counts.queued,
            waiting=counts.waiting,
            running=counts.running,
            slots=self._scheduler.slots,
        )

    def job(self, job_id: int) -> Deferred[Job]:
        """A job, ended or not; ``NotFound`` if there is none of that number."""
        return Deferred.fromCoroutine(self._book.shown(job_id))

    def jobs(
        self,
        limit: int | None = None,
        ids: Sequence[int] | None = None,
        finished: bool = True,
        archived: bool = False,
    ) -> Deferred[Sequence[Job]]:
        """Jobs by number, the newest last.

        :param limit: only so many of the newest
        :param ids: only these; ``NotFound`` names the first that does not exist
        :param finished: with those that have ended
        :param archived: with those that were archived; ``ids`` find them anyway
        """
        return Deferred.fromCoroutine(self._book.jobs(limit, ids, finished, archived))

    def log(self, job_id: int, after_serial: int = 0) -> Deferred[Sequence[LogLine]]:
        """The log lines of a job beyond a serial, in order; none if there is no job."""
        return Deferred.fromCoroutine(self._history.lines(job_id, after_serial))

    def watch(self, marks: Sequence[JobMark], ends_only: bool = False) -> JobsWatch:
        """Follow jobs from these marks on, or wait for their ends."""
        return JobsWatch(
            self._clock,
            self._outbox,
            self._book.find_all,
            self._history,
            marks,
            ends_only,
        )

    def why(self, job_id: int) -> str | None:
        """What a job waits for, in a line; None if it waits for nothing."""
        live = self._live.get(job_id)
        if live is None:
            return None
        return why_waiting(
            live,
            self._locks,
            self._scheduler,
            self._depend.open(job_id),
            self._live,
            self._clock.seconds(),
            lambda name: shown_name(self._config.snapshot(), name),
        )

    def locks(self) -> Sequence[LockInfo]:
        """All locks that somebody holds or waits for."""
        return lock_infos(self._locks)

    def is_active(self, job_id: int) -> bool:
        """Whether there is such a job that has not ended."""
        return job_id in self._live

    def counts(self) -> JobCounts:
        """How many jobs there are that have not ended."""
        return self._book.counts()

    def _after_restart(self, job: Job) -> Job:
        """How a job ends that cannot go on where the last master left it."""
        now = self._clock.seconds()
        if job.is_final:
            return job
        return job.canceled(now) if job.status == "queued" else job.interrupted(now)

    async def _submit(
        self, requests: Sequence[SubmitRequest], internal: bool
    ) -> tuple[int, ...]:
        if not self._takes_jobs:
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
        first = self._last_number + 1
        self._last_number += len(requests)
        for number, request in enumerate(requests, first):
            if request.depends:
                self._depend.add(number, resolved(request, number), ends)
        try:
            return await self._take(first, requests)
        except StateFault:
            for number in range(first, first + len(requests)):
                self._depend.drop(number)
            raise

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
        await self._store.write([counter_row(self._last_number), *rows])
        breath = Breath(self._clock)
        for job in jobs:
            live = self._book.hold(job)
            if self._takes_jobs:
                self._begin(live)
            if breath.is_due:
                await breath.take()
        return tuple(job.id for job in jobs)

    async def _find_dependencies(self) -> None:
        depending = [
            live.job
            for live in self._live.values()
            if live.job.depends and live.job.started is None
        ]
        others = {d.job_id for job in depending for d in job.depends}
        ends = await self._book.ends(others)
        for job in depending:
            self._depend.add(job.id, job.depends, ends)

    def _begin(self, live: LiveJob) -> None:
        """Let a job wait for a slot, unless it waits for other jobs."""
        job_id = live.job.id
        unmet = self._depend.unmet(job_id)
        if unmet is not None:
            now, other, status = self._clock.seconds(), unmet.job_id, unmet.ended_as
            end = self._runner.end_quietly(live, lambda j: j.unmet(now, other, status))
            _ = Deferred.fromCoroutine(end)
        elif not self._depend.open(job_id):
            self._schedule(live)

    def _judged(self, job_id: int) -> None:
        live = self._live.get(job_id)
        if live is None or live.job.is_final or not self._takes_jobs:
            return
        if live.task is None:
            self._begin(live)

    async def _cancel(self, job_id: int) -> tuple[bool, str]:
        live = self._live.get(job_id)
        if live is None or live.job.is_final:
            return False, await self._book.ended_line(job_id)
        job = live.job
        if job.status in ("queued", "waiting"):
            try:
                await self._end_now(live)
            except StateFault as error:
                raise StateFault(
                    f"job {job_id} is canceled, but that is not recorded yet: {error}"
                ) from error
            return True, f"job {job_id} was canceled"
        if job.status == "canceling":
            return True, f"job {job_id} was asked to stop already"
        if live.is_ending and job.current == len(job.ops) - 1:
            return False, f"job {job_id} is just ending"
        live.move(job.canceling())
        self._runner.record_soon(live)
        return True, f"job {job_id} is running; it was asked to stop"

    def _end_now(self, live: LiveJob) -> Deferred[None]:
        now, task = self._clock.seconds(), live.task
        # The job has ended before its coroutine learns that it is cancelled.
        ended = Deferred.fromCoroutine(
            self._runner.end(live, lambda job: job.canceled(now))
        )
        if task is not None:
            task.cancel()
        return shielded(ended)

    async def _change_priority(self, job_id: int, priority: int) -> tuple[bool, str]:
        if priority not in SUBMIT_PRIORITIES:
            raise bad_priority(priority)
        live = self._live.get(job_id)
        if live is None or live.job.is_final:
            return False, await self._book.ended_line(job_id)
        live.move(live.job.with_priority(priority))
        if live.task is not None:
            live.task.change_priority(priority)
        if live.owner is not None:
            self._locks.change_priority(live.owner, priority)
        try:
            while live.is_starting or live.is_ending:
                # The record that is on its way has the old priority.
                await self._store.write(())
            if live.job.is_final:
                return False, await self._book.ended_line(job_id)
            await self._runner.record(live)
        except StateFault as error:
            raise StateFault(
                f"job {job_id} has priority {priority}, but that is not recorded:"
                f" {error}"
            ) from error
        return True, f"job {job_id} has priority {priority}"

    async def _archive_jobs(
        self, job_ids: Sequence[int]
    ) -> tuple[tuple[bool, str], ...]:
        told: list[tuple[bool, str]] = []
        wanted: list[int] = []
        for job in await self._book.jobs(None, job_ids, True, True) if job_ids else ():
            if not job.is_final:
                told.append((False, f"job {job.id} has not ended: it is {job.status}"))
            elif job.archived:
                told.append((True, f"job {job.id} is archived already"))
            else:
                wanted.append(job.id)
                told.append((True, f"job {job.id} is archived"))
        await self._archive.move(wanted)
        return tuple(told)

    def _schedule(self, live: LiveJob) -> None:
        job, work = live.job, partial(self._run, live)
        live.task = self._scheduler.add(f"job {job.id}", work, job.priority)

    def _ended(self, job_id: int, status: JobStatus) -> None:
        self._depend.drop(job_id)
        self._depend.ended(job_id, status)
