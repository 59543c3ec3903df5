"""The pool of master candidates: who must be promoted to keep it at its size. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.objects import Cluster, Node, NodeGroup


def may_be_candidate(node: Node) -> bool:
    """Whether the node can be a candidate at all, being one or not."""
    return node.master_capable and not node.offline and not node.drained


def balance(snapshot: Snapshot, spare: Collection[str] = ()) -> tuple[Node, ...]:
    """The nodes to promote, as they are then, so that the pool has its size again.

    First each group gets its ``min_candidates``, then the pool is filled up, from the
    group with the fewest candidates first and by name within it. There may be too few
    nodes for either. Nobody is demoted. ``spare`` are UUIDs of nodes to pass over.

    A majority of three or more must agree to each change. So no group but the master's
    is filled up to half of the pool: all of it may be down, and the others go on (R18).
    """
    return _promotions(
        snapshot.cluster, snapshot.groups.values(), snapshot.nodes.values(), spare
    )


def with_promotions(
    snapshot: Snapshot, edits: Edits, spare: Collection[str] = ()
) -> Edits:
    """The edits, and with them the promotions that they make necessary."""
    promotions = promoted(snapshot, edits, spare)
    uuids = {node.uuid for node in promotions}
    others = tuple(each for each in edits.put if each.uuid not in uuids)
    return replace(edits, put=(*others, *promotions)) if promotions else edits


def promoted(
    snapshot: Snapshot, edits: Edits, spare: Collection[str] = ()
) -> tuple[Node, ...]:
    """The nodes that ``with_promotions`` promotes, to be named in a job's log."""
    cluster = snapshot.cluster
    groups, nodes = dict(snapshot.groups), dict(snapshot.nodes)
    for new in edits.put:
        match new:
            case Cluster():
                cluster = new
            case NodeGroup():
                groups[new.uuid] = new
            case Node():
                nodes[new.uuid] = new
    for old in edits.delete:
        groups.pop(old.uuid, None)
        nodes.pop(old.uuid, None)
    return _promotions(cluster, groups.values(), nodes.values(), spare)


def _promotions(
    cluster: Cluster,
    groups: Iterable[NodeGroup],
    nodes: Iterable[Node],
    spare: Collection[str],
) -> tuple[Node, ...]:
    present: Counter[str] = Counter()
    available: dict[str, list[Node]] = {}
    everybody = sorted(nodes, key=lambda node: node.name)
    for node in everybody:
        if node.master_candidate or node.uuid == cluster.master_node:
            present[node.group] += 1
        elif may_be_candidate(node) and node.uuid not in spare:
            available.setdefault(node.group, []).append(node)
    chosen: list[Node] = []

    def promote(group_uuid: str) -> None:
        chosen.append(available[group_uuid].pop(0))
        present[group_uuid] += 1
        if not available[group_uuid]:
            del available[group_uuid]

    by_name = {group.uuid: group for group in sorted(groups, key=lambda g: g.name)}
    for group in by_name.values():
        while present[group.uuid] < group.min_candidates and group.uuid in available:
            promote(group.uuid)
    order = list(by_name)
    at_home = next((n.group for n in everybody if n.uuid == cluster.master_node), "")

    def is_good(group_uuid: str) -> bool:
        total = present.total() + 1
        is_minority = 2 * (present[group_uuid] + 1) < total
        return total <= 2 or is_minority or group_uuid == at_home

    while present.total() < cluster.candidate_pool_size:
        good = [uuid for uuid in available if is_good(uuid)]
        if not good:
            break
        promote(min(good, key=lambda uuid: (present[uuid], order.index(uuid))))
    return tuple(replace(node, master_candidate=True) for node in chosen)
