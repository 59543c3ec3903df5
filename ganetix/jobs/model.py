"""Jobs and opcodes in them as frozen values, and the moves they may make."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from ganetix.errors import Bug, WireError
from ganetix.objects.base import Value
from ganetix.opcodes import PRIORITY_NORMAL, AnyOpcode, summary

JobStatus = Literal[
    "queued", "waiting", "running", "canceling", "success", "error", "canceled"
]
FinalStatus = Literal["success", "error", "canceled"]
FINAL: frozenset[JobStatus] = frozenset({"success", "error", "canceled"})
RUNNING: frozenset[JobStatus] = frozenset({"running", "canceling"})

PRIORITY_BEST = -20
PRIORITY_WORST = 19

PREVIOUS_FAILED = WireError(code="CLUSTER_FAULT", message="previous opcode failed")
CANCELED = WireError(code="CANCELLED", message="the job was canceled")
RESTARTED = "the master was restarted while this ran"


class Dependency(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A job that must have ended before another begins, and how it may have ended.

    As JSON it is ``[17, ["success", "error"]]``; no status at all stands for any. In
    a request a negative number counts back from the job itself to those before it in
    the same call; a job's record has the numbers that came of it.
    """

    job_id: int
    statuses: tuple[FinalStatus, ...] = ("success",)

    def is_met_by(self, status: JobStatus) -> bool:
        """Whether an end of this kind lets the dependant begin."""
        return status in (self.statuses or FINAL)


class LogLine(Value, frozen=True, kw_only=True, gc=False):
    """One line of a job's log; ``serial`` counts from 1 within the job."""

    serial: int
    time: float
    op: int
    text: str
    level: Literal["info", "warning"] = "info"


class OpRun(Value, frozen=True, kw_only=True, gc=False):
    """One opcode of a job and how far it got; times in seconds since the epoch.

    ``result`` is what JSON can hold.
    """

    op: AnyOpcode
    status: JobStatus = "queued"
    priority: int = PRIORITY_NORMAL
    result: object = None
    error: WireError | None = None
    started: float | None = None
    executing: float | None = None
    ended: float | None = None


class Job(Value, frozen=True, kw_only=True, gc=False):
    """A job. ``serial`` grows with each change; ``log_serial`` is its last line's.

    ``archived`` is true of jobs whose record was found in the archive.

    The methods that change it return the changed job, and raise ``Bug`` where such a
    change is not possible. Opcodes are done in order: the *current* one is the first
    that has not come to its end.
    """

    id: int
    ops: tuple[OpRun, ...]
    received: float
    started: float | None = None
    ended: float | None = None
    serial: int = 1
    log_serial: int = 0
    cancel_requested: bool = False
    reason: str = ""
    depends: tuple[Dependency, ...] = ()
    archived: bool = False

    @property
    def error(self) -> WireError | None:
        """Why it failed: the error of its first opcode that has one."""
        return next((run.error for run in self.ops if run.error is not None), None)

    @property
    def summary(self) -> str:
        """One line for lists."""
        return ", ".join(summary(run.op) for run in self.ops)

    @property
    def status(self) -> JobStatus:
        """One word for all opcodes: how they ended, or how far the current one is."""
        if len(self.ops) == 1:
            return self.ops[0].status
        index = self.current
        if index is not None:
            return self.ops[index].status
        each = {run.status for run in self.ops}
        for status in ("error", "canceled"):
            if status in each:
                return status
        return "success"

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.ended is not None

    @property
    def current(self) -> int | None:
        """The index of the opcode that is being done or comes next."""
        if self.ended is not None:
            return None
        for index, run in enumerate(self.ops):
            if run.status not in FINAL:
                return index
        return None

    @property
    def current_run(self) -> OpRun:
        """The opcode that is being done or comes next; the last of an ended job."""
        index = self.current
        return self.ops[-1 if index is None else index]

    @property
    def priority(self) -> int:
        """The priority in the queue: that of the current opcode."""
        return self.current_run.priority

    def changed(self, index: int, run: OpRun) -> Job:
        """This job with opcode ``index`` replaced, one serial on."""
        ops = (*self.ops[:index], run, *self.ops[index + 1 :])
        return replace(self, ops=ops, serial=self.serial + 1)

    def waiting(self, now: float) -> Job:
        """The current opcode waits for its locks."""
        index, run = self._expect("queued")
        started = now if run.started is None else run.started
        job = self.changed(index, replace(run, status="waiting", started=started))
        return job if self.started is not None else replace(job, started=now)

    def requeued(self, priority: int | None = None) -> Job:
        """The current opcode did not get its locks, or begin, and tries again later."""
        index, run = self._expect("waiting", "running", "canceling")
        if priority is None:
            priority = run.priority
        queued = replace(run, status="queued", priority=priority, executing=None)
        return self.changed(index, queued)

    def running(self, now: float) -> Job:
        """The current opcode has its locks and is being done."""
        index, run = self._expect("waiting")
        return self.changed(index, replace(run, status="running", executing=now))

    def canceling(self) -> Job:
        """The current opcode is being done and was asked to stop."""
        index, run = self._expect("running")
        job = self.changed(index, replace(run, status="canceling"))
        return replace(job, cancel_requested=True)

    def succeeded(self, now: float, result: object) -> Job:
        """The current opcode was done; the rest is canceled if that was asked for."""
        index, run = self._expect("running", "canceling")
        done = replace(run, status="success", result=result, ended=now)
        job = self.changed(index, done)
        if index + 1 == len(self.ops):
            return replace(job, ended=now)
        return job.canceled(now) if job.cancel_requested else job

    def failed(self, now: float, error: WireError) -> Job:
        """The current opcode failed, and with it all that follow."""
        index, run = self._expect("queued", "waiting", "running", "canceling")
        failed = replace(run, status="error", error=error, ended=now)
        rest: JobStatus = "canceled" if self.cancel_requested else "error"
        why = CANCELED if self.cancel_requested else PREVIOUS_FAILED
        return self._ended(now, index, failed, rest, why)

    def canceled(self, now: float) -> Job:
        """The current opcode is not done, or stopped half-way; so are all others."""
        index, run = self._expect("queued", "waiting", "canceling")
        canceled = replace(run, status="canceled", error=CANCELED, ended=now)
        job = replace(self, cancel_requested=True)
        return job._ended(now, index, canceled, "canceled", CANCELED)

    def interrupted(self, now: float, reason: str = RESTARTED) -> Job:
        """What was not queued when the master ended is an error; the rest follows."""
        self._expect("waiting", "running", "canceling")
        return self.failed(now, WireError(code="UNAVAILABLE", message=reason))

    def unmet(self, now: float, job_id: int, ended_as: JobStatus | None) -> Job:
        """A job on which it depends ended as it must not, or is not to be found."""
        self._expect("queued")
        what = "does not exist" if ended_as is None else f"ended as {ended_as}"
        return self.failed(
            now,
            WireError(
                code="WRONG_STATE",
                message=f"depends on job {job_id}, which {what}",
                detail={"job": str(job_id)},
            ),
        )

    def with_priority(self, priority: int) -> Job:
        """Another priority for all opcodes that have not come to their end."""
        if not PRIORITY_BEST <= priority <= PRIORITY_WORST:
            raise Bug(f"job {self.id}: priority {priority} is out of range")
        ops = tuple(
            run if run.status in FINAL else replace(run, priority=priority)
            for run in self.ops
        )
        return replace(self, ops=ops, serial=self.serial + 1)

    def logged(self, log_serial: int) -> Job:
        """The log has lines up to this serial; that is no change of the job."""
        if log_serial == self.log_serial:
            return self
        return replace(self, log_serial=log_serial)

    def _expect(self, *allowed: JobStatus) -> tuple[int, OpRun]:
        index = self.current
        if index is None:
            raise Bug(f"job {self.id} has ended: nothing can happen to it any more")
        run = self.ops[index]
        if run.status not in allowed:
            raise Bug(f"job {self.id}: not possible while it is {run.status}")
        return index, run

    def _ended(
        self, now: float, index: int, run: OpRun, rest: JobStatus, why: WireError
    ) -> Job:
        ops = (
            *self.ops[:index],
            run,
            *(
                replace(later, status=rest, error=why, ended=now)
                for later in self.ops[index + 1 :]
            ),
        )
        return replace(self, ops=ops, ended=now, serial=self.serial + 1)
