"""Node groups."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import ConfigObject
from ganetix.objects.params import (
    CapacityOverrides,
    DiskParams,
    HvParams,
    NodeParamValue,
)

AllocationPolicy = Literal["preferred", "last_resort", "unallocable"]


class NodeGroup(ConfigObject, frozen=True, kw_only=True):
    """A set of nodes that are well connected to each other.

    Parameters hold only what differs from the cluster's. At least ``min_candidates``
    of its nodes are master candidates, if it has as many that can be.
    """

    alloc_policy: AllocationPolicy = "preferred"
    min_candidates: int = 0
    beparams: dict[str, int | bool] = {}
    hvparams: dict[str, HvParams] = {}
    diskparams: dict[str, DiskParams] = {}
    nicparams: dict[str, str] = {}
    ndparams: dict[str, NodeParamValue] = {}
    capacity: CapacityOverrides = CapacityOverrides()
