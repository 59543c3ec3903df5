"""A master that is all answers from memory, for tests of the API and the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed

from ganetix.api.master import ConsoleSession, TakeOutput, Watch
from ganetix.api.types import (
    ClusterInfo,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
)
from ganetix.errors import GanetixError, NotFound
from ganetix.jobs.model import Job, JobStatus, LogLine, OpRun
from ganetix.jobs.values import (
    Drain,
    JobMark,
    JobUpdate,
    LockInfo,
    QueueInfo,
    SubmitRequest,
)
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken
from ganetix.opcodes import Opcode

CLUSTER_INFO = ClusterInfo(
    name="test.example",
    uuid="u",
    version="0.1.0",
    master_node="node1",
    primary_ip_version=4,
    default_group="default",
    revision=7,
    started=1.0,
    nodes=2,
    groups=1,
    instances=3,
    jobs_queued=0,
    jobs_running=0,
    parameters={"be/memory": 128},
)
"""A small cluster's, at rest."""

Answers = Callable[[QueryRequest], "Deferred[QueryResult]"]


class FakeWatch:
    """Follows jobs of a ``FakeMaster``."""

    def __init__(
        self, master: FakeMaster, marks: Sequence[JobMark], ends_only: bool
    ) -> None:
        self._master = master
        self._marks = {mark.job_id: mark for mark in marks}
        self._ends_only = ends_only
        self._has_ended = False
        self._wake: Deferred[None] | None = None

    async def next(self) -> Sequence[JobUpdate] | None:
        """The next changes of the jobs."""
        while self._marks and not self._has_ended:
            if updates := [*self._updates()]:
                return updates
            self._wake = Deferred()
            await self._wake
        return None

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""
        return self._has_ended or not self._marks

    def close(self) -> None:
        """End it."""
        self._has_ended = True
        self.wake()

    def wake(self) -> None:
        """Look at the jobs again."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake.callback(None)

    def _updates(self) -> Iterator[JobUpdate]:
        for job_id, mark in list(self._marks.items()):
            if job_id not in self._master.jobs:
                raise NotFound(f"there is no job {job_id}")
            job = self._master.jobs[job_id]
            has_ended = job.ended is not None
            is_new = job.serial > mark.serial or job.log_serial > mark.log_serial
            if has_ended:
                del self._marks[job_id]
            else:
                self._marks[job_id] = JobMark(job_id, job.serial, job.log_serial)
            if self._ends_only and has_ended:
                yield JobUpdate(job=job)
            elif not self._ends_only and (is_new or has_ended):
                lines = self._master.logs[job_id][mark.log_serial :]
                yield JobUpdate(job=job, lines=tuple(lines))


class FakeConsole:
    """A console that echoes, and ends when told so."""

    def __init__(self, output: TakeOutput) -> None:
        self.output = output
        self.typed = b""
        self.is_closed = False
        self._ends: list[Deferred[None]] = []

    def write(self, data: bytes) -> Deferred[None]:
        """Echo."""
        self.typed += data
        return self.output(data)

    def close(self) -> None:
        """End the session."""
        self.is_closed = True
        ends, self._ends = self._ends, []
        for end in ends:
            end.callback(None)

    def ended(self) -> Deferred[None]:
        """Fires when it has been closed."""
        if self.is_closed:
            return succeed(None)
        self._ends.append(Deferred())
        return self._ends[-1]


class FakeMaster:
    """Implements ``api.master.MasterApi``.

    Jobs stay queued until ``advance``, or succeed at once where ``automatic`` is true:
    with the ``results`` or ``failures`` given for their opcodes' types.

    :param queries: answers queries
    :param now: the time of all that happens, in seconds since the epoch
    """

    def __init__(self, queries: Answers | None = None, now: float = 1000.0) -> None:
        self.automatic = True
        self.results: dict[type[Opcode], object] = {}
        self.failures: dict[type[Opcode], GanetixError] = {}
        self.submitted: list[SubmitRequest] = []
        self.jobs: dict[int, Job] = {}
        self.logs: dict[int, list[LogLine]] = {}
        self.watches: list[FakeWatch] = []
        self.reasons: tuple[str, ...] = ()
        self.queue = QueueInfo(drain=None, queued=2, waiting=0, running=1, slots=64)
        self.held: tuple[LockInfo, ...] = ()
        self.field_infos: dict[QueryKind, tuple[FieldInfo, ...]] = {}
        self.info: ClusterInfo | None = None
        self.tokens: list[tuple[str, float]] = []
        self.enrolled: list[EnrolRequest] = []
        self.successors: list[str] = []
        self.enrolment: Enrolment | None = None
        self.consoles: list[FakeConsole] = []
        self.console_log = ""
        self.error: Exception | None = None
        self.now = now
        self.queries = queries

    def submit(self, requests: Sequence[SubmitRequest]) -> Deferred[tuple[int, ...]]:
        """Number jobs; do them if ``automatic``."""
        if self.error:
            return fail(self.error)
        ids = []
        for request in requests:
            self.submitted.append(request)
            job_id = len(self.jobs) + 1
            runs = tuple(OpRun(op=op, priority=request.priority) for op in request.ops)
            self.jobs[job_id] = Job(
                id=job_id, ops=runs, received=self.now, reason=request.reason
            )
            self.logs[job_id] = []
            ids.append(job_id)
            if self.automatic:
                self.finish(job_id)
        return succeed(tuple(ids))

    def advance(
        self, job_id: int, status: JobStatus, lines: Sequence[str] = ()
    ) -> None:
        """Move all opcodes of a job to a state, with log lines."""
        for text in lines:
            self._say(job_id, text)
        job = self.jobs[job_id]
        runs = tuple(replace(run, status=status) for run in job.ops)
        self._put(replace(job, ops=runs))

    def finish(self, job_id: int) -> None:
        """End a job as ``results`` and ``failures`` say."""
        runs = []
        for run in self.jobs[job_id].ops:
            error = self.failures.get(type(run.op))
            result = msgspec.to_builtins(self.results.get(type(run.op)))
            runs.append(
                replace(run, status="error", error=error.to_wire())
                if error
                else replace(run, status="success", result=result)
            )
        self._put(replace(self.jobs[job_id], ops=tuple(runs)))

    def change_priority(self, job_id: int, priority: int) -> Deferred[tuple[bool, str]]:
        """Give a job another priority; whether that was possible, and a line."""
        job = self._job(job_id)
        if isinstance(job, GanetixError):
            return fail(job)
        if job.ended is not None:
            return succeed((False, f"job {job_id} has ended already: {job.status}"))
        self._put(job.with_priority(priority))
        return succeed((True, f"job {job_id} has priority {priority}"))

    def archive(self, job_ids: Sequence[int]) -> Deferred[tuple[tuple[bool, str], ...]]:
        """Archive jobs; of each whether it is archived now, and a line."""
        told = []
        for job_id in job_ids:
            job = self._job(job_id)
            if isinstance(job, GanetixError):
                return fail(job)
            if job.ended is None:
                told.append((False, f"job {job_id} has not ended: it is {job.status}"))
                continue
            self.jobs[job_id] = replace(job, archived=True)
            told.append((True, f"job {job_id} is archived"))
        return succeed(tuple(told))

    def archive_older(self, age_seconds: float) -> Deferred[int]:
        """Archive all jobs that ended so many seconds ago or earlier; how many."""
        limit = self.now - age_seconds
        old = [j for j in self.jobs.values() if j.ended is not None]
        old = [j for j in old if (j.ended or 0) <= limit and not j.archived]
        for job in old:
            self.jobs[job.id] = replace(job, archived=True)
        return succeed(len(old))

    def drain(self, is_drained: bool, reason: str) -> Deferred[QueueInfo]:
        """Take no more jobs, or take them again; how the queue is then."""
        if is_drained and not reason and self.queue.drain:
            reason = self.queue.drain.reason
        drain = Drain(since=self.now, reason=reason) if is_drained else None
        self.queue = replace(self.queue, drain=drain)
        return succeed(self.queue)

    def queue_info(self) -> Deferred[QueueInfo]:
        """The job queue at a glance."""
        return succeed(self.queue)

    def cancel(self, job_id: int) -> Deferred[tuple[bool, str]]:
        """Cancel a job that has not ended."""
        job = self._job(job_id)
        if isinstance(job, GanetixError):
            return fail(job)
        if job.ended is not None:
            return succeed((False, f"it has ended already: {job.status}"))
        self.advance(job_id, "canceled")
        return succeed((True, "canceled"))

    def watch(self, marks: Sequence[JobMark], ends_only: bool) -> Watch:
        """Follow jobs."""
        watch = FakeWatch(self, marks, ends_only)
        self.watches.append(watch)
        return cast(Watch, watch)

    def why(self, job_id: int) -> Deferred[Sequence[str]]:
        """The ``reasons``."""
        return succeed(self.reasons)

    def locks(self) -> Deferred[Sequence[LockInfo]]:
        """The locks ``held``."""
        return succeed(self.held)

    def query(self, request: QueryRequest) -> Deferred[QueryResult]:
        """What ``queries`` answers."""
        if self.error:
            return fail(self.error)
        if self.queries is None:
            return succeed(QueryResult(fields=(), rows=()))
        return self.queries(request)

    def fields(self, kind: QueryKind) -> Sequence[FieldInfo]:
        """The ``field_infos``."""
        return self.field_infos.get(kind, ())

    def cluster_info(self) -> Deferred[ClusterInfo]:
        """The ``info``."""
        if self.info is None:
            return fail(NotFound("this fake has no cluster info"))
        return succeed(self.info)

    def issue_token(
        self, node_name: str, lifetime_seconds: float
    ) -> Deferred[IssuedToken]:
        """A token that is its node's name."""
        self.tokens.append((node_name, lifetime_seconds))
        return succeed(
            IssuedToken(
                token=f"gnx1.{node_name}",
                node_name=node_name,
                expires=self.now + lifetime_seconds,
            )
        )

    def enrol(self, request: EnrolRequest) -> Deferred[Enrolment]:
        """The ``enrolment``."""
        self.enrolled.append(request)
        if self.enrolment is None:
            return fail(NotFound("this fake has no enrolment"))
        return succeed(self.enrolment)

    def stand_down(self, successor: str) -> Deferred[None]:
        """Noted."""
        self.successors.append(successor)
        return succeed(None)

    def console_tail(self, instance_name: str, lines: int) -> Deferred[str]:
        """The end of the ``console_log``."""
        kept = self.console_log.splitlines(keepends=True)[-lines:]
        return succeed("".join(kept))

    def console_open(
        self, instance_name: str, output: TakeOutput
    ) -> Deferred[ConsoleSession]:
        """A console that echoes."""
        if self.error:
            return fail(self.error)
        self.consoles.append(FakeConsole(output))
        return succeed(cast(ConsoleSession, self.consoles[-1]))

    def _job(self, job_id: int) -> Job | NotFound:
        return self.jobs.get(job_id) or NotFound(f"there is no job {job_id}")

    def _say(self, job_id: int, text: str) -> None:
        log = self.logs[job_id]
        log.append(LogLine(serial=len(log) + 1, time=self.now, op=0, text=text))
        self.jobs[job_id] = replace(self.jobs[job_id], log_serial=len(log))

    def _put(self, job: Job) -> None:
        status = job.status
        ended = self.now if status in ("success", "error", "canceled") else None
        self.jobs[job.id] = replace(job, serial=job.serial + 1, ended=ended)
        for watch in self.watches:
            watch.wake()
