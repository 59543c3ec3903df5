"""Where a new instance goes: the node of the group with the most free memory.

It stands in for the allocator. Memory that the configuration has promised counts as
taken even while the guest that will take it is not there yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NoResources
from ganetix.objects import Instance, Node
from ganetix.objects.base import Value
from ganetix.plan.guest import backend_params


class NodeState(Value, frozen=True, kw_only=True):
    """What a node said of itself; None where it did not answer."""

    memory_total_mib: int
    memory_free_mib: int
    disk_free_mib: int | None


class Placement(Value, frozen=True, kw_only=True):
    """A chosen node, what it has left afterwards, and why the others were refused."""

    node_uuid: str
    memory_left_mib: int
    refusals: dict[str, str] = {}


def promised_mib(snapshot: Snapshot, node_uuid: str, running: Mapping[str, int]) -> int:
    """Memory in MiB promised to guests of a node that do not run there now.

    ``running`` maps UUIDs of guests that do to their memory: that is not free anyhow.
    """
    expected: list[Instance] = [
        instance
        for instance in snapshot.instances_on(node_uuid)
        if instance.admin_state == "up"
    ]
    expected += (
        intent.instance
        for intent in snapshot.intents.values()
        if intent.action == "create" and intent.instance.primary_node == node_uuid
    )
    return sum(
        backend_params(instance, snapshot.cluster).memory_mib
        for instance in expected
        if instance.uuid not in running
    )


def refusal(
    node: Node,
    state: NodeState | None,
    promised: int,
    memory_mib: int,
    disk_mib: int,
) -> str | None:
    """Why a node cannot take an instance of this size; None if it can."""
    if node.offline:
        return "is offline"
    if node.drained:
        return "is drained"
    if not node.vm_capable:
        return "is not vm_capable"
    if state is None:
        return "does not answer"
    free = state.memory_free_mib - promised
    if memory_mib > free:
        return f"has {free} MiB of memory free, needs {memory_mib}"
    if state.disk_free_mib is not None and disk_mib > state.disk_free_mib:
        return f"has {state.disk_free_mib} MiB of disk free, needs {disk_mib}"
    return None


def place(
    candidates: Iterable[Node],
    states: Mapping[str, NodeState],
    promised: Mapping[str, int],
    memory_mib: int,
    disk_mib: int,
) -> Placement:
    """The node with the most memory left, by name where equal.

    ``NoResources`` names every node with the reason it was refused.
    """
    refusals: dict[str, str] = {}
    best: tuple[int, str, Node] | None = None
    for node in candidates:
        state = states.get(node.uuid)
        taken = promised.get(node.uuid, 0)
        reason = refusal(node, state, taken, memory_mib, disk_mib)
        if reason is not None or state is None:
            refusals[node.name] = reason or "does not answer"
            continue
        key = (taken - state.memory_free_mib, node.name, node)
        if best is None or key[:2] < best[:2]:
            best = key
    if best is None:
        why = "; ".join(f"{name} {text}" for name, text in sorted(refusals.items()))
        raise NoResources(f"no node can take the instance: {why or 'no nodes here'}")
    return Placement(
        node_uuid=best[2].uuid,
        memory_left_mib=-best[0] - memory_mib,
        refusals=refusals,
    )
