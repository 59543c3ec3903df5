"""The levels of locks, in the one order in which they may be acquired."""

from __future__ import annotations

from typing import Literal

Level = Literal["cluster", "instance", "group", "node", "node_resource"]
LEVELS: tuple[Level, ...] = ("cluster", "instance", "group", "node", "node_resource")
Mode = Literal["exclusive", "shared"]

CLUSTER_LOCK = "cluster"
"""The only lock of the level ``cluster``."""
