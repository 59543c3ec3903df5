"""Configuration values: frozen, JSON by declaration, referred to by UUID."""

from ganetix.objects.base import ConfigObject, Value, new_uuid
from ganetix.objects.cluster import Cluster, IpVersion
from ganetix.objects.group import AllocationPolicy, NodeGroup
from ganetix.objects.guest import (
    GuestDisk,
    GuestInfo,
    GuestNic,
    GuestSpec,
    GuestState,
    StopOutcome,
)
from ganetix.objects.instance import AdminState, Disk, Instance, Nic, NicMode, NicParams
from ganetix.objects.node import JoinToken, Node
from ganetix.objects.params import (
    BackendParams,
    CapacityOverrides,
    CapacityParams,
    DiskParams,
    HvParams,
    HvValue,
    InstanceSize,
    NodeParams,
    NodeParamValue,
)

__all__ = [
    "AdminState",
    "AllocationPolicy",
    "BackendParams",
    "CapacityOverrides",
    "CapacityParams",
    "Cluster",
    "ConfigObject",
    "Disk",
    "DiskParams",
    "GuestDisk",
    "GuestInfo",
    "GuestNic",
    "GuestSpec",
    "GuestState",
    "HvParams",
    "HvValue",
    "Instance",
    "InstanceSize",
    "IpVersion",
    "JoinToken",
    "Nic",
    "NicMode",
    "NicParams",
    "Node",
    "NodeGroup",
    "NodeParamValue",
    "NodeParams",
    "StopOutcome",
    "Value",
    "new_uuid",
]
