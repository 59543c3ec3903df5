"""Who leaves with an evacuation, and who stays. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NoResources, WrongState
from ganetix.objects.base import Value
from ganetix.opcodes.capacity import OpEvacuationPlan
from ganetix.plan.capacity.requests import NotPlaced
from ganetix.plan.instance_move import check_movable, memory_to_move
from ganetix.plan.place import NodeState, place


class MovedInstance(Value, frozen=True, kw_only=True):
    """An instance, and the names of the nodes that it leaves and goes to.

    Without a target the allocator found none, for the reason in ``warning``, though
    there is room: the move itself takes the roomiest node then.
    """

    instance: str
    source: str
    target: str | None
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


def those_that_stay(op: OpEvacuationPlan, snapshot: Snapshot) -> tuple[NotPlaced, ...]:
    """Instances about which no allocator needs to be asked, and why."""
    target = None if op.group is None else snapshot.group(op.group)
    found = []
    for name in op.instances:
        instance = snapshot.instance(name)
        try:
            check_movable(instance, snapshot)
        except WrongState as error:
            found.append(NotPlaced(instance=name, reason=error.message))
            continue
        home = snapshot.nodes[instance.primary_node]
        if target is not None and home.group == target.uuid:
            reason = f"it is in group {target.name} already"
            found.append(NotPlaced(instance=name, reason=reason))
    return tuple(found)


def without_place(
    op: OpEvacuationPlan,
    failed: NotPlaced,
    snapshot: Snapshot,
    states: Mapping[str, NodeState],
) -> MovedInstance | NotPlaced:
    """What becomes of an instance for which an allocator found no place.

    It stays if no node has room, each with its reason.
    """
    instance = snapshot.instance(failed.instance)
    home = snapshot.nodes[instance.primary_node]
    group = home.group if op.group is None else snapshot.group(op.group).uuid
    others = [node for node in snapshot.nodes_of(group) if node.uuid != home.uuid]
    if not others:
        reason = f"group {snapshot.groups[group].name} has no other node"
        return NotPlaced(instance=failed.instance, reason=reason)
    memory = memory_to_move(instance, others[0], snapshot)
    try:
        place(snapshot, others, states, memory, 0)
    except NoResources as error:
        return NotPlaced(instance=failed.instance, reason=error.message)
    return MovedInstance(
        instance=failed.instance,
        source=home.name,
        target=None,
        warning=failed.reason,
    )
