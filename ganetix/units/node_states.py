"""What nodes say of their memory and disks, for decisions on where things go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred

from ganetix.errors import GanetixError
from ganetix.flow.settle import settle
from ganetix.objects import Node
from ganetix.objects.node_calls import NodeInfo, NodeInfoRequest
from ganetix.plan.place import NodeState
from ganetix.rpc.methods import NODE_INFO
from ganetix.units.base import Context


async def ask_infos(
    context: Context, nodes: Sequence[Node], disk_template: str
) -> dict[str, NodeInfo]:
    """What nodes say by UUID, with the space of one disk template.

    Nodes that are offline are not asked; those that do not answer are left out with a
    warning, but a single one's failure is raised.
    """

    def not_heard(node: Node, error: GanetixError) -> None:
        if len(nodes) == 1:
            raise error
        context.progress.warn(f"node {node.name} is left out: {error}")

    return await ask_each(context, nodes, (disk_template,), not_heard)


async def ask_each(
    context: Context,
    nodes: Sequence[Node],
    disk_templates: tuple[str, ...],
    not_heard: Callable[[Node, GanetixError], None],
) -> dict[str, NodeInfo]:
    """What nodes that are not offline say by UUID, with the space of disk templates.

    Those that do not answer are missing; ``not_heard`` is told why, and may raise.
    """
    request = NodeInfoRequest(
        hypervisors=context.snapshot.cluster.enabled_hypervisors,
        disk_templates=disk_templates,
    )
    infos: dict[str, NodeInfo] = {}

    async def ask(node: Node) -> None:
        try:
            infos[node.uuid] = await context.call(node, NODE_INFO, request)
        except GanetixError as error:
            not_heard(node, error)

    asked = [node for node in nodes if not node.offline]
    await settle([Deferred.fromCoroutine(ask(node)) for node in asked])
    return infos


def states_of(
    infos: Mapping[str, NodeInfo], disk_template: str
) -> dict[str, NodeState]:
    """What decisions on room look at."""
    return {uuid: _state(info, disk_template) for uuid, info in infos.items()}


def _state(info: NodeInfo, disk_template: str) -> NodeState:
    space = {found.template: found.free_mib for found in info.disk_space}
    return NodeState(
        memory_total_mib=info.memory_total_mib,
        memory_free_mib=info.memory_free_mib,
        disk_free_mib=space.get(disk_template),
        running={guest.uuid: guest.memory_mib for guest in info.guests if guest.is_up},
    )
