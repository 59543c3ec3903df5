"""Node groups."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import ConfigObject

AllocationPolicy = Literal["preferred", "last_resort", "unallocable"]


class NodeGroup(ConfigObject, frozen=True, kw_only=True):
    """A set of nodes that are well connected to each other."""

    alloc_policy: AllocationPolicy = "preferred"
