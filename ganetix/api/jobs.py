"""What a job as a whole has come to: pure, for both ends. Imports no Twisted."""

from __future__ import annotations

from ganetix.errors import WireError
from ganetix.jobs.model import FINAL, Job, JobStatus, OpRun

_FAILED: tuple[JobStatus, ...] = ("error", "canceled")
_UNDER_WAY: tuple[JobStatus, ...] = ("canceling", "running", "waiting")


def job_status(job: Job) -> JobStatus:
    """One word for all its opcodes: the first that failed decides, else the busiest."""
    each = [run.status for run in job.ops]
    if all(status in FINAL for status in each):
        return next((s for s in _FAILED if s in each), "success")
    for status in _UNDER_WAY:
        if status in each:
            return status
    return "queued"


def job_error(job: Job) -> WireError | None:
    """Why the job failed: the error of its first opcode that has one."""
    return next((run.error for run in job.ops if run.error is not None), None)


def current_run(job: Job) -> OpRun:
    """The opcode that is being done or comes next; the last one of an ended job."""
    return next((run for run in job.ops if run.status not in FINAL), job.ops[-1])
