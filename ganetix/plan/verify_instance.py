"""What is wrong with instances, by their nodes' word and the configuration. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ganetix.config.snapshot import Snapshot
from ganetix.errors import BadParameter
from ganetix.hypervisor.params import effective_hvparams
from ganetix.objects import GuestInfo, Instance, Node
from ganetix.objects.base import Value
from ganetix.objects.finding import Finding, FindingLevel
from ganetix.objects.node_calls import NodeVerify
from ganetix.opcodes.parameters import BACKEND, check_given
from ganetix.plan.group import Placed, nodes_of_instance


def instance_finding(
    name: str, code: str, message: str, level: FindingLevel = "error"
) -> Finding:
    """A finding about an instance."""
    return Finding(level=level, code=code, kind="instance", name=name, message=message)


def placement_findings(snapshot: Snapshot, node: Node) -> Iterator[Finding]:
    """Instances on a node that cannot or should not hold them."""
    for instance in snapshot.instances_on(node.uuid):
        if not node.vm_capable:
            message = f"its node {node.name} is not VM capable"
            yield instance_finding(instance.name, "EINSTANCENODE", message)
        elif node.offline and instance.admin_state == "up":
            message = f"should run, but its node {node.name} is offline"
            yield instance_finding(instance.name, "EINSTANCENODE", message)
        elif node.drained:
            message = f"its node {node.name} is drained"
            yield instance_finding(instance.name, "EINSTANCENODE", message, "warning")


def parameter_findings(snapshot: Snapshot, node: Node) -> Iterator[Finding]:
    """Instances of a node with what is not enabled, or not valid, any more."""
    cluster = snapshot.cluster
    inherited = snapshot.groups[node.group].hvparams
    for instance in snapshot.instances_on(node.uuid):
        for kind, used, enabled in (
            ("hypervisor", instance.hypervisor, cluster.enabled_hypervisors),
            ("disk template", instance.disk_template, cluster.enabled_disk_templates),
        ):
            if used not in enabled:
                yield instance_finding(
                    instance.name,
                    "EINSTANCEDISABLED",
                    f"its {kind} {used} is not enabled any more",
                    "warning",
                )
        name = instance.hypervisor
        layers = (cluster.hvparams.get(name, {}), inherited.get(name, {}))
        try:
            check_given("beparams", BACKEND, instance.beparams)
            if instance.hvparams:
                effective_hvparams(name, *layers, instance.hvparams)
        except (ValueError, BadParameter) as error:
            yield instance_finding(instance.name, "EINSTANCEPARAMS", str(error))


def split_findings(
    instances: Iterable[Placed], nodes: Mapping[str, Node], groups: Mapping[str, str]
) -> Iterator[Finding]:
    """Instances on nodes of more than one group.

    :param nodes: by UUID
    :param groups: names by UUID
    """
    for instance in instances:
        homes = [nodes[uuid] for uuid in instance.nodes if uuid in nodes]
        if len({home.group for home in homes}) > 1:
            places = ", ".join(
                f"{home.name} of group {groups[home.group]}" for home in homes
            )
            message = f"is on nodes of more than one group: {places}"
            yield instance_finding(instance.name, "EINSTANCESPLIT", message)


def placed_on(snapshot: Snapshot, nodes: Collection[Node]) -> Iterator[Placed]:
    """The instances of nodes, each with all nodes that hold a part of it."""
    for node in nodes:
        for instance in snapshot.instances_on(node.uuid):
            yield Placed(name=instance.name, nodes=nodes_of_instance(instance))


def os_findings(
    snapshot: Snapshot, node: Node, report: NodeVerify
) -> Iterator[Finding]:
    """Instances whose OS definition their node has not, or not any more."""
    if report.os_names is None:
        return
    known = {*report.os_names}
    for instance in snapshot.instances_on(node.uuid):
        if instance.os and instance.os not in known:
            message = f"OS definition {instance.os} is not, or not usable, on"
            yield instance_finding(
                instance.name, "EINSTANCEOS", f"{message} {node.name}", "warning"
            )


def guest_findings(
    snapshot: Snapshot,
    node: Node,
    found: Iterable[GuestInfo],
    moving: Collection[str],
) -> Iterator[Finding]:
    """Guests that should, or should not, be on a node, or are nobody's."""
    guests = {g.uuid: g for g in found if g.uuid not in moving}
    for instance in snapshot.instances_on(node.uuid):
        if instance.uuid in moving:
            continue
        state = _state_of(guests.pop(instance.uuid, None))
        if instance.admin_state == "up" and not state.alive and not state.user_down:
            message = f"should run on {node.name} but is {state.text}"
            yield instance_finding(instance.name, "EINSTANCEDOWN", message)
        elif instance.admin_state != "up" and state.alive:
            message = f"should be down but is {state.text} on {node.name}"
            yield instance_finding(instance.name, "EINSTANCEUP", message)
    for guest in guests.values():
        if guest.uuid in snapshot.intents:
            continue
        elsewhere = snapshot.instances.get(guest.uuid)
        state = _state_of(guest)
        if elsewhere is None:
            yield Finding(
                code="ENODEORPHANINSTANCE",
                kind="node",
                name=node.name,
                message=f"has guest {guest.name} ({guest.uuid}, {state.text}),"
                " which is no instance of this cluster",
            )
        elif state.alive:
            home = snapshot.nodes[elsewhere.primary_node].name
            message = f"is {state.text} on {node.name}, but its node is {home}"
            yield instance_finding(elsewhere.name, "EINSTANCEWRONGNODE", message)


def disk_findings(
    snapshot: Snapshot, node: Node, report: NodeVerify, moving: Collection[str]
) -> Iterator[Finding]:
    """Disks that are missing on a node, or are nobody's."""
    if report.disks is None:
        return
    present = {disk.disk_uuid for disk in report.disks}
    for instance in snapshot.instances_on(node.uuid):
        if instance.uuid not in moving:
            yield from _missing_disks(instance, node, present)
    known = {*snapshot.instances, *snapshot.intents, *moving}
    for stray in report.disks:
        if stray.instance_uuid not in known:
            yield Finding(
                code="ENODEORPHANDISK",
                kind="node",
                name=node.name,
                message=f"has disk {stray.path}, which belongs to no instance",
            )


def _missing_disks(
    instance: Instance, node: Node, present: Collection[str]
) -> Iterator[Finding]:
    for index, disk in enumerate(instance.disks):
        if disk.uuid not in present:
            message = f"disk {index} ({disk.uuid}) is not on {node.name}"
            yield instance_finding(instance.name, "EINSTANCEDISKMISSING", message)


class _Seen(Value, frozen=True, kw_only=True):
    alive: bool
    user_down: bool
    text: str


def _state_of(guest: GuestInfo | None) -> _Seen:
    if guest is None:
        return _Seen(alive=False, user_down=False, text="not there")
    return _Seen(
        alive=guest.is_up,
        user_down=guest.state == "user-down",
        text=guest.state,
    )
