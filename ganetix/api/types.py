"""The values that travel over AMP, for both ends. Imports no Twisted."""

from __future__ import annotations

from typing import Literal

import msgspec

from ganetix.errors import WireError
from ganetix.jobs.model import Job, LogLine
from ganetix.objects.base import Value
from ganetix.objects.node import Enrolment as Enrolment
from ganetix.objects.node import EnrolRequest as EnrolRequest
from ganetix.objects.node import IssuedToken as IssuedToken
from ganetix.opcodes import AnyOpcode

QueryKind = Literal["cluster", "node", "group", "instance", "job", "os"]
FieldKind = Literal["text", "number", "mib", "bool", "time", "list", "other"]
Cell = str | int | float | bool | list[str] | dict[str, object] | None
RowSource = Literal["config", "live", "offline", "unreachable"]


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A job to submit; the priority goes to every opcode in it."""

    ops: tuple[AnyOpcode, ...]
    priority: int = 0
    reason: str = ""


class QueryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to list. Empty ``names``: all; empty ``fields``: the kind's default ones.

    A first field that begins with ``+`` adds to the default ones.
    """

    kind: QueryKind
    fields: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    group: str | None = None
    limit: int | None = None


class FieldInfo(Value, frozen=True, kw_only=True):
    """A field: its title in tables, how its values print, what it means.

    ``live`` ones are asked of the nodes; ``default`` ones show if none is named.
    """

    name: str
    title: str
    kind: FieldKind = "text"
    doc: str
    live: bool = False
    default: bool = False


class QueryRow(Value, frozen=True, kw_only=True):
    """Cells in the order of the fields; where their state came from, how old it is.

    A cell is None where a value is not known, as on an unreachable node.
    """

    cells: tuple[Cell, ...]
    source: RowSource = "config"
    age_seconds: float | None = None


class QueryResult(Value, frozen=True, kw_only=True):
    """A table."""

    fields: tuple[FieldInfo, ...]
    rows: tuple[QueryRow, ...]


class JobUpdate(Value, frozen=True, kw_only=True):
    """A job as it is now, and its log lines beyond those the watcher has seen."""

    job: Job
    lines: tuple[LogLine, ...] = ()


class ClusterInfo(Value, frozen=True, kw_only=True):
    """What ``gnt-cluster info`` shows; ``faults`` are printable lines."""

    name: str
    uuid: str
    version: str
    master_node: str
    primary_ip_version: int
    default_group: str
    revision: int
    started: float
    nodes: int
    groups: int
    instances: int
    jobs_queued: int
    jobs_running: int
    parameters: dict[str, Cell]
    faults: tuple[str, ...] = ()


class LockOwner(Value, frozen=True, kw_only=True):
    """Who holds a lock; ``since`` in seconds since the epoch."""

    job_id: int | None
    name: str
    mode: Literal["exclusive", "shared"]
    since: float | None = None


class LockWaiter(Value, frozen=True, kw_only=True):
    """Who waits for a lock, in the order of the queue."""

    job_id: int | None
    name: str
    mode: Literal["exclusive", "shared"]
    priority: int
    since: float | None = None


class LockInfo(Value, frozen=True, kw_only=True):
    """A lock that somebody holds or waits for, as ``gnt-debug locks`` shows it."""

    level: str
    name: str
    mode: Literal["exclusive", "shared", ""] = ""
    owners: tuple[LockOwner, ...] = ()
    pending: tuple[LockWaiter, ...] = ()


def job_error(job: Job) -> WireError | None:
    """Why a job failed: the error of its first opcode that has one."""
    return next((run.error for run in job.ops if run.error is not None), None)
