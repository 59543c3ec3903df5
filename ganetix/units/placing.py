"""Where instances go: asked of an allocator, among nodes that have the room."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NoResources, RemoteFailure
from ganetix.flow.breath import paced
from ganetix.objects import CapacityParams, Instance, Node, NodeGroup
from ganetix.objects.base import Value
from ganetix.objects.node_calls import NodeInfo
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import (
    BUILTIN,
    Allocate,
    Answer,
    AnyRequest,
    Candidate,
    ChangeGroup,
    Moves,
    Nodes,
    Relocate,
)
from ganetix.plan.capacity.view import cap_cluster_steps, newcomer_of
from ganetix.plan.instance_move import memory_to_move
from ganetix.plan.params import backend_params
from ganetix.plan.place import Placement, place_steps
from ganetix.units.base import Context
from ganetix.units.node_states import states_of

DEFAULT = "."
"""Named in place of an allocator: the cluster's default one."""

NOT_REDUNDANT = "FailN1: "
"""In the built-in allocator's words: the loss of some node would be too much."""

Infos = Mapping[str, NodeInfo]


class Choice(Value, frozen=True, kw_only=True):
    """The node, by UUID, what the allocator said, and why others were refused."""

    node_uuid: str
    said: str
    refusals: dict[str, str] = {}
    warning: str = ""


def tell_choice(choice: Choice, node: Node, context: Context) -> None:
    """Put into the job's log who chose the node."""
    if choice.warning:
        context.progress.warn(choice.warning)
    if choice.said:
        context.say(f"node {node.name} was chosen: {choice.said}")


class Ranking(Value, frozen=True, kw_only=True):
    """What else came into question, in the eyes of the built-in allocator.

    ``score`` is the chosen node's, None if it is none that it would choose.
    """

    score: float | None = None
    runners_up: tuple[Candidate, ...] = ()
    refusals: dict[str, str] = {}


def allocator_name(named: str | None, snapshot: Snapshot) -> str:
    """The allocator to ask; None and ``.`` are the cluster's default one."""
    if named in (None, DEFAULT):
        return snapshot.cluster.default_iallocator
    return named


async def ask(
    context: Context,
    name: str,
    cluster: CapCluster,
    request: AnyRequest,
) -> Answer:
    """What an allocator answers, with what it says beside in the job's log."""
    hypervisors = context.snapshot.cluster.enabled_hypervisors
    asked = context.services.allocation.ask(
        name, cluster, request, hypervisors, context.say
    )
    return await context.progress.while_wanted(asked)


async def described(
    context: Context,
    snapshot: Snapshot,
    infos: Infos,
    groups: Collection[str] | None = None,
    parameters: Mapping[str, CapacityParams] | None = None,
) -> CapCluster:
    """See ``cap_cluster``; the reactor goes on meanwhile."""
    steps = cap_cluster_steps(snapshot, infos, groups, parameters)
    return await paced(context.services.clock, steps)


class NewPlace:
    """The place of one new instance in a group, by what the group's nodes said.

    Allocators are told of that group only, and of the nodes that have room.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        cluster: CapCluster,
        request: Allocate,
        roomiest: Placement,
    ) -> None:
        self._snapshot = snapshot
        self._cluster = cluster
        self._request = request
        self._roomiest = roomiest

    @classmethod
    async def of(
        cls,
        context: Context,
        snapshot: Snapshot,
        instance: Instance,
        group: NodeGroup,
        infos: Infos,
    ) -> NewPlace:
        """For an instance that is yet to be made.

        :raises NoResources: no node has room, and why
        """
        memory = backend_params(instance, snapshot, group).memory_mib
        disk = sum(each.size_mib for each in instance.disks)
        members = snapshot.nodes_of(group.uuid)
        states = states_of(infos, instance.disk_template)
        roomiest = await paced(
            context.services.clock,
            place_steps(snapshot, members, states, memory, disk),
        )
        refused = roomiest.refusals
        good = tuple(node.name for node in members if node.name not in refused)
        request = Allocate(
            instance=newcomer_of(instance, snapshot, group, good), group=group.uuid
        )
        cluster = await described(context, snapshot, infos, [group.uuid])
        return cls(snapshot, cluster, request, roomiest)

    async def chosen(self, context: Context, allocator: str | None) -> Choice:
        """The node that an allocator chooses.

        Where none fits by the built-in one's rules, such as N+1 redundancy, the one
        with most free memory is taken, with a warning, unless it is the group's only
        one. The word of others is final.

        Fails as the allocator does, with ``NoResources`` if another than the built-in
        one found none, and with ``RemoteFailure`` if it chose a node that has no room.

        :param allocator: its name; None or ``.`` is the cluster's default one
        """
        name = allocator_name(allocator, self._snapshot)
        answer = await ask(context, name, self._cluster, self._request)
        if answer.result is not None and not isinstance(answer.result, Nodes):
            raise RemoteFailure(f"allocator {name} answered another question")
        nodes = () if answer.result is None else answer.result.nodes
        return _choice(name, answer.info, nodes, self._roomiest, self._snapshot)

    async def ranking(self, context: Context, choice: Choice) -> Ranking:
        """The chosen node beside all others."""
        allocation = context.services.allocation
        found = await context.progress.while_wanted(
            allocation.compared(self._cluster, self._request)
        )
        chosen = self._snapshot.nodes[choice.node_uuid].name
        places = (*((found.chosen,) if found.chosen else ()), *found.runners_up)
        scores = {one.nodes[0]: one.score for one in reversed(places)}
        refusals = {each.node: each.reason for each in found.refused}
        refusals.pop(chosen, None)
        return Ranking(
            score=scores.get(chosen),
            runners_up=tuple(one for one in places if one.nodes[0] != chosen),
            refusals=refusals | choice.refusals,
        )


async def choose_target(
    context: Context,
    snapshot: Snapshot,
    instance: Instance,
    candidates: Sequence[Node],
    infos: Infos,
    allocator: str | None,
) -> Choice:
    """The one of several nodes, all of a group, that an instance is moved to.

    As with a ``NewPlace``; the group is the instance's own or another one.

    :param infos: what these nodes said, and the instance's own if it did
    """
    home = snapshot.nodes[instance.primary_node]
    group = candidates[0].group
    states = states_of(infos, instance.disk_template)
    memory = memory_to_move(instance, candidates[0], snapshot)
    roomiest = await paced(
        context.services.clock, place_steps(snapshot, candidates, states, memory, 0)
    )
    request: AnyRequest = Relocate(instance=instance.name, relocate_from=(home.name,))
    if group != home.group:
        request = ChangeGroup(instances=(instance.name,), target_groups=(group,))
    name = allocator_name(allocator, snapshot)
    cluster = await described(context, snapshot, infos, {home.group, group})
    answer = await ask(context, name, cluster, request)
    info = answer.info
    match answer.result:
        case None:
            nodes: tuple[str, ...] = ()
        case Nodes(nodes=nodes):
            pass
        case Moves(moved=(moved,)):
            nodes = moved.nodes
        case Moves(failed=(failed,)):
            info, nodes = failed.reason, ()
        case _:
            raise RemoteFailure(f"allocator {name} answered another question")
    return _choice(name, info, nodes, roomiest, snapshot)


def _choice(
    name: str,
    info: str,
    nodes: Sequence[str],
    roomiest: Placement,
    snapshot: Snapshot,
) -> Choice:
    """What comes of an allocator's answer; no nodes: it found none."""
    refused = roomiest.refusals
    if nodes and nodes[0] not in refused:
        node = snapshot.node(nodes[0])
        return Choice(node_uuid=node.uuid, said=f"{name}: {info}", refusals=refused)
    if not nodes and name != BUILTIN:
        raise NoResources(f"allocator {name} found no place: {info}")
    group = snapshot.groups[snapshot.nodes[roomiest.node_uuid].group]
    if not nodes and NOT_REDUNDANT in info:
        if len(snapshot.nodes_of(group.uuid)) == 1:
            said = f"it is all that group {group.name} has; nothing there survives it"
            return Choice(node_uuid=roomiest.node_uuid, said=said, refusals=refused)
        why = f"group {group.name} will not survive the loss of each of its nodes (N+1)"
    elif not nodes:
        why = f"no node fits by the rules of {name} ({info})"
    else:
        why = f"allocator {name} chose {nodes[0]}, which {refused[nodes[0]]}"
        if name != BUILTIN:
            raise RemoteFailure(why)
    return Choice(
        node_uuid=roomiest.node_uuid,
        said="it has the most free memory",
        refusals=refused,
        warning=why,
    )
