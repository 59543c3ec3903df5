"""What a request to change a node comes to. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import WrongState
from ganetix.objects import GuestInfo, Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import NodeInfo, NodeVerify
from ganetix.objects.words import some
from ganetix.opcodes import OpNodeModify
from ganetix.opcodes.parameters import full_name
from ganetix.plan.candidates import balance, promoted
from ganetix.plan.group import check_splits, splits_of
from ganetix.plan.node import placed
from ganetix.plan.roles import Wish, changed_role, role_of
from ganetix.plan.settings import check_serial
from ganetix.plan.settings_fit import check_moves
from ganetix.plan.settings_shown import differences

_VALUES = ("primary_ip", "secondary_ip", "port", "master_capable", "vm_capable")


class NodeChange(Value, frozen=True, kw_only=True):
    """A node before and after, who is promoted in its place, and lines about it."""

    before: Node
    after: Node
    promotions: tuple[Node, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def is_moved(self) -> bool:
        """Whether it is to be found elsewhere."""
        return _whereabouts(self.before) != _whereabouts(self.after)

    @property
    def comes_back(self) -> bool:
        """Whether it was offline and is not any more."""
        return self.before.offline and not self.after.offline

    @property
    def goes_away(self) -> bool:
        """Whether it is offline from now on."""
        return self.after.offline and not self.before.offline

    def edits(self) -> Edits:
        """All in one."""
        others = tuple(n for n in self.promotions if n.uuid != self.after.uuid)
        own = tuple(n for n in self.promotions if n.uuid == self.after.uuid)
        after = own[0] if own else self.after
        put = (after,) if after != self.before else ()
        return Edits(put=(*put, *others))


def changed_node(op: OpNodeModify, snapshot: Snapshot) -> NodeChange:
    """What becomes of the node and of the pool of candidates.

    Raises ``Refused`` if a part of the request cannot be; then nothing of it is done.
    """
    before = snapshot.node(op.name)
    check_serial("node", before, op.expected_serial)
    after = _flagged(op, snapshot, before)
    if op.vm_capable is False and before.vm_capable:
        _check_empty(snapshot, before)
    if op.primary_ip or op.secondary_ip or op.port:
        after = placed(snapshot, after, op.primary_ip, op.secondary_ip, op.port)
    lines: list[str] = []
    if op.group is not None:
        after = replace(after, group=snapshot.group(op.group).uuid)
        moves = {before.uuid: after.group}
        splits = splits_of(moves, snapshot)
        check_splits(splits, force=op.force)
        check_moves(moves, snapshot)
        lines += (
            f"instance {name} is split over two groups now" for name in splits.new
        )
        lines += _group_lines(snapshot, before, after)
    if op.ndparams:
        after = replace(after, ndparams=_merged(op, before))
    if op.master_candidate is False and before.master_candidate:
        promotions = _in_place_of(op, snapshot, after)
    else:
        promotions = promoted(snapshot, Edits(put=(after,)))
    if after == before and not promotions:
        lines.append(f"node {before.name} is like that already")
    lines += _value_lines(before, after)
    lines += _role_lines(snapshot, before, after)
    lines += (f"node {node.name} becomes a master candidate" for node in promotions)
    return NodeChange(
        before=before, after=after, promotions=promotions, lines=tuple(lines)
    )


def _flagged(op: OpNodeModify, snapshot: Snapshot, node: Node) -> Node:
    wishes: dict[Wish, bool] = {
        "offline": op.offline is True,
        "online": op.offline is False,
        "drain": op.drained is True,
        "undrain": op.drained is False,
        "promote": op.master_candidate is True,
        "demote": op.master_candidate is False,
    }
    if op.master_capable is not None:
        node = replace(node, master_capable=op.master_capable)
    if op.vm_capable is not None:
        node = replace(node, vm_capable=op.vm_capable)
    if op.master_capable is False and role_of(node, snapshot.cluster) in (
        "master",
        "candidate",
    ):
        wishes["demote"] = True
    return changed_role(node, [w for w, is_set in wishes.items() if is_set], snapshot)


def _check_empty(snapshot: Snapshot, node: Node) -> None:
    names = [instance.name for instance in snapshot.instances_on(node.uuid)]
    names += (
        intent.instance.name
        for intent in snapshot.intents.values()
        if node.uuid in (intent.instance.primary_node, intent.target_node)
    )
    if names:
        raise WrongState(
            f"node {node.name} holds instances: {some({*names})};"
            f" 'gnt-node evacuate {node.name}' moves them",
            node=node.name,
        )


def _group_lines(snapshot: Snapshot, before: Node, after: Node) -> list[str]:
    if after.group == before.group:
        return []
    old, new = snapshot.groups[before.group].name, snapshot.groups[after.group].name
    lines = [f"node {before.name} moves from group {old} to group {new}"]
    if names := [i.name for i in snapshot.instances_on(before.uuid)]:
        lines.append(f"its instances move with it: {some(names)}")
    return lines


def _merged(op: OpNodeModify, node: Node) -> dict[str, int | float | bool]:
    given = {**node.ndparams, **op.ndparams}
    return {name: value for name, value in given.items() if value is not None}


def _in_place_of(op: OpNodeModify, snapshot: Snapshot, after: Node) -> tuple[Node, ...]:
    """Who is promoted for a node that is demoted; it itself is not."""
    edits = Edits(put=(after,))
    if not promoted(snapshot, edits):
        return ()
    others = promoted(snapshot, edits, spare={after.uuid})
    filled = replace(
        snapshot,
        nodes={**snapshot.nodes, after.uuid: after, **{n.uuid: n for n in others}},
    )
    size = snapshot.cluster.candidate_pool_size
    if balance(filled):
        raise WrongState(
            f"node {after.name} is needed as a candidate: no other node can take its"
            f" place in the pool of {size}; a smaller pool (gnt-cluster modify"
            " --candidate-pool-size) or --master-capable no would let it go",
            node=after.name,
        )
    if not op.auto_promote:
        names = some(node.name for node in others)
        raise WrongState(
            f"without {after.name} the pool of {size} candidates, or its group's"
            f" share of it, falls short; --auto-promote promotes {names} instead",
            node=after.name,
        )
    return others


def _value_lines(before: Node, after: Node) -> list[str]:
    """What is different of a node's addresses, flags and own parameters."""
    return [
        f"{change.name}: {_text(change.before)} -> {_text(change.after)}"
        for change in differences(_values(before), _values(after))
    ]


def _values(node: Node) -> dict[str, object]:
    return {
        **{name: getattr(node, name) for name in _VALUES},
        **{full_name("nd", name): value for name, value in node.ndparams.items()},
    }


def _text(value: object) -> str:
    match value:
        case None:
            return "default"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _role_lines(snapshot: Snapshot, before: Node, after: Node) -> list[str]:
    old, new = (role_of(node, snapshot.cluster) for node in (before, after))
    lines = [f"node {before.name} was {old} and is {new}"] if old != new else []
    instances = snapshot.instances_on(before.uuid)
    if new == "offline" and old != new and instances:
        names = some(instance.name for instance in instances)
        lines.append(
            f"its instances cannot be reached: {names};"
            f" 'gnt-node failover {before.name}' starts them elsewhere"
        )
    return lines


def contact_problems(
    change: NodeChange, version: str, info: NodeInfo, found: NodeVerify
) -> list[str]:
    """What the node at its address said that it should not have; printable lines."""
    problems = []
    if info.node_uuid != change.after.uuid:
        problems.append(f"the daemon there is node {info.node_uuid}")
    if info.version != version:
        problems.append(f"it runs ganetix {info.version}, the master {version}")
    problems += (
        f"no interface of it has the address {address}"
        for address in found.missing_addresses
    )
    return problems


def stale_guests(
    snapshot: Snapshot, node: Node, guests: tuple[GuestInfo, ...]
) -> tuple[GuestInfo, ...]:
    """What a node still has of instances that live on another one by now."""
    return tuple(
        guest
        for guest in guests
        if (instance := snapshot.instances.get(guest.uuid)) is not None
        and instance.primary_node != node.uuid
        and guest.uuid not in snapshot.intents
    )


def running_names(guests: tuple[GuestInfo, ...]) -> list[str]:
    """Names of the guests whose processes are there."""
    return sorted(guest.name for guest in guests if guest.is_up)


def _whereabouts(node: Node) -> tuple[str, str, int]:
    return node.primary_ip, node.secondary_ip, node.port
