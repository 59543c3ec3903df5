"""Whether a group may be added, changed, renamed, removed, or get nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import AlreadyExists, WrongState
from ganetix.objects import Instance, NodeGroup
from ganetix.objects.base import Value
from ganetix.objects.words import some
from ganetix.opcodes import OpGroupAdd, OpGroupAssignNodes, OpGroupModify, OpGroupRename
from ganetix.opcodes.settings import Settings
from ganetix.plan.candidates import with_promotions
from ganetix.plan.settings import (
    check_serial,
    disk_templates,
    hypervisors,
    overridden,
    overrides,
)
from ganetix.plan.settings_fit import (
    check_hypervisors,
    check_moves,
    check_nics,
    check_template,
)
from ganetix.plan.settings_shown import Change, differences, group_given


class GroupChange(Value, frozen=True, kw_only=True):
    """A group before and after, and what is different."""

    before: NodeGroup
    after: NodeGroup
    changes: tuple[Change, ...]


class Placed(Value, frozen=True, kw_only=True):
    """An instance and all nodes that it has disks on, by UUID."""

    name: str
    nodes: tuple[str, ...]


class Splits(Value, frozen=True, kw_only=True):
    """Instances on nodes of more than one group after moves of nodes.

    ``new`` are those that the moves split, ``old`` were split before and stay so.
    """

    new: tuple[str, ...] = ()
    old: tuple[str, ...] = ()


class Assignment(Value, frozen=True, kw_only=True):
    """Nodes that come into a group, and what that does to instances."""

    group: NodeGroup
    moves: dict[str, str]
    splits: Splits
    edits: Edits


def new_group(op: OpGroupAdd, snapshot: Snapshot, group_uuid: str) -> NodeGroup:
    """The group to add; ``AlreadyExists`` if its name is taken."""
    if op.name in snapshot.group_index.names:
        raise AlreadyExists(f"there is a group {op.name!r} already")
    empty = NodeGroup(
        uuid=group_uuid,
        name=op.name,
        alloc_policy=op.alloc_policy,
        min_candidates=op.min_candidates,
    )
    return _with_settings(empty, op, snapshot)


def changed_group(op: OpGroupModify, snapshot: Snapshot) -> GroupChange:
    """The group as it is to be; ``Refused`` if a part of that cannot be."""
    before = snapshot.group(op.name)
    check_serial("group", before, op.expected_serial)
    after = _with_settings(before, op, snapshot)
    if op.alloc_policy is not None:
        after = replace(after, alloc_policy=op.alloc_policy)
    if op.min_candidates is not None:
        after = replace(after, min_candidates=op.min_candidates)
    changes = differences(group_given(before), group_given(after))
    return GroupChange(before=before, after=after, changes=changes)


def modified(op: OpGroupModify, snapshot: Snapshot) -> Edits:
    """The change as edits, with the promotions that a larger minimum needs."""
    change = changed_group(op, snapshot)
    if not change.changes:
        return Edits()
    return with_promotions(snapshot, Edits(put=(change.after,)))


def renamed(op: OpGroupRename, snapshot: Snapshot) -> NodeGroup:
    """The group under its new name; ``AlreadyExists`` if that is taken."""
    group = snapshot.group(op.name)
    if op.new_name == group.name:
        raise AlreadyExists(f"the group is named {op.new_name!r} already")
    if op.new_name in snapshot.group_index.names:
        raise AlreadyExists(f"there is a group {op.new_name!r} already")
    return replace(group, name=op.new_name)


def check_removable(snapshot: Snapshot, name: str) -> NodeGroup:
    """The group to remove; ``WrongState`` if it is needed or not empty."""
    group = snapshot.group(name)
    if len(snapshot.groups) == 1:
        raise WrongState(f"group {group.name} is the last one; it stays")
    if group.uuid == snapshot.cluster.default_group:
        raise WrongState(
            f"group {group.name} is the default group; it stays until 'gnt-cluster"
            " modify --default-group' names another"
        )
    if nodes := [node.name for node in snapshot.nodes_of(group.uuid)]:
        raise WrongState(f"group {group.name} still has nodes: {some(nodes)}")
    tokens = snapshot.tokens.values()
    if reserved := [t.node.name for t in tokens if t.node.group == group.uuid]:
        raise WrongState(
            f"group {group.name} is reserved for nodes that are to join:"
            f" {some(reserved)}"
        )
    return group


def candidates_missing(snapshot: Snapshot, group_uuid: str) -> int:
    """How many master candidates a group lacks of its minimum."""
    nodes = snapshot.nodes_of(group_uuid)
    master = snapshot.cluster.master_node
    present = sum(node.master_candidate or node.uuid == master for node in nodes)
    return max(0, snapshot.groups[group_uuid].min_candidates - present)


def nodes_of_instance(instance: Instance) -> tuple[str, ...]:
    """UUIDs of all nodes that hold a part of an instance."""
    return (instance.primary_node,)


def split_by(
    moves: Mapping[str, str],
    group_of: Mapping[str, str],
    instances: Iterable[Placed],
) -> Splits:
    """Which instances would be, or stay, on nodes of more than one group.

    :param moves: the group that each node is to come to, by UUIDs
    :param group_of: the groups that the nodes are in now, by UUIDs
    """
    after = {**group_of, **moves}
    new: list[str] = []
    old: list[str] = []
    for instance in instances:
        if _is_split(instance.nodes, after):
            was_split = _is_split(instance.nodes, group_of)
            (old if was_split else new).append(instance.name)
    return Splits(new=tuple(sorted(new)), old=tuple(sorted(old)))


def _is_split(nodes: Sequence[str], group_of: Mapping[str, str]) -> bool:
    return len({group_of[node] for node in nodes}) > 1


def splits_of(moves: Mapping[str, str], snapshot: Snapshot) -> Splits:
    """``split_by`` for moves of nodes of this cluster."""
    return split_by(
        moves,
        {node.uuid: node.group for node in snapshot.nodes.values()},
        (
            Placed(name=instance.name, nodes=nodes_of_instance(instance))
            for instance in snapshot.instances.values()
        ),
    )


def check_splits(splits: Splits, *, force: bool) -> None:
    """``WrongState`` names the instances that moves would split, unless forced."""
    if splits.new and not force:
        raise WrongState(
            f"this would split mirrored instances over two groups: {some(splits.new)}"
            " (--force does it)"
        )


def assigned(op: OpGroupAssignNodes, snapshot: Snapshot) -> Assignment:
    """The nodes in their new group; nodes that are there already are left out."""
    group = snapshot.group(op.name)
    named = {node.uuid: node for node in map(snapshot.node, op.nodes)}
    moving = [node for node in named.values() if node.group != group.uuid]
    moves = {node.uuid: group.uuid for node in moving}
    splits = splits_of(moves, snapshot)
    check_splits(splits, force=op.force)
    check_moves(moves, snapshot)
    put = tuple(replace(node, group=group.uuid) for node in moving)
    edits = with_promotions(snapshot, Edits(put=put)) if put else Edits()
    return Assignment(group=group, moves=moves, splits=splits, edits=edits)


def _with_settings(group: NodeGroup, given: Settings, snapshot: Snapshot) -> NodeGroup:
    after = replace(
        group,
        beparams=overridden(group.beparams, given.beparams),
        hvparams=hypervisors(group.hvparams, given.hvparams),
        diskparams=disk_templates(group.diskparams, given.diskparams),
        nicparams=overridden(group.nicparams, given.nicparams),
        ndparams=overridden(group.ndparams, given.ndparams),
        capacity=overrides(group.capacity, given.capacity, snapshot.cluster),
    )
    if "default_template" in given.capacity:
        enabled = snapshot.cluster.enabled_disk_templates
        check_template("capacity", after.capacity.default_template, enabled)
    if given.nicparams:
        check_nics(snapshot.cluster, (after,), snapshot)
    if given.hvparams:
        check_hypervisors(snapshot.cluster, (after,), snapshot)
    return after
