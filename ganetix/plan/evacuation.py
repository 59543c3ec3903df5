"""Who leaves with an evacuation, and who stays. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NoResources, WrongState
from ganetix.objects import Instance, Node
from ganetix.objects.base import Value
from ganetix.opcodes.capacity import OpEvacuationPlan
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import NotPlaced
from ganetix.plan.instance_move import check_movable, memory_to_move
from ganetix.plan.place import NodeState, place


class MovedInstance(Value, frozen=True, kw_only=True):
    """An instance, and the names of the nodes that it leaves and goes to.

    With a ``warning`` the allocator found no place, for the reason that it has: the
    target is the node with most free memory.
    """

    instance: str
    source: str
    target: str
    warning: str = ""


class EvacuationPlan(Value, frozen=True, kw_only=True):
    """What ``OpEvacuationPlan`` answers."""

    moves: tuple[MovedInstance, ...] = ()
    stays: tuple[NotPlaced, ...] = ()


def groups_of(op: OpEvacuationPlan, snapshot: Snapshot) -> tuple[str, ...]:
    """UUIDs of the groups that instances leave, or that they are to go to."""
    homes = (snapshot.instance(name).primary_node for name in op.instances)
    groups = [snapshot.nodes[home].group for home in homes]
    if op.group is not None:
        groups.append(snapshot.group(op.group).uuid)
    return tuple(dict.fromkeys(groups))


def left_nodes(op: OpEvacuationPlan, snapshot: Snapshot) -> set[str]:
    """UUIDs of the nodes that instances leave, and of those that none is to go to."""
    homes = {snapshot.instance(name).primary_node for name in op.instances}
    return homes | {snapshot.node(name).uuid for name in op.left_nodes}


def with_closed(
    cluster: CapCluster, op: OpEvacuationPlan, snapshot: Snapshot
) -> CapCluster:
    """The cluster with nodes closed, as if drained, that none is to go to.

    Those that instances leave need not be: allocators see to that themselves.
    """
    homes = {snapshot.instance(name).primary_node for name in op.instances}
    named = [snapshot.node(name) for name in op.left_nodes]
    closed = {node.name for node in named if node.uuid not in homes}
    return replace(
        cluster,
        nodes=tuple(
            replace(node, offline=True) if node.name in closed else node
            for node in cluster.nodes
        ),
    )


def those_that_stay(op: OpEvacuationPlan, snapshot: Snapshot) -> tuple[NotPlaced, ...]:
    """Instances about which no allocator needs to be asked, and why."""
    target = None if op.group is None else snapshot.group(op.group)
    left = {snapshot.node(name).uuid for name in op.left_nodes}
    found = []
    for name in op.instances:
        instance = snapshot.instance(name)
        try:
            check_movable(instance, snapshot)
        except WrongState as error:
            found.append(NotPlaced(instance=name, reason=error.message))
            continue
        home = snapshot.nodes[instance.primary_node]
        if home.uuid not in left and target and home.group == target.uuid:
            reason = f"it is in group {target.name} already"
            found.append(NotPlaced(instance=name, reason=reason))
    return tuple(found)


class Rest:
    """Instances for which an allocator found no place, one after the other.

    :param moves: what goes where by the allocator; its memory is taken
    :param states: the room of all nodes concerned
    """

    def __init__(
        self,
        op: OpEvacuationPlan,
        snapshot: Snapshot,
        moves: Iterable[MovedInstance],
        states: Mapping[str, NodeState],
    ) -> None:
        self._op = op
        self._snapshot = snapshot
        self._states = dict(states)
        self._left = left_nodes(op, snapshot)
        for move in moves:
            target = snapshot.node(move.target)
            self._take(target, snapshot.instance(move.instance))

    def place(self, failed: NotPlaced) -> MovedInstance | NotPlaced:
        """To the node with most free memory; it stays if none has room."""
        op, snapshot = self._op, self._snapshot
        instance = snapshot.instance(failed.instance)
        home = snapshot.nodes[instance.primary_node]
        group = home.group if op.group is None else snapshot.group(op.group).uuid
        nodes = [n for n in snapshot.nodes_of(group) if n.uuid not in self._left]
        if not nodes:
            reason = f"group {snapshot.groups[group].name} has no other node"
            return NotPlaced(instance=failed.instance, reason=reason)
        memory = memory_to_move(instance, nodes[0], snapshot)
        try:
            found = place(snapshot, nodes, self._states, memory, 0)
        except NoResources as error:
            return NotPlaced(instance=failed.instance, reason=error.message)
        target = snapshot.nodes[found.node_uuid]
        self._take(target, instance)
        return MovedInstance(
            instance=failed.instance,
            source=home.name,
            target=target.name,
            warning=failed.reason,
        )

    def _take(self, node: Node, instance: Instance) -> None:
        state = self._states.get(node.uuid)
        if state is not None:
            memory = memory_to_move(instance, node, self._snapshot)
            self._states[node.uuid] = replace(
                state,
                memory_total_mib=state.memory_total_mib - memory,
                memory_free_mib=state.memory_free_mib - memory,
            )
