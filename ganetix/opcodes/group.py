"""Opcodes on node groups."""

from __future__ import annotations

from typing import ClassVar

from ganetix.objects.group import AllocationPolicy
from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode


class OpGroupAdd(Opcode, frozen=True, kw_only=True):
    """Add an empty node group."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    alloc_policy: AllocationPolicy = "preferred"

    def __post_init__(self) -> None:
        checks.object_name("name", self.name)
