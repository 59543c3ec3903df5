"""Where an instance may be moved to, and what becomes of a move cut short. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import ConfigConflict, NoResources, WrongState
from ganetix.objects import GuestInfo, Instance, Node
from ganetix.objects.instance import MOVABLE_TEMPLATES
from ganetix.objects.intent import InstanceIntent
from ganetix.opcodes import OpInstanceFailover, OpInstanceMigrate
from ganetix.plan.params import backend_params
from ganetix.plan.place import NodeState, refusal

MoveOp = OpInstanceFailover | OpInstanceMigrate

FailoverStep = Literal["stop", "start"]
MigrateStep = Literal["receive", "send", "accept", "release"]
"""The last step begun. From ``start`` and ``accept`` on the instance is the target's;
``release`` only tidies up the node that it is not on."""


def check_movable(instance: Instance, snapshot: Snapshot) -> None:
    """``WrongState`` unless other nodes reach the instance's disks."""
    if instance.disk_template in MOVABLE_TEMPLATES:
        return
    home = snapshot.nodes[instance.primary_node].name
    raise WrongState(
        f"instance {instance.name} cannot leave node {home}: its disks (template"
        f" {instance.disk_template}) are on that node only",
        instance=instance.name,
    )


def possible_targets(
    op: MoveOp, instance: Instance, snapshot: Snapshot
) -> tuple[Node, ...]:
    """The nodes that may come into question; ``Refused`` if there is none."""
    check_movable(instance, snapshot)
    home = snapshot.nodes[instance.primary_node]
    group = snapshot.group(op.group or home.group)
    if op.node is None:
        others = [n for n in snapshot.nodes_of(group.uuid) if n.uuid != home.uuid]
        if not others:
            raise NoResources(
                f"group {group.name} has no other node for instance {instance.name}"
            )
        return tuple(others)
    node = snapshot.node(op.node)
    if node.uuid == home.uuid:
        raise WrongState(
            f"instance {instance.name} is on node {node.name} already",
            instance=instance.name,
        )
    if node.group != group.uuid:
        raise WrongState(
            f"node {node.name} is not in group {group.name} but in"
            f" {snapshot.groups[node.group].name}; -g says that this is meant"
        )
    return (node,)


def check_target(
    instance: Instance,
    node: Node,
    states: Mapping[str, NodeState],
    snapshot: Snapshot,
) -> None:
    """``NoResources`` says why a node cannot take the instance."""
    memory = memory_to_move(instance, node, snapshot)
    if reason := refusal(snapshot, node, states.get(node.uuid), memory, 0):
        raise NoResources(f"node {node.name} {reason}", node=node.name)


def claim(
    intent: InstanceIntent, states: Mapping[str, NodeState], snapshot: Snapshot
) -> Edits:
    """The intent, which promises the memory on its target to the instance.

    Raises if the configuration moved on so that the move cannot be begun.
    """
    current = snapshot.instances.get(intent.instance.uuid)
    if current is None or current.primary_node != intent.instance.primary_node:
        raise ConfigConflict(f"instance {intent.instance.name} has changed; try again")
    target = snapshot.nodes.get(intent.target_node)
    if target is None:
        raise ConfigConflict("the node that was chosen is gone; try again")
    check_target(current, target, states, snapshot)
    return Edits(put_intents=(intent,))


def at_step(intent: InstanceIntent, step: str, snapshot: Snapshot) -> Edits:
    """The move begun another step."""
    current = snapshot.intents.get(intent.instance.uuid, intent)
    return Edits(put_intents=(replace(current, step=step),))


def switched(
    intent: InstanceIntent, step: FailoverStep | MigrateStep, snapshot: Snapshot
) -> Edits:
    """The instance on its target from now on, and the step that follows."""
    instance = snapshot.instances[intent.instance.uuid]
    moved = replace(instance, primary_node=intent.target_node)
    return Edits(put=(moved,), put_intents=(replace(intent, step=step),))


def without(intent: InstanceIntent, snapshot: Snapshot) -> Edits:
    """The move at its end, whoever came first."""
    uuid = intent.instance.uuid
    return Edits(delete_intents=(uuid,) if uuid in snapshot.intents else ())


def is_switched(intent: InstanceIntent, snapshot: Snapshot) -> bool:
    """Whether the instance is its target's already."""
    instance = snapshot.instances.get(intent.instance.uuid)
    return instance is not None and instance.primary_node == intent.target_node


def other_node(intent: InstanceIntent, snapshot: Snapshot) -> Node | None:
    """The node of the two that the instance is not on."""
    source = intent.instance.primary_node
    there = source if is_switched(intent, snapshot) else intent.target_node
    return snapshot.nodes.get(there)


def asked_node(intent: InstanceIntent, snapshot: Snapshot) -> Node | None:
    """The node whose word is needed to end a move that was cut short.

    None if nobody's is: the configuration alone can be put right.
    """
    source = snapshot.nodes.get(intent.instance.primary_node)
    target = snapshot.nodes.get(intent.target_node)
    is_source_gone = source is None or source.offline
    wanted = source
    if intent.step == "release":
        wanted = other_node(intent, snapshot)
    elif is_switched(intent, snapshot) or (intent.step == "send" and is_source_gone):
        wanted = target
    return None if wanted is None or wanted.offline else wanted


def is_alive(guest: GuestInfo | None) -> bool:
    """Whether a node runs the guest."""
    return guest is not None and guest.is_up


def memory_to_move(instance: Instance, node: Node, snapshot: Snapshot) -> int:
    """MiB that it takes on a node of that group; none if it is not to run."""
    if instance.admin_state != "up":
        return 0
    group = snapshot.groups[node.group]
    return backend_params(instance, snapshot, group).memory_mib
