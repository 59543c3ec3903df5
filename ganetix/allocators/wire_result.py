"""Results of an allocator, as JSON and as values; what is read is checked."""

from __future__ import annotations

from typing import assert_never

import msgspec

from ganetix.allocators.answer_checks import Checks, Unacceptable
from ganetix.objects.params import CapacityParams, InstanceSize
from ganetix.plan.capacity.model import TieredSpec
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    AnyRequest,
    Capacities,
    Capacity,
    ChangeGroup,
    GroupCapacity,
    Move,
    Moves,
    MultiAllocate,
    NodeEvacuate,
    Nodes,
    NotPlaced,
    Placement,
    Placements,
    Relocate,
    Result,
)

TSpec = tuple[int, int, int, int]
"""Memory, disk, vcpus, count."""


class _WireMove(msgspec.Struct, omit_defaults=True):
    """An opcode of a job; what else stands in it are those opcodes' own defaults."""

    OP_ID: str
    instance_name: str
    target_node: str = ""
    remote_node: str = ""
    mode: str = ""


class _WireGroupCapacity(msgspec.Struct):
    tspecs: list[TSpec]
    max_inst_spec: tuple[int, int, int]
    default_template: str
    max_cpu_ratio: float
    max_disk_usage: float
    capacity_checks: bool = True
    reason: str = ""


class _WireCapacities(msgspec.Struct):
    cluster: list[TSpec]
    node_groups: dict[str, _WireGroupCapacity]


_Pair = tuple[str, str]
_WirePlacements = tuple[list[tuple[str, list[str]]], list[_Pair | str]]
_WireMoves = tuple[
    list[tuple[str, str, list[str]]], list[_Pair | str], list[list[_WireMove]]
]
_OP_IDS = {
    "migrate": "OP_INSTANCE_MIGRATE",
    "failover": "OP_INSTANCE_FAILOVER",
    "replace-secondary": "OP_INSTANCE_REPLACE_DISKS",
}


def read_result(raw: msgspec.Raw, checks: Checks, request: AnyRequest) -> Result:
    """A result, if it is one of this request; ``Unacceptable`` or a decoding error."""
    match request:
        case Allocate():
            nodes = msgspec.json.decode(raw, type=list[str])
            checks.newcomer(request.instance, nodes, request.group)
            return Nodes(nodes=tuple(nodes))
        case MultiAllocate():
            placements = msgspec.json.decode(raw, type=_WirePlacements)
            return _read_placements(placements, checks, request)
        case Relocate():
            nodes = msgspec.json.decode(raw, type=list[str])
            checks.relocated(request, nodes)
            return Nodes(nodes=tuple(nodes))
        case AllocateSecondary():
            node = msgspec.json.decode(raw, type=str)
            checks.secondary(request.instance, node)
            return Nodes(nodes=(node,))
        case NodeEvacuate() | ChangeGroup():
            moves = msgspec.json.decode(raw, type=_WireMoves)
            return _read_moves(moves, checks, request)
        case Capacity():
            capacities = msgspec.json.decode(raw, type=_WireCapacities)
            return _read_capacities(capacities, checks)
        case _:
            assert_never(request)


def _read_placements(
    wire: _WirePlacements, checks: Checks, request: MultiAllocate
) -> Placements:
    placed = tuple(
        Placement(instance=name, nodes=tuple(nodes)) for name, nodes in wire[0]
    )
    failed = _failed(wire[1])
    newcomers = {one.name: one for one in request.instances}
    checks.accounted(newcomers, [*placed, *failed])
    for one in placed:
        checks.newcomer(newcomers[one.instance], one.nodes, request.group)
    return Placements(placed=placed, failed=failed)


def _read_moves(
    wire: _WireMoves, checks: Checks, request: NodeEvacuate | ChangeGroup
) -> Moves:
    moved = tuple(
        Placement(instance=name, group=group, nodes=tuple(nodes))
        for name, group, nodes in wire[0]
    )
    failed = _failed(wire[1])
    checks.accounted(request.instances, [*moved, *failed])
    for one in moved:
        checks.moved(one)
    jobs = tuple(tuple(_read_move(step) for step in job) for job in wire[2])
    for job in jobs:
        for step in job:
            checks.step(step, request.instances)
    return Moves(moved=moved, failed=failed, jobs=jobs)


def _read_move(wire: _WireMove) -> Move:
    for kind in ("migrate", "failover"):
        if _OP_IDS[kind] == wire.OP_ID:
            return Move(kind=kind, instance=wire.instance_name, node=wire.target_node)
    if _OP_IDS["replace-secondary"] != wire.OP_ID:
        allowed = ", ".join(_OP_IDS.values())
        raise Unacceptable(f"opcode {wire.OP_ID!r} is not one of {allowed}")
    if wire.mode != "replace_new_secondary" or not wire.remote_node:
        raise Unacceptable(
            f"{wire.OP_ID} of {wire.instance_name}: only replace_new_secondary with a"
            " remote_node will do"
        )
    return Move(
        kind="replace-secondary", instance=wire.instance_name, node=wire.remote_node
    )


def _read_capacities(wire: _WireCapacities, checks: Checks) -> Capacities:
    for uuid in wire.node_groups:
        checks.group(uuid)
    return Capacities(
        cluster=_tspecs(wire.cluster),
        groups={
            uuid: GroupCapacity(
                tspecs=_tspecs(group.tspecs),
                parameters=CapacityParams(
                    max_inst_spec=InstanceSize(
                        memory_mib=group.max_inst_spec[0],
                        disk_mib=group.max_inst_spec[1],
                        vcpus=group.max_inst_spec[2],
                    ),
                    default_template=group.default_template,
                    max_cpu_ratio=group.max_cpu_ratio,
                    max_disk_usage=group.max_disk_usage,
                    capacity_checks=group.capacity_checks,
                ),
                reason=group.reason,
            )
            for uuid, group in wire.node_groups.items()
        },
    )


def _tspecs(wire: list[TSpec]) -> tuple[TieredSpec, ...]:
    return tuple(
        TieredSpec(memory=memory, disk=disk, vcpus=vcpus, count=count)
        for memory, disk, vcpus, count in wire
    )


def _failed(wire: list[_Pair | str]) -> tuple[NotPlaced, ...]:
    """Instances without a place; some allocators give the names alone."""
    return tuple(
        NotPlaced(instance=one)
        if isinstance(one, str)
        else NotPlaced(instance=one[0], reason=one[1])
        for one in wire
    )


def wire_result(result: Result) -> object:
    """A result for the wire."""
    match result:
        case Nodes():
            return result.nodes
        case Placements():
            return (
                [(one.instance, one.nodes) for one in result.placed],
                [(one.instance, one.reason) for one in result.failed],
            )
        case Moves():
            return (
                [(one.instance, one.group, one.nodes) for one in result.moved],
                [(one.instance, one.reason) for one in result.failed],
                [[_wire_move(step) for step in job] for job in result.jobs],
            )
        case Capacities():
            return _WireCapacities(
                cluster=_wire_tspecs(result.cluster),
                node_groups={
                    uuid: _wire_group(group) for uuid, group in result.groups.items()
                },
            )
        case _:
            assert_never(result)


def _wire_move(step: Move) -> dict[str, object]:
    """A step as the opcode that Ganeti has for it."""
    opcode: dict[str, object] = {
        "OP_ID": _OP_IDS[step.kind],
        "instance_name": step.instance,
        "ignore_ipolicy": False,
    }
    match step.kind:
        case "migrate":
            opcode |= {
                "allow_runtime_changes": False,
                "cleanup": False,
                "allow_failover": True,
                "ignore_hvversions": True,
            }
        case "failover":
            opcode |= {"ignore_consistency": False, "cleanup": False}
        case "replace-secondary":
            opcode |= {
                "early_release": False,
                "mode": "replace_new_secondary",
                "disks": [],
                "remote_node": step.node,
            }
            return opcode
        case _:
            assert_never(step.kind)
    return opcode | ({"target_node": step.node} if step.node else {})


def _wire_group(group: GroupCapacity) -> _WireGroupCapacity:
    given = group.parameters
    size = given.max_inst_spec
    return _WireGroupCapacity(
        tspecs=_wire_tspecs(group.tspecs),
        max_inst_spec=(size.memory_mib, size.disk_mib, size.vcpus),
        default_template=given.default_template,
        max_cpu_ratio=given.max_cpu_ratio,
        max_disk_usage=given.max_disk_usage,
        capacity_checks=given.capacity_checks,
        reason=group.reason,
    )


def _wire_tspecs(tspecs: tuple[TieredSpec, ...]) -> list[TSpec]:
    return [(one.memory, one.disk, one.vcpus, one.count) for one in tspecs]
