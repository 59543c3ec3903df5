"""Opcodes for trying things out."""

from __future__ import annotations

from typing import ClassVar

from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode


class OpTestDelay(Opcode, frozen=True, kw_only=True):
    """Wait: on the master, and on the nodes named (their clocks, by RPC)."""

    SUBJECT: ClassVar[str] = "duration"
    duration: float
    on_master: bool = True
    on_nodes: tuple[str, ...] = ()
    fail: bool = False

    def __post_init__(self) -> None:
        checks.in_range("duration", self.duration, 0, 86400, "s")
