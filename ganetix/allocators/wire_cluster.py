"""Nodes and instances in an allocator's input: JSON objects, and values of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from ganetix.allocators.htools_policy import htools_name
from ganetix.allocators.wire_group import template_of
from ganetix.errors import BadParameter
from ganetix.plan.capacity.model import (
    DOWN,
    CapCluster,
    CapInstance,
    CapNode,
    GuestStatus,
)

AdminState = Literal["up", "down", "offline"]
_STATUS: dict[AdminState, GuestStatus] = {
    "up": "running",
    "down": "ADMIN_down",
    "offline": "ADMIN_offline",
}
_FIGURES = (
    "total_memory",
    "reserved_memory",
    "free_memory",
    "total_disk",
    "free_disk",
    "total_cpus",
)


class WireNodeParams(msgspec.Struct):
    """Parameters of a node."""

    exclusive_storage: bool = False
    spindle_count: int = 1
    cpu_speed: float = 1.0


class WireNode(msgspec.Struct, omit_defaults=True):
    """A node; one that is offline needs no figures."""

    group: str
    offline: bool
    drained: bool
    vm_capable: bool = True
    master_candidate: bool | None = None
    ndparams: WireNodeParams | None = None
    total_memory: int | None = None
    reserved_memory: int | None = None
    free_memory: int | None = None
    total_disk: int | None = None
    free_disk: int | None = None
    total_cpus: float | None = None
    reserved_cpus: int | None = None
    total_spindles: int | None = None
    free_spindles: int | None = None
    tags: list[str] | None = None


class WireDisk(msgspec.Struct, omit_defaults=True):
    """A disk of an instance."""

    size: int
    mode: str = ""
    spindles: int | None = None


class WireNic(msgspec.Struct, omit_defaults=True):
    """A NIC of an instance."""

    network: str | None = None


class WireInstance(msgspec.Struct):
    """An instance that is there. ``auto_balance`` is a word of ours."""

    memory: int
    vcpus: int
    disk_space_total: int
    disk_template: str
    nodes: list[str]
    disks: list[WireDisk] = []
    tags: list[str] = []
    spindle_use: int = 1
    nics: list[WireNic] = []
    admin_state: AdminState = "up"
    auto_balance: bool = True
    forthcoming: bool = False


def wire_node(node: CapNode) -> WireNode:
    """A node for the wire; CPUs are whole there."""
    exclusive = node.exclusive_storage
    return WireNode(
        group=node.group,
        offline=node.offline,
        drained=False,
        vm_capable=True,
        ndparams=WireNodeParams(
            exclusive_storage=exclusive,
            spindle_count=node.spindles,
            cpu_speed=node.cpu_speed,
        ),
        total_memory=node.total_memory,
        reserved_memory=node.node_memory,
        free_memory=node.free_memory,
        total_disk=node.total_disk,
        free_disk=node.free_disk,
        total_cpus=int(node.total_cpus),
        reserved_cpus=node.node_cpus,
        total_spindles=node.spindles if exclusive else None,
        free_spindles=node.free_spindles,
        tags=list(node.tags),
    )


def read_node(name: str, node: WireNode) -> CapNode:
    """The value of a node; one that is offline or runs no instances has no figures."""
    params = node.ndparams or WireNodeParams()
    known = CapNode(
        name=name,
        group=node.group,
        offline=node.offline or node.drained or not node.vm_capable,
        cpu_speed=params.cpu_speed,
        exclusive_storage=params.exclusive_storage,
        tags=tuple(node.tags or ()),
    )
    if node.offline or not node.vm_capable:
        return msgspec.structs.replace(known, spindles=0)
    missing = [key for key in _FIGURES if getattr(node, key) is None]
    if missing and node.drained:
        return msgspec.structs.replace(known, spindles=0)
    if missing:
        raise BadParameter(f"node {name} is online but has no {', '.join(missing)}")
    if not params.exclusive_storage:
        spindles = params.spindle_count
    elif node.total_spindles is not None:
        spindles = node.total_spindles
    else:
        raise BadParameter(f"node {name} has exclusive storage but no total_spindles")
    return msgspec.structs.replace(
        known,
        total_memory=node.total_memory,
        node_memory=node.reserved_memory,
        free_memory=node.free_memory,
        total_disk=node.total_disk,
        free_disk=node.free_disk,
        total_cpus=node.total_cpus,
        node_cpus=node.reserved_cpus or 0,
        spindles=spindles,
        free_spindles=node.free_spindles or 0,
    )


def wire_disks(
    total: int, sizes: tuple[int, ...], spindles: int | None
) -> list[WireDisk]:
    """Disks for the wire; spindles are known for all together only."""
    disks = [WireDisk(size=size, mode="rw") for size in sizes or (total,)]
    if spindles is not None:
        for disk in disks:
            disk.spindles = 0
        disks[0].spindles = spindles
    return disks


def spindles_of(disks: list[WireDisk]) -> int | None:
    """All disks' spindles; None if no disk says."""
    known = [disk.spindles for disk in disks if disk.spindles is not None]
    return sum(known) if known else None


def wire_instance(instance: CapInstance) -> WireInstance:
    """An instance for the wire: up if it takes memory of its node."""
    state: AdminState = "down" if instance.status in DOWN else "up"
    if instance.status == "ADMIN_offline":
        state = "offline"
    nodes = [instance.primary, instance.secondary]
    return WireInstance(
        memory=instance.memory,
        vcpus=instance.vcpus,
        disk_space_total=instance.disk,
        disk_template=htools_name(instance.template),
        nodes=[node for node in nodes if node],
        disks=wire_disks(instance.disk, instance.disks, instance.disk_spindles),
        tags=list(instance.tags),
        spindle_use=instance.spindle_use,
        nics=[WireNic() for _ in range(instance.nic_count)],
        admin_state=state,
        auto_balance=instance.auto_balance,
        forthcoming=instance.forthcoming,
    )


def read_instance(name: str, instance: WireInstance) -> CapInstance:
    """The value of an instance."""
    if not 1 <= len(instance.nodes) <= 2:
        raise BadParameter(
            f"instance {name} has {len(instance.nodes)} nodes, not one or two"
        )
    return CapInstance(
        name=name,
        memory=instance.memory,
        disk=instance.disk_space_total,
        vcpus=instance.vcpus,
        status=_STATUS[instance.admin_state],
        auto_balance=instance.auto_balance,
        primary=instance.nodes[0],
        secondary="".join(instance.nodes[1:]),
        template=template_of(f"instance {name}", instance.disk_template),
        tags=tuple(instance.tags),
        spindle_use=instance.spindle_use,
        disks=tuple(disk.size for disk in instance.disks),
        disk_spindles=spindles_of(instance.disks),
        nic_count=len(instance.nics),
        forthcoming=instance.forthcoming,
    )


def require_whole(cluster: CapCluster) -> CapCluster:
    """The cluster, if all that its parts refer to is there."""
    groups = {group.uuid for group in cluster.groups}
    nodes = {node.name for node in cluster.nodes}
    for node in cluster.nodes:
        if node.group not in groups:
            raise BadParameter(f"node {node.name}: there is no group {node.group!r}")
    for instance in cluster.instances:
        for name in (instance.primary, instance.secondary or instance.primary):
            if name not in nodes:
                raise BadParameter(
                    f"instance {instance.name}: there is no node {name!r}"
                )
    return cluster
