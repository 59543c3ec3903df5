"""The text format of htools: a whole cluster in lines, in sections.

Groups, nodes, instances, cluster tags, policies; one empty line ends a section, so
that an empty section shows as two empty lines. Further sections are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast, get_args

import msgspec

from ganetix.allocators.columns import Line
from ganetix.allocators.htools_policy import (
    BUILT_IN,
    htools_name,
    policy_line,
    read_policy,
    template_named,
)
from ganetix.errors import BadParameter
from ganetix.objects.group import AllocationPolicy
from ganetix.plan.capacity.model import (
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    GuestStatus,
    Policy,
)

Numbered = tuple[int, str]
Named = TypeVar("Named", CapGroup, CapNode, CapInstance)
_SECTIONS = ("groups", "nodes", "instances", "cluster tags")
_FIGURES = range(1, 7)


def read_text(text: str) -> CapCluster:
    """The cluster that a text describes.

    ``BadParameter`` names the line, the column and the value that is wrong.
    """
    sections = _sections(text)
    if len(sections) < len(_SECTIONS):
        missing = ", ".join(_SECTIONS[len(sections) :])
        raise BadParameter(
            f"{len(sections)} of at least {len(_SECTIONS)} sections are there, with an"
            f" empty line between: no {missing}"
        )
    groups = _unique(sections[0], _group)
    if len({group.uuid for group in groups}) < len(groups):
        raise BadParameter("two groups have the same uuid")
    nodes = _unique(sections[1], _node)
    instances = _unique(sections[2], _instance)
    _require_known(sections[1], nodes, {group.uuid for group in groups})
    _require_nodes(sections[2], instances, {node.name for node in nodes})
    policies = _policies(sections[4] if len(sections) > 4 else [], groups)
    return CapCluster(
        groups=tuple(
            msgspec.structs.replace(group, policy=policies.get(group.uuid, BUILT_IN))
            for group in groups
        ),
        nodes=nodes,
        instances=instances,
        tags=tuple(tag for _, tag in sections[3]),
        policy=policies.get("", BUILT_IN),
    )


def write_text(cluster: CapCluster) -> str:
    """The text that describes a cluster; ``mirror`` is written as ``drbd``.

    ``BadParameter`` if a name or tag holds what separates columns or lines.
    """
    sections = [
        [_group_line(group) for group in cluster.groups],
        [_node_line(node) for node in cluster.nodes],
        [_instance_line(instance) for instance in cluster.instances],
        [_clean("cluster tag", tag) for tag in cluster.tags],
        [
            policy_line("", cluster.policy),
            *(policy_line(group.name, group.policy) for group in cluster.groups),
        ],
    ]
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in sections)


def _sections(text: str) -> list[list[Numbered]]:
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    sections: list[list[Numbered]] = [[]]
    for number, line in enumerate(lines, 1):
        if line:
            sections[-1].append((number, line))
        else:
            sections.append([])
    return sections


def _unique(
    section: Iterable[Numbered], read: Callable[[int, str], Named]
) -> tuple[Named, ...]:
    found: dict[str, Named] = {}
    for number, text in section:
        made = read(number, text)
        if made.name in found:
            raise BadParameter(f"line {number}: {made.name!r} was there before")
        found[made.name] = made
    return tuple(found.values())


def _group(number: int, text: str) -> CapGroup:
    line = Line.of(number, "group", text, at_least=4)
    policy = line.cells[2]
    if policy not in get_args(AllocationPolicy):
        allowed = ", ".join(get_args(AllocationPolicy))
        line.refuse("allocation policy", f"{policy!r} is not one of {allowed}")
    return CapGroup(
        name=line.text(0, "name"),
        uuid=line.text(1, "uuid"),
        alloc_policy=cast("AllocationPolicy", policy),
        tags=line.names(3),
        networks=line.names(4),
    )


def _node(number: int, text: str) -> CapNode:
    line = Line.of(number, "node", text, at_least=9)
    name, group = line.text(0, "name"), line.text(8, "group")
    if any(line.cells[index] == "?" for index in _FIGURES):
        return CapNode(name=name, group=group, offline=True, spindles=0)
    role = line.cells[7]
    if role not in ("Y", "N", "M"):
        line.refuse(
            "state", f"{role!r} is not Y (offline), N (online) or M (the master)"
        )
    return CapNode(
        name=name,
        group=group,
        total_memory=line.amount(1, "total memory"),
        node_memory=line.amount(2, "node memory"),
        free_memory=line.whole(3, "free memory"),
        total_disk=line.amount(4, "total disk"),
        free_disk=line.whole(5, "free disk"),
        total_cpus=line.real(6, "cpus"),
        offline=role == "Y",
        master=role == "M",
        spindles=line.amount(9, "spindles", 1),
        tags=line.names(10),
        exclusive_storage=line.flag(11, "exclusive storage"),
        free_spindles=line.whole(12, "free spindles"),
        node_cpus=line.amount(13, "cpus of the node's own", 1),
        cpu_speed=line.real(14, "cpu speed", 1.0),
    )


def _instance(number: int, text: str) -> CapInstance:
    line = Line.of(number, "instance", text, at_least=10)
    status = line.cells[4]
    if status not in get_args(GuestStatus):
        allowed = ", ".join(get_args(GuestStatus))
        line.refuse("status", f"{status!r} is not one of {allowed}")
    primary, secondary = line.text(6, "primary node"), line.cells[7]
    if primary == secondary:
        line.refuse("secondary node", f"{secondary!r} is its primary node, too")
    has_spindles = line.has(11) and line.cells[11] != "-"
    return CapInstance(
        name=line.text(0, "name"),
        memory=line.amount(1, "memory"),
        disk=line.amount(2, "disk"),
        vcpus=line.amount(3, "vcpus"),
        status=cast("GuestStatus", status),
        auto_balance=line.flag(5, "auto balance"),
        primary=primary,
        secondary=secondary,
        template=template_named(line, "template", line.cells[8]),
        tags=line.names(9),
        spindle_use=line.amount(10, "spindle use", 1),
        disk_spindles=line.amount(11, "spindles") if has_spindles else None,
        forthcoming=line.flag(12, "forthcoming"),
    )


def _require_known(
    section: Sequence[Numbered], nodes: Sequence[CapNode], groups: set[str]
) -> None:
    for (number, _), node in zip(section, nodes, strict=True):
        if node.group not in groups:
            raise BadParameter(
                f"line {number}, node's group: there is no group with the uuid"
                f" {node.group!r}"
            )


def _require_nodes(
    section: Sequence[Numbered], instances: Sequence[CapInstance], nodes: set[str]
) -> None:
    for (number, _), instance in zip(section, instances, strict=True):
        for role, name in (
            ("primary", instance.primary),
            ("secondary", instance.secondary or instance.primary),
        ):
            if name not in nodes:
                raise BadParameter(
                    f"line {number}, instance's {role} node: there is no node {name!r}"
                )


def _policies(
    section: Iterable[Numbered], groups: Iterable[CapGroup]
) -> dict[str, Policy]:
    """Policies by group UUID, the cluster's by the empty one; the last line counts."""
    owners = {group.name: group.uuid for group in groups}
    owners |= {uuid: uuid for uuid in owners.values()}
    owners[""] = ""
    found: dict[str, Policy] = {}
    for number, text in section:
        line = Line.of(number, "policy", text, at_least=6)
        if line.cells[0] not in owners:
            line.refuse("owner", f"there is no group {line.cells[0]!r}")
        found[owners[line.cells[0]]] = read_policy(line)
    return found


def _group_line(group: CapGroup) -> str:
    what = f"group {group.name}"
    return "|".join(
        [
            _clean(what, group.name),
            _clean(what, group.uuid),
            group.alloc_policy,
            _joined(what, group.tags),
            _joined(what, group.networks),
        ]
    )


def _node_line(node: CapNode) -> str:
    what = f"node {node.name}"
    cells = [
        _clean(what, node.name),
        node.total_memory,
        node.node_memory,
        node.free_memory,
        node.total_disk,
        node.free_disk,
        f"{node.total_cpus:.17g}",
        "Y" if node.offline else "M" if node.master else "N",
        _clean(what, node.group),
        node.spindles,
        _joined(what, node.tags),
        _flag(node.exclusive_storage),
        node.free_spindles,
        node.node_cpus,
        repr(float(node.cpu_speed)),
    ]
    return "|".join(map(str, cells))


def _instance_line(instance: CapInstance) -> str:
    what = f"instance {instance.name}"
    spindles = instance.disk_spindles
    cells = [
        _clean(what, instance.name),
        instance.memory,
        instance.disk,
        instance.vcpus,
        instance.status,
        _flag(instance.auto_balance),
        _clean(what, instance.primary),
        _clean(what, instance.secondary),
        htools_name(instance.template),
        _joined(what, instance.tags),
        instance.spindle_use,
        "-" if spindles is None else spindles,
        _flag(instance.forthcoming),
    ]
    return "|".join(map(str, cells))


def _flag(value: bool) -> str:
    return "Y" if value else "N"


def _joined(what: str, names: Iterable[str]) -> str:
    return ",".join(_clean(what, name, "|,\r\n") for name in names)


def _clean(what: str, text: str, forbidden: str = "|\r\n") -> str:
    if any(sign in text for sign in forbidden):
        raise BadParameter(f"{what}: {text!r} cannot stand in htools' text format")
    return text
