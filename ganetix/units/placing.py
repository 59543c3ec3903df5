"""Where an instance goes: asked of an allocator, among nodes that have the room."""

from __future__ import annotations

from collections.abc import Mapping

from ganetix.config.snapshot import Snapshot
from ganetix.errors import RemoteFailure
from ganetix.objects import Instance, NodeGroup
from ganetix.objects.base import Value
from ganetix.plan.capacity.requests import Allocate, Nodes
from ganetix.plan.capacity.view import cap_cluster, newcomer_of
from ganetix.plan.params import backend_params
from ganetix.plan.place import place
from ganetix.rpc.methods import NodeInfo
from ganetix.units.base import Context
from ganetix.units.node_states import states_of

DEFAULT = "."
"""Named in place of an allocator: the cluster's default one."""


class Choice(Value, frozen=True, kw_only=True):
    """The node, by UUID, what the allocator said, and why others were refused."""

    node_uuid: str
    said: str
    refusals: dict[str, str] = {}
    warning: str = ""


async def choose_node(
    context: Context,
    snapshot: Snapshot,
    instance: Instance,
    group: NodeGroup,
    infos: Mapping[str, NodeInfo],
    allocator: str | None,
) -> Choice:
    """The node of a group that an allocator chooses for a new instance.

    It is told of that group only, and of the nodes that have room for the instance.
    Where none of them leaves the group N+1 redundant, the one with most free memory is
    taken, with a warning.

    Fails with ``NoResources`` if no node has room, as the allocator does, and with
    ``RemoteFailure`` if the allocator chose a node that has none.

    :param allocator: its name; None or ``.`` is the cluster's default one
    """
    memory = backend_params(instance, snapshot, group).memory_mib
    disk = sum(each.size_mib for each in instance.disks)
    candidates = snapshot.nodes_of(group.uuid)
    states = states_of(infos, instance.disk_template)
    fallback = place(snapshot, candidates, states, memory, disk)
    refused = fallback.refusals
    name = allocator or DEFAULT
    if name == DEFAULT:
        name = snapshot.cluster.default_iallocator
    good = tuple(node.name for node in candidates if node.name not in refused)
    answer = await context.services.allocation.ask(
        name,
        cap_cluster(snapshot, infos, [group.uuid]),
        Allocate(
            instance=newcomer_of(instance, snapshot, group, good), group=group.uuid
        ),
        snapshot.cluster.enabled_hypervisors,
        context.say,
    )
    if answer.result is None:
        return Choice(
            node_uuid=fallback.node_uuid,
            said="it has the most free memory",
            refusals=refused,
            warning=f"no node is left N+1 redundant ({answer.info})",
        )
    if not isinstance(answer.result, Nodes):
        raise RemoteFailure(f"allocator {name} answered another question")
    node = snapshot.node(answer.result.nodes[0])
    if node.name in refused:
        raise RemoteFailure(
            f"allocator {name} chose {node.name}, which {refused[node.name]}"
        )
    return Choice(node_uuid=node.uuid, said=f"{name}: {answer.info}", refusals=refused)
