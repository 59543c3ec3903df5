"""What an allocator is asked, as JSON objects and as values."""

from __future__ import annotations

from typing import assert_never

import msgspec
from msgspec import UNSET, UnsetType

from ganetix.allocators.htools_policy import htools_name
from ganetix.allocators.wire_cluster import WireDisk, WireNic, spindles_of, wire_disks
from ganetix.allocators.wire_group import template_of
from ganetix.errors import BadParameter
from ganetix.objects.params import CapacityOverrides, InstanceSize
from ganetix.plan.capacity.model import CapCluster, CapInstance
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    AnyRequest,
    Capacity,
    ChangeGroup,
    EvacuationMode,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
    Relocate,
)

Size = tuple[int, int, int]
"""Memory, disk and vcpus of an instance."""


class WireNewcomer(msgspec.Struct, rename={"restrict_to_nodes": "restrict-to-nodes"}):
    """An instance that is to be placed."""

    name: str
    memory: int
    vcpus: int
    disks: list[WireDisk]
    disk_space_total: int
    disk_template: str
    required_nodes: int
    nics: list[WireNic] = []
    tags: list[str] = []
    spindle_use: int = 1
    os: str | UnsetType | None = UNSET
    hypervisor: str | UnsetType | None = UNSET
    restrict_to_nodes: list[str] | UnsetType | None = UNSET


class WireAllocate(WireNewcomer, tag_field="type", tag="allocate"):
    """Place one instance."""

    group_name: str | UnsetType | None = UNSET


class WireMultiAllocate(msgspec.Struct, tag_field="type", tag="multi-allocate"):
    """Place several."""

    instances: list[WireNewcomer]
    group_name: str | UnsetType | None = UNSET


class WireRelocate(msgspec.Struct, tag_field="type", tag="relocate"):
    """Another node for an instance."""

    name: str
    relocate_from: list[str]
    required_nodes: int = 1
    disk_space_total: int = 0


class WireNodeEvacuate(msgspec.Struct, tag_field="type", tag="node-evacuate"):
    """Instances off their nodes."""

    instances: list[str]
    evac_mode: EvacuationMode


class WireChangeGroup(msgspec.Struct, tag_field="type", tag="change-group"):
    """Instances to other groups."""

    instances: list[str]
    target_groups: list[str] = []


class WireAllocateSecondary(msgspec.Struct, tag_field="type", tag="allocate-secondary"):
    """A secondary node."""

    name: str


class WireCapacityParams(msgspec.Struct, omit_defaults=True):
    """What differs from a group's policy."""

    max_inst_spec: Size | None = None
    default_template: str | None = None
    max_cpu_ratio: float | None = None
    max_disk_usage: float | None = None
    capacity_checks: bool | None = None


class WireCapacity(msgspec.Struct, tag_field="type", tag="capacity"):
    """How many more fit."""

    groups: list[str] = []
    parameters: dict[str, WireCapacityParams] = {}


WireRequest = (
    WireAllocate
    | WireMultiAllocate
    | WireRelocate
    | WireNodeEvacuate
    | WireChangeGroup
    | WireAllocateSecondary
    | WireCapacity
)


def wire_request(cluster: CapCluster, request: AnyRequest) -> WireRequest:
    match request:
        case Allocate():
            made = _wire_newcomer(request.instance)
            fields = {name: getattr(made, name) for name in made.__struct_fields__}
            return WireAllocate(**fields, group_name=request.group or UNSET)
        case MultiAllocate():
            return WireMultiAllocate(
                instances=[_wire_newcomer(one) for one in request.instances],
                group_name=request.group or UNSET,
            )
        case Relocate():
            return WireRelocate(
                name=request.instance,
                relocate_from=list(request.relocate_from),
                required_nodes=1,
                disk_space_total=instance_named(cluster, request.instance).disk,
            )
        case NodeEvacuate():
            return WireNodeEvacuate(
                instances=list(request.instances), evac_mode=request.mode
            )
        case ChangeGroup():
            return WireChangeGroup(
                instances=list(request.instances),
                target_groups=list(request.target_groups),
            )
        case AllocateSecondary():
            return WireAllocateSecondary(name=request.instance)
        case Capacity():
            return WireCapacity(
                groups=list(request.groups),
                parameters={
                    uuid: _wire_parameters(given)
                    for uuid, given in request.parameters.items()
                },
            )
        case _:
            assert_never(request)


def read_request(request: WireRequest) -> AnyRequest:
    match request:
        case WireAllocate():
            return Allocate(instance=_newcomer(request), group=request.group_name or "")
        case WireMultiAllocate():
            return MultiAllocate(
                instances=tuple(_newcomer(one) for one in request.instances),
                group=request.group_name or "",
            )
        case WireRelocate():
            if request.required_nodes != 1:
                raise BadParameter(
                    f"relocate: required_nodes is {request.required_nodes}, not 1"
                )
            return Relocate(
                instance=request.name, relocate_from=tuple(request.relocate_from)
            )
        case WireNodeEvacuate():
            return NodeEvacuate(
                instances=tuple(request.instances), mode=request.evac_mode
            )
        case WireChangeGroup():
            return ChangeGroup(
                instances=tuple(request.instances),
                target_groups=tuple(request.target_groups),
            )
        case WireAllocateSecondary():
            return AllocateSecondary(instance=request.name)
        case WireCapacity():
            return Capacity(
                groups=tuple(request.groups),
                parameters={
                    uuid: _parameters(given)
                    for uuid, given in request.parameters.items()
                },
            )
        case _:
            assert_never(request)


def instance_named(cluster: CapCluster, name: str) -> CapInstance:
    """An instance of the cluster; ``BadParameter`` if it is not there."""
    for instance in cluster.instances:
        if instance.name == name:
            return instance
    raise BadParameter(f"there is no instance {name!r}")


def _wire_newcomer(newcomer: Newcomer) -> WireNewcomer:
    return WireNewcomer(
        name=newcomer.name,
        memory=newcomer.memory,
        vcpus=newcomer.vcpus,
        disks=wire_disks(newcomer.disk, newcomer.disks, newcomer.disk_spindles),
        disk_space_total=newcomer.disk,
        disk_template=htools_name(newcomer.template),
        required_nodes=newcomer.node_count,
        nics=[WireNic(network=network or None) for network in newcomer.networks],
        tags=list(newcomer.tags),
        spindle_use=newcomer.spindle_use,
        os=newcomer.os or UNSET,
        hypervisor=newcomer.hypervisor or UNSET,
        restrict_to_nodes=list(newcomer.restrict_to_nodes) or UNSET,
    )


def _newcomer(wire: WireNewcomer) -> Newcomer:
    newcomer = Newcomer(
        name=wire.name,
        memory=wire.memory,
        vcpus=wire.vcpus,
        disk=wire.disk_space_total,
        template=template_of(f"instance {wire.name}", wire.disk_template),
        disks=tuple(disk.size for disk in wire.disks),
        disk_spindles=spindles_of(wire.disks),
        spindle_use=wire.spindle_use,
        networks=tuple(nic.network or "" for nic in wire.nics),
        tags=tuple(wire.tags),
        os=wire.os or "",
        hypervisor=wire.hypervisor or "",
        restrict_to_nodes=tuple(wire.restrict_to_nodes or ()),
    )
    if wire.required_nodes != newcomer.node_count:
        raise BadParameter(
            f"instance {wire.name}: required_nodes is {wire.required_nodes}, but"
            f" {wire.disk_template} takes {newcomer.node_count}"
        )
    return newcomer


def _wire_parameters(given: CapacityOverrides) -> WireCapacityParams:
    size = given.max_inst_spec
    return WireCapacityParams(
        max_inst_spec=(size.memory_mib, size.disk_mib, size.vcpus) if size else None,
        default_template=given.default_template,
        max_cpu_ratio=given.max_cpu_ratio,
        max_disk_usage=given.max_disk_usage,
        capacity_checks=given.capacity_checks,
    )


def _parameters(wire: WireCapacityParams) -> CapacityOverrides:
    size = wire.max_inst_spec
    return CapacityOverrides(
        max_inst_spec=InstanceSize(memory_mib=size[0], disk_mib=size[1], vcpus=size[2])
        if size
        else None,
        default_template=wire.default_template,
        max_cpu_ratio=wire.max_cpu_ratio,
        max_disk_usage=wire.max_disk_usage,
        capacity_checks=wire.capacity_checks,
    )
