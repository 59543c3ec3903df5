"""Jobs and opcodes in them as frozen values, and the moves they may make."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from ganetix.errors import WireError
from ganetix.objects.base import Value
from ganetix.opcodes import PRIORITY_NORMAL, AnyOpcode, summary

JobStatus = Literal[
    "queued", "waiting", "running", "canceling", "success", "error", "canceled"
]
FINAL: frozenset[JobStatus] = frozenset({"success", "error", "canceled"})


class LogLine(Value, frozen=True, kw_only=True):
    """One line of a job's log; ``serial`` counts from 1 within the job."""

    serial: int
    time: float
    op: int
    text: str
    level: Literal["info", "warning"] = "info"


class OpRun(Value, frozen=True, kw_only=True):
    """One opcode of a job and how far it got; times in seconds since the epoch."""

    op: AnyOpcode
    status: JobStatus = "queued"
    priority: int = PRIORITY_NORMAL
    result: msgspec.Raw | None = None
    error: WireError | None = None
    started: float | None = None
    executing: float | None = None
    ended: float | None = None


class Job(Value, frozen=True, kw_only=True):
    """A job. ``serial`` grows with each change; ``log_serial`` is its last line's."""

    id: int
    ops: tuple[OpRun, ...]
    received: float
    started: float | None = None
    ended: float | None = None
    serial: int = 1
    log_serial: int = 0
    cancel_requested: bool = False
    reason: str = ""

    @property
    def summary(self) -> str:
        """One line for lists."""
        return ", ".join(summary(run.op) for run in self.ops)

    def changed(self, index: int, run: OpRun) -> Job:
        """This job with opcode ``index`` replaced, one serial on."""
        ops = (*self.ops[:index], run, *self.ops[index + 1 :])
        return replace(self, ops=ops, serial=self.serial + 1)
