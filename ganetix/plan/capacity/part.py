"""A part of a cluster that can be looked at alone."""

from __future__ import annotations

import msgspec

from ganetix.plan.capacity.model import CapCluster, CapInstance, CapNode


def of_group(cluster: CapCluster, uuid: str) -> CapCluster:
    """One group with its nodes, and the instances that are there.

    What an instance that is spread over two groups takes of a node here counts as taken
    by the node's own system.
    """
    nodes = {node.name: node for node in cluster.nodes if node.group == uuid}
    instances = []
    for instance in cluster.instances:
        homes = [name for name in (instance.primary, instance.secondary) if name]
        here = [name for name in homes if name in nodes]
        if len(here) == len(homes):
            instances.append(instance)
        for name in here if len(here) < len(homes) else ():
            nodes[name] = _with_stranger(nodes[name], instance)
    return msgspec.structs.replace(
        cluster,
        groups=tuple(group for group in cluster.groups if group.uuid == uuid),
        nodes=tuple(nodes.values()),
        instances=tuple(instances),
    )


def _with_stranger(node: CapNode, instance: CapInstance) -> CapNode:
    is_primary = instance.primary == node.name
    return msgspec.structs.replace(
        node,
        node_memory=node.node_memory + instance.memory,
        node_cpus=node.node_cpus + (instance.vcpus if is_primary else 0),
    )
