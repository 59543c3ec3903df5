"""Which nodes have room for an instance, and which of them has the most.

Allocators choose among these. Memory that the configuration has promised counts as
taken, whether or not a guest has touched it yet; so a node never promises more than it
has.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NoResources
from ganetix.objects import Instance, Node
from ganetix.objects.base import Value
from ganetix.plan.capacity.driven import driven
from ganetix.plan.params import BackendOf


class NodeState(Value, frozen=True, kw_only=True):
    """What a node said of itself; ``disk_free_mib`` is None where that has no limit.

    ``running`` maps UUIDs of the guests that run there to their memory in MiB.
    """

    memory_total_mib: int
    memory_free_mib: int
    disk_free_mib: int | None
    running: dict[str, int] = {}


class Placement(Value, frozen=True, kw_only=True):
    """A chosen node, what it has left afterwards, and why the others were refused."""

    node_uuid: str
    memory_left_mib: int
    refusals: dict[str, str] = {}


def free_mib(
    snapshot: Snapshot,
    node_uuid: str,
    state: NodeState,
    backend: BackendOf | None = None,
) -> int:
    """Memory of a node in MiB that is free and promised to nobody; may be negative.

    The configuration may be newer than the state: what came up in between is not
    among the running ones, and counts as promised.
    """
    backend = backend or BackendOf(snapshot)
    promised = {
        instance.uuid: backend(instance).memory_mib
        for instance in (
            *(i for i in snapshot.instances_on(node_uuid) if i.admin_state == "up"),
            *_to_come(snapshot, node_uuid),
        )
    }
    to_come = sum(mib for uuid, mib in promised.items() if uuid not in state.running)
    others = sum(mib for uuid, mib in state.running.items() if uuid not in promised)
    return min(
        state.memory_free_mib - to_come,
        state.memory_total_mib - sum(promised.values()) - others,
    )


def _to_come(snapshot: Snapshot, node_uuid: str) -> Iterator[Instance]:
    """What is being made on a node, or moved to it, and is to run there."""
    for intent in snapshot.intents.values():
        instance = intent.instance
        is_made = intent.action == "create" and instance.primary_node == node_uuid
        comes = intent.target_node == node_uuid and instance.admin_state == "up"
        if is_made or comes:
            yield instance


def closed(node: Node) -> str | None:
    """Why no instance may come to a node; None if they may."""
    if node.offline:
        return "is offline"
    if node.drained:
        return "is drained"
    if not node.vm_capable:
        return "is not vm_capable"
    return None


def refusal(
    snapshot: Snapshot,
    node: Node,
    state: NodeState | None,
    memory_mib: int,
    disk_mib: int,
    backend: BackendOf | None = None,
) -> str | None:
    """Why a node cannot take an instance of this size; None if it can."""
    if reason := closed(node):
        return reason
    if state is None:
        return "does not answer"
    free = free_mib(snapshot, node.uuid, state, backend)
    if memory_mib > free:
        return f"has {max(free, 0)} MiB of memory free, needs {memory_mib}"
    if state.disk_free_mib is not None and disk_mib > state.disk_free_mib:
        return f"has {state.disk_free_mib} MiB of disk free, needs {disk_mib}"
    return None


def place(
    snapshot: Snapshot,
    candidates: Iterable[Node],
    states: Mapping[str, NodeState],
    memory_mib: int,
    disk_mib: int,
) -> Placement:
    """The node with the most memory left, by name where equal.

    ``NoResources`` names every node with the reason it was refused.
    """
    return driven(place_steps(snapshot, candidates, states, memory_mib, disk_mib))


def place_steps(
    snapshot: Snapshot,
    candidates: Iterable[Node],
    states: Mapping[str, NodeState],
    memory_mib: int,
    disk_mib: int,
) -> Generator[None, None, Placement]:
    """The same node by node."""
    refusals: dict[str, str] = {}
    best: tuple[int, str, Node] | None = None
    backend = BackendOf(snapshot)
    for node in candidates:
        yield
        state = states.get(node.uuid)
        reason = refusal(snapshot, node, state, memory_mib, disk_mib, backend)
        if reason is not None or state is None:
            refusals[node.name] = reason or "does not answer"
            continue
        key = (-free_mib(snapshot, node.uuid, state, backend), node.name, node)
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
