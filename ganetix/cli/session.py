"""A command at work: its connection, the jobs it submits and waits for."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.internet.task import LoopingCall

from ganetix.api.client import ApiClient, connect
from ganetix.cli.asking import Asking
from ganetix.cli.errors import Failure
from ganetix.cli.options import PRIORITIES
from ganetix.cli.parser import Options
from ganetix.cli.progress import JobProgress
from ganetix.cli.streams import Streams
from ganetix.errors import GanetixError
from ganetix.jobs.model import Dependency, Job
from ganetix.jobs.values import JobUpdate, SubmitRequest
from ganetix.opcodes import AnyOpcode
from ganetix.paths import Paths

WHY_AFTER_SECONDS = 2.0
"""How long a job may wait before its user is told what it waits for."""


class Session(Asking):
    """What a command has at hand that submits jobs, or stays connected."""

    def __init__(
        self, program: str, reactor: IReactorUNIX, streams: Streams, paths: Paths
    ) -> None:
        super().__init__(program, streams, paths)
        self.reactor = reactor
        self.clock = IReactorTime(reactor)
        self._client: ApiClient | None = None

    async def client(self) -> ApiClient:
        """The master; connects when first asked for."""
        if self._client is None:
            self._client = await connect(
                self.reactor,
                self.paths.master_socket,
                self.ssconf("master_node"),
                lambda line: self.streams.note(f"{self.program}: {line}"),
            )
        return self._client

    async def run_jobs(self, ops: Sequence[AnyOpcode], options: Options) -> list[Job]:
        """Submit a job for each opcode and wait for all, with progress on stderr.

        With ``--submit`` prints the jobs' numbers and returns no job at all. Raises
        ``Failure`` when a job failed.
        """
        jobs = await self.end_jobs(ops, options)
        self.require_success(jobs)
        return jobs

    async def end_jobs(self, ops: Sequence[AnyOpcode], options: Options) -> list[Job]:
        """As ``run_jobs``, whether they succeed or not."""
        client = await self.client()
        depends = tuple(Dependency(*given) for given in options.depends)
        requests = [
            SubmitRequest(
                ops=(op,),
                priority=PRIORITIES[options.priority],
                reason=options.reason,
                depends=depends,
            )
            for op in ops
        ]
        if options.submit:
            for job_id in await client.submit(requests):
                self.streams.out(str(job_id))
            return []
        return await self._watch(lambda follower: follower.run(requests))

    async def run_job(self, op: AnyOpcode, options: Options) -> Job | None:
        """Submit one opcode and wait for it; None with ``--submit``."""
        jobs = await self.run_jobs([op], options)
        return jobs[0] if jobs else None

    async def follow(self, ids: Sequence[int]) -> list[Job]:
        """Wait for jobs to end, with progress; an interrupt tells that they go on."""
        return await self._watch(lambda follower: follower.follow(ids))

    async def _watch(
        self, watch: Callable[[_Follower], Awaitable[list[Job]]]
    ) -> list[Job]:
        client = await self.client()
        progress = JobProgress(self.streams.stderr, self._width())
        follower = _Follower(client, progress, self.clock)
        try:
            return await watch(follower)
        except CancelledError:
            progress.finish()
            self._tell_of_going_on(follower.unfinished)
            raise
        finally:
            progress.finish()

    def require_success(self, jobs: Sequence[Job]) -> None:
        """Raise ``Failure`` for jobs that did not succeed."""
        failed = [job for job in jobs if job.status != "success"]
        if len(jobs) == 1 and failed:
            error = failed[0].error
            reason = error.message if error else f"it was {failed[0].status}"
            raise Failure(f"job {failed[0].id}: {reason}")
        if failed:
            names = ", ".join(str(job.id) for job in failed)
            raise Failure(f"{len(failed)} of {len(jobs)} jobs failed: {names}")

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()

    def _width(self) -> int | None:
        return (
            shutil.get_terminal_size().columns if self.streams.stderr.isatty() else None
        )

    def _tell_of_going_on(self, ids: Sequence[int]) -> None:
        if not ids:
            return
        names = " ".join(map(str, ids))
        what = f"job {names} goes" if len(ids) == 1 else f"jobs {names} go"
        self.streams.note(
            f"{self.program}: interrupted; {what} on. Watch: gnt-job watch {ids[0]};"
            f" end: gnt-job cancel {names}"
        )


class _Follower:
    """Waits for jobs and keeps their progress on the screen."""

    def __init__(
        self, client: ApiClient, progress: JobProgress, clock: IReactorTime
    ) -> None:
        self._client = client
        self._progress = progress
        self._clock = clock
        self._open: dict[int, Job | None] = {}
        self._still_since: dict[int, float] = {}

    @property
    def unfinished(self) -> list[int]:
        """Jobs that have not ended yet."""
        return list(self._open)

    async def run(self, requests: Sequence[SubmitRequest]) -> list[Job]:
        """Submit jobs; these, ended."""
        return await self._while_ticking(
            self._client.run(requests, self._take, on_submit=self._expect)
        )

    async def follow(self, ids: Sequence[int]) -> list[Job]:
        """The jobs, ended."""
        self._expect(ids)
        return await self._while_ticking(self._client.follow_many(ids, self._take))

    def _expect(self, ids: Sequence[int]) -> None:
        now = self._clock.seconds()
        for job_id in ids:
            if job_id not in self._still_since:
                self._open[job_id] = None
                self._still_since[job_id] = now

    async def _while_ticking(self, jobs: Deferred[list[Job]]) -> list[Job]:
        clockwork = LoopingCall(self._tick)
        clockwork.clock = self._clock
        _ = clockwork.start(1.0, now=False)
        try:
            return await jobs
        finally:
            clockwork.stop()

    def _take(self, update: JobUpdate) -> None:
        now = self._clock.seconds()
        job = update.job
        # News of a job that was just submitted may come before its number does.
        self._still_since.setdefault(job.id, now)
        if job.ended is not None:
            self._open.pop(job.id, None)
        else:
            if job.status not in ("queued", "waiting"):
                self._still_since[job.id] = now
            self._open[job.id] = job
        self._progress.take(update, now)

    def _tick(self) -> None:
        now = self._clock.seconds()
        self._progress.tick(now)
        for job_id, job in self._open.items():
            if job is None or job.status not in ("queued", "waiting"):
                continue
            if now - self._still_since[job_id] >= WHY_AFTER_SECONDS:
                self._still_since[job_id] = now
                _ = Deferred.fromCoroutine(self._ask_why(job_id))

    async def _ask_why(self, job_id: int) -> None:
        try:
            reasons = await self._client.why(job_id)
        except GanetixError:
            return
        if job_id in self._open:
            self._progress.waits(job_id, reasons, self._clock.seconds())


Run = Callable[[Session, Options], Awaitable[int | None]]
"""A command: its exit status, None for 0."""
