"""Opcodes for trying things out."""

from __future__ import annotations

from typing import ClassVar, Literal

from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode

MOST_LOCKS = 1000
MOST_LINES = 10_000

LockedLevel = Literal["instance", "group", "node", "node_resource"]
LockMode = Literal["exclusive", "shared"]


class OpTestDelay(Opcode, frozen=True, kw_only=True):
    """Wait: on the master, and on the nodes named (their clocks, by RPC).

    ``locks`` are held meanwhile, names with their modes by level; an instance need not
    exist if its lock is exclusive. So many ``log_lines`` are written.
    """

    SUBJECT: ClassVar[str] = "duration"
    duration: float
    on_master: bool = True
    on_nodes: tuple[str, ...] = ()
    fail: bool = False
    locks: dict[LockedLevel, dict[str, LockMode]] = {}
    log_lines: int = 0

    def __post_init__(self) -> None:
        checks.in_range("duration", self.duration, 0, 86400, "s")
        count = sum(map(len, self.locks.values()))
        checks.in_range("number of locks", count, 0, MOST_LOCKS)
        checks.in_range("log_lines", self.log_lines, 0, MOST_LINES)
