"""Opcodes on node groups."""

from __future__ import annotations

from typing import ClassVar

from ganetix.objects.group import AllocationPolicy
from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode
from ganetix.opcodes.settings import Settings

MOST_MIN_CANDIDATES = 1000


class OpGroupAdd(Settings, frozen=True, kw_only=True):
    """Add an empty node group."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    alloc_policy: AllocationPolicy = "preferred"
    min_candidates: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.object_name("name", self.name)
        checks.in_range("min_candidates", self.min_candidates, 0, MOST_MIN_CANDIDATES)


class OpGroupModify(Settings, frozen=True, kw_only=True):
    """Change a group; what is null stays, a parameter that is null is inherited again.

    With ``expected_serial`` nothing is done if the group has another serial number.
    """

    SUBJECT: ClassVar[str] = "name"
    name: str
    alloc_policy: AllocationPolicy | None = None
    min_candidates: int | None = None
    expected_serial: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_candidates is not None:
            checks.in_range(
                "min_candidates", self.min_candidates, 0, MOST_MIN_CANDIDATES
            )
        own = (self.alloc_policy, self.min_candidates)
        if not self.has_parameters and own == (None, None):
            raise ValueError("nothing to change: say what should be different")


class OpGroupRename(Opcode, frozen=True, kw_only=True):
    """Give a group another name."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    new_name: str

    def __post_init__(self) -> None:
        checks.object_name("new_name", self.new_name)


class OpGroupRemove(Opcode, frozen=True, kw_only=True):
    """Remove a group that has no nodes and is not the default one."""

    SUBJECT: ClassVar[str] = "name"
    name: str


class OpGroupAssignNodes(Opcode, frozen=True, kw_only=True):
    """Move nodes into a group; ``force`` splits mirrored instances if need be."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    nodes: tuple[str, ...]
    force: bool = False

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("nodes: at least one is needed")
