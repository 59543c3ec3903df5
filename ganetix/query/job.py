"""Fields of jobs."""

from __future__ import annotations

from ganetix.api.types import Cell
from ganetix.jobs.model import Dependency, Job, LogLine
from ganetix.objects.base import Value
from ganetix.opcodes import opcode_id
from ganetix.query.table import Column, Table, column


class JobRow(Value, frozen=True, kw_only=True):
    """A job, with its log and the reasons why it waits if these were asked for."""

    job: Job
    log: tuple[LogLine, ...] = ()
    why: str | None = None


def _results(row: JobRow) -> Cell:
    return {
        str(number): run.result
        for number, run in enumerate(row.job.ops)
        if run.result is not None
    }


def _dependency(dependency: Dependency) -> str:
    """As ``--depends`` takes it."""
    statuses = "+".join(dependency.statuses) or "any"
    return f"{dependency.job_id}:{statuses}"


def _error(row: JobRow) -> Cell:
    error = row.job.error
    return error.message if error else None


_COLUMNS: tuple[Column[JobRow], ...] = (
    column("id", "ID", "Its number", lambda r: r.job.id, "number", default=True),
    column(
        "status",
        "Status",
        "queued, waiting (for locks), running, canceling, success, error or canceled",
        lambda r: r.job.status,
        default=True,
    ),
    column(
        "priority",
        "Priority",
        "Of the opcode that is done or comes next; lower is sooner",
        lambda r: r.job.priority,
        "number",
    ),
    column("summary", "Summary", "What it does", lambda r: r.job.summary, default=True),
    column(
        "ops",
        "OpCodes",
        "The ids of its opcodes",
        lambda r: [opcode_id(run.op) for run in r.job.ops],
        "list",
    ),
    column(
        "opstatus",
        "OpStatus",
        "The status of each opcode",
        lambda r: [run.status for run in r.job.ops],
        "list",
    ),
    column("opresult", "Results", "Results by opcode", _results, "other"),
    column("error", "Error", "Why it failed", _error),
    column("received_ts", "Received", "Submitted", lambda r: r.job.received, "time"),
    column("start_ts", "Start", "First begun", lambda r: r.job.started, "time"),
    column("end_ts", "End", "Ended", lambda r: r.job.ended, "time"),
    column("reason", "Reason", "Why it was submitted", lambda r: r.job.reason),
    column(
        "oplog_cnt", "Lines", "Lines in its log", lambda r: r.job.log_serial, "number"
    ),
    column("oplog", "Log", "Its log", lambda r: [line.text for line in r.log], "list"),
    column(
        "depends",
        "Depends",
        "Jobs that it waits for, and how they may end",
        lambda r: [_dependency(each) for each in r.job.depends],
        "list",
    ),
    column(
        "archived", "Archived", "Is in the archive", lambda r: r.job.archived, "bool"
    ),
    column("why", "Why", "Why it waits", lambda r: r.why),
)

JOBS: Table[JobRow] = Table("job", _COLUMNS)
