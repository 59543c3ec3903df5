"""What goes into the job queue and comes out of it. Imports no Twisted."""

from __future__ import annotations

from typing import Literal

import msgspec

from ganetix.jobs.model import Dependency, Job, LogLine
from ganetix.objects.base import Value
from ganetix.opcodes import AnyOpcode


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A job to submit; the priority goes to every opcode in it.

    It begins when all jobs on which it depends have ended as they should.
    """

    ops: tuple[AnyOpcode, ...]
    priority: int = 0
    reason: str = ""
    depends: tuple[Dependency, ...] = ()


class JobMark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far a watcher of a job has come: as JSON ``[17, SERIAL, LOG_SERIAL]``."""

    job_id: int
    serial: int = 0
    log_serial: int = 0


class Drain(Value, frozen=True, kw_only=True):
    """That the queue takes no jobs: since when (since the epoch), and why."""

    since: float
    reason: str = ""


class QueueInfo(Value, frozen=True, kw_only=True):
    """The queue at a glance: whether it is drained, jobs that have not ended, slots."""

    drain: Drain | None
    queued: int
    waiting: int
    running: int
    slots: int


class JobUpdate(Value, frozen=True, kw_only=True):
    """A job as it is now, and its log lines beyond those the watcher has seen."""

    job: Job
    lines: tuple[LogLine, ...] = ()


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
