"""Whether what was computed of a group may still be told (R29). Pure.

A result says what is *at least* available: it holds as long as the configuration of
its group has not shrunk what there is. What nodes do by themselves is not seen here.
"""

from __future__ import annotations

from ganetix.config.snapshot import Snapshot
from ganetix.objects import Instance, Node
from ganetix.plan.params import backend_params, capacity_params, node_params


def still_holds(then: Snapshot, now: Snapshot, group_uuid: str) -> bool:
    """Whether a group's capacity of ``then`` is still to be had ``now``."""
    if group_uuid not in then.groups or group_uuid not in now.groups:
        return False
    if then.cluster is now.cluster and then.groups is now.groups:
        pass
    elif capacity_params(then.cluster, then.groups[group_uuid]) != capacity_params(
        now.cluster, now.groups[group_uuid]
    ):
        return False
    return _nodes_hold(then, now, group_uuid) and _instances_hold(then, now, group_uuid)


def _nodes_hold(then: Snapshot, now: Snapshot, group_uuid: str) -> bool:
    for node in then.nodes_of(group_uuid):
        if not _is_usable(node):
            continue
        later = now.nodes.get(node.uuid)
        if later is None or later.group != group_uuid or not _is_usable(later):
            return False
        if node_params(node, then) != node_params(later, now):
            return False
    return True


def _instances_hold(then: Snapshot, now: Snapshot, group_uuid: str) -> bool:
    if then.instances is now.instances and then.intents is now.intents:
        return True
    for node in now.nodes_of(group_uuid):
        for instance in now.instances_on(node.uuid):
            earlier = then.instances.get(instance.uuid)
            if earlier is None or _needs_more(earlier, then, instance, now):
                return False
    members = {node.uuid for node in now.nodes_of(group_uuid)}
    return not any(
        uuid not in then.intents
        and {intent.instance.primary_node, intent.target_node} & members
        and intent.action != "remove"
        for uuid, intent in now.intents.items()
    )


def _needs_more(
    earlier: Instance, then: Snapshot, later: Instance, now: Snapshot
) -> bool:
    before, after = backend_params(earlier, then), backend_params(later, now)
    return (
        earlier.primary_node != later.primary_node
        or earlier.disk_template != later.disk_template
        or after.memory_mib > before.memory_mib
        or after.vcpus > before.vcpus
        or (later.admin_state == "up" and earlier.admin_state != "up")
        or sum(d.size_mib for d in later.disks) > sum(d.size_mib for d in earlier.disks)
    )


def _is_usable(node: Node) -> bool:
    return node.vm_capable and not (node.offline or node.drained)
