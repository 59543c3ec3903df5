"""Which node groups an opcode may talk to: those that its locks are about (R18)."""

from __future__ import annotations

from collections.abc import Iterator

from ganetix.config.snapshot import Snapshot
from ganetix.plan.lock_plan import LockPlan

Reach = frozenset[str] | None
"""UUIDs of groups; None is all of them."""

_NOWHERE: frozenset[str] = frozenset()


def reach_of(locks: LockPlan, snapshot: Snapshot) -> Reach:
    """The groups of all that is locked.

    An opcode that locks nothing but the cluster is about all of it, and so is one that
    locks all groups, nodes or instances. One that locks nothing talks to nobody.
    """
    if not locks:
        return _NOWHERE
    if locks.keys() == {"cluster"}:
        return None
    if any(wanted.all is not None for wanted in locks.values()):
        return None
    return frozenset(_groups(locks, snapshot))


def _groups(locks: LockPlan, snapshot: Snapshot) -> Iterator[str]:
    if "group" in locks:
        yield from locks["group"].names
    for level in ("node", "node_resource"):
        if level in locks:
            for uuid in (*locks[level].names, *locks[level].creates):
                yield from _group_of_node(uuid, snapshot)
    if "instance" in locks:
        names = {*locks["instance"].names, *locks["instance"].creates}
        for node_uuid in _nodes_of_instances(names, snapshot):
            yield from _group_of_node(node_uuid, snapshot)


def _group_of_node(uuid: str, snapshot: Snapshot) -> Iterator[str]:
    if uuid in snapshot.nodes:
        yield snapshot.nodes[uuid].group
    if uuid in snapshot.tokens:
        yield snapshot.tokens[uuid].node.group


def _nodes_of_instances(names: set[str], snapshot: Snapshot) -> Iterator[str]:
    """Of instances that are there, and of those that are half made or removed."""
    known = snapshot.instance_index.names
    for name in names & known.keys():
        yield snapshot.instances[known[name]].primary_node
    for intent in snapshot.intents.values():
        if intent.instance.name in names:
            yield intent.instance.primary_node
            yield intent.target_node
