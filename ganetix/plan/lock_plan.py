"""What an opcode locks, as a value."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import Value

Level = Literal["cluster", "instance", "group", "node", "node_resource"]
LEVELS: tuple[Level, ...] = ("cluster", "instance", "group", "node", "node_resource")
Mode = Literal["exclusive", "shared"]


class LevelLocks(Value, frozen=True, kw_only=True):
    """Locks of one level: single names with their modes, and perhaps all of them.

    ``creates`` are names that the opcode brings into being: they need not exist.
    """

    names: dict[str, Mode] = {}
    all: Mode | None = None
    creates: frozenset[str] = frozenset()


LockPlan = dict[Level, LevelLocks]
"""What an opcode locks, by level. Instances by name, groups and nodes by UUID."""
