"""The job queue: takes jobs, keeps them durably, has them done, answers about them."""

from __future__ import annotations

import random as random_module
from collections.abc import Sequence

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ganetix.flow.outbox import Outbox
from ganetix.flow.shield import shielded
from ganetix.jobs.admission import Admission
from ganetix.jobs.archive import Archive
from ganetix.jobs.book import JobBook, JobCounts
from ganetix.jobs.depend import Dependencies
from ganetix.jobs.drain import DrainSwitch
from ganetix.jobs.history import JobHistory
from ganetix.jobs.lock_names import follow, shown_name
from ganetix.jobs.log import JobLog
from ganetix.jobs.model import (
    Job,
    JobStatus,
    LogLine,
)
from ganetix.jobs.monitor import lock_infos
from ganetix.jobs.orders import Orders
from ganetix.jobs.ports import Config, Rows
from ganetix.jobs.records import JobRecords
from ganetix.jobs.runner import Runner
from ganetix.jobs.values import Drain, JobMark, LockInfo, QueueInfo, SubmitRequest
from ganetix.jobs.watch import JobsWatch
from ganetix.jobs.why import why_waiting
from ganetix.jobs.work import Worker
from ganetix.locking import LockManager
from ganetix.scheduler import Scheduler

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
        self._records = JobRecords(clock, store, self._job_log)
        self._runner = Runner(
            clock,
            store,
            self._records,
            config,
            worker,
            locks,
            self._job_log,
            random,
        )
        self._book = JobBook(self._history, self._ended)
        self._live = self._book.live
        self._depend = Dependencies(clock, self._judged)
        self._admission = Admission(
            clock,
            store,
            self._book,
            self._records,
            self._runner,
            scheduler,
            self._depend,
            self._drain,
        )
        self._orders = Orders(
            clock, store, self._book, self._records, locks, self._archive
        )

    async def load(self) -> None:
        """Read the unfinished jobs; what ran when the master ended is an error now."""
        follow(self._config, self._locks)
        await self._drain.load()
        self._admission.last_number = await self._history.last_number()
        ended: list[Deferred[None]] = []
        for job in await self._history.unfinished():
            self._book.hold(job)
        await self._admission.find_dependencies()
        for live in list(self._live.values()):
            job = live.job
            if job.status != "queued":
                live.last_line = await self._history.last_line(job.id)
                live.shown = live.shown.logged(live.last_line)
                self._log.warn("job {job} was interrupted", job=job.id)
            if job.status != "queued" or job.cancel_requested:
                end = self._records.end_quietly(live, self._after_restart)
                ended.append(Deferred.fromCoroutine(end))
        for recorded in ended:
            await recorded

    def start(self) -> None:
        """Begin to do jobs, and to take new ones."""
        self._admission.takes_jobs = True
        for _, live in sorted(self._live.items()):
            if not live.job.is_final:
                self._admission.begin(live)

    async def stop(self) -> None:
        """Take no more jobs and end those that run; queued ones stay for next time.

        A running opcode is cancelled and may clean up for ``STOP_SECONDS``. One that
        takes longer is found interrupted at the next start.
        """
        self._admission.takes_jobs = False
        self._runner.stopping()
        ended = Deferred.fromCoroutine(self._scheduler.stop())
        try:
            await shielded(ended).addTimeout(STOP_SECONDS, self._clock)
        except TimeoutError:
            running = ", ".join(task.name for task in self._scheduler.running)
            what = running or "the ends of jobs to be recorded"
            self._log.warn("did not wait for {what}", what=what)
        await self._job_log.settled()
        await self._records.stop()

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
        submitted = self._admission.submit(requests, internal)
        return shielded(Deferred.fromCoroutine(submitted))

    def cancel(self, job_id: int) -> Deferred[tuple[bool, str]]:
        """Cancel a job; whether that was possible, and a line for the user.

        A job that is queued or waits for locks is ended at once, and never runs. One
        that runs is asked, and stops at its next safe point.

        :raises NotFound: there is no such job
        :raises StateFault: it is ended, but there is no durable record of that yet
        """
        return Deferred.fromCoroutine(self._orders.cancel(job_id))

    def change_priority(self, job_id: int, priority: int) -> Deferred[tuple[bool, str]]:
        """Give what is left of a job another priority; whether that was possible.

        :raises BadParameter: the priority is not one for users
        :raises NotFound: there is no such job
        :raises StateFault: it has the priority, but there is no durable record of that
        """
        return Deferred.fromCoroutine(self._orders.change_priority(job_id, priority))

    def archive(self, job_ids: Sequence[int]) -> Deferred[tuple[tuple[bool, str], ...]]:
        """Archive jobs; of each whether it is archived now, and a line for the user.

        :raises NotFound: there is no such job; nothing was done
        """
        return shielded(Deferred.fromCoroutine(self._orders.archive(job_ids)))

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

    def _judged(self, job_id: int) -> None:
        live = self._live.get(job_id)
        if live is None or live.job.is_final or not self._admission.takes_jobs:
            return
        if live.task is None:
            self._admission.begin(live)

    def _ended(self, job_id: int, status: JobStatus) -> None:
        self._depend.drop(job_id)
        self._depend.ended(job_id, status)
