"""Whether a node may be added, admitted or removed. Pure."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import AlreadyExists, NotFound, WrongState
from ganetix.objects import JoinToken, Node
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.node_calls import NodeInfo, NodeVerify
from ganetix.objects.words import some
from ganetix.opcodes import OpNodeAdd, OpNodeRemove
from ganetix.plan.addresses import check_node_addresses
from ganetix.plan.candidates import with_promotions
from ganetix.plan.roles import role_of, with_role

MAX_CLOCK_SKEW_SECONDS = 150.0


def reserve(op: OpNodeAdd, snapshot: Snapshot, node_uuid: str, now: float) -> Edits:
    """The reservation of a node that is to join, or to join again.

    A member of that name or address is in the way, and so is a reservation, unless it
    ran out unused, or has the same name and ``op.replace`` is set.

    :param node_uuid: the UUID for a node that is new
    """
    known = snapshot.node_index.names
    if op.name in known and not op.readd:
        raise AlreadyExists(
            f"node {op.name} is a member of this cluster already; --readd is for one"
            " that was installed anew"
        )
    void: list[str] = []
    for token in snapshot.tokens.values():
        if not token.used and 0 < token.expires < now:
            void.append(token.node.uuid)
        elif token.node.name == op.name:
            if not op.replace and not op.readd:
                raise AlreadyExists(
                    f"node {op.name} is reserved already; --replace makes a new"
                    " reservation, and its old token void"
                )
            void.append(token.node.uuid)
    node = _readded(op, snapshot) if op.readd else _new(op, snapshot, node_uuid)
    node = placed(snapshot, node, op.primary_ip, op.secondary_ip, op.port, void)
    # A token that is put takes the place of the one that the node had before.
    gone = tuple(uuid for uuid in void if uuid != node.uuid)
    return Edits(put_tokens=(JoinToken(node=node),), delete_tokens=gone)


def placed(
    snapshot: Snapshot,
    node: Node,
    primary_ip: str | None,
    secondary_ip: str | None,
    port: int | None,
    void: Collection[str] = (),
) -> Node:
    """The node at other addresses; what is None stays.

    A secondary address that was the primary one stays so. Raises unless the addresses
    suit the cluster and are nobody else's.

    :param void: UUIDs of reservations that do not count
    """
    secondary: str | None = secondary_ip or node.secondary_ip
    if not secondary_ip and node.secondary_ip == node.primary_ip:
        secondary = None
    primary, secondary = check_node_addresses(
        snapshot, primary_ip or node.primary_ip, secondary, node.uuid, ignore=void
    )
    return replace(
        node, primary_ip=primary, secondary_ip=secondary, port=port or node.port
    )


def _new(op: OpNodeAdd, snapshot: Snapshot, node_uuid: str) -> Node:
    group = snapshot.group(op.group).uuid
    return Node(
        uuid=node_uuid, name=op.name, group=group, primary_ip="", secondary_ip=""
    )


def _readded(op: OpNodeAdd, snapshot: Snapshot) -> Node:
    node = snapshot.node(op.name)
    if node.uuid == snapshot.cluster.master_node:
        raise WrongState(
            f"node {node.name} is the master; only another master can take it in again"
        )
    # Offline ones are never contacted, but this one must be asked when it joins.
    return replace(node, offline=False)


def enrolled(snapshot: Snapshot, node_uuid: str, name: str) -> JoinToken:
    """The reservation of a node that has its certificate but is no member yet.

    :param name: the node's, for the error where its reservation is gone
    """
    token = snapshot.tokens.get(node_uuid)
    if token is None:
        raise NotFound(f"node {name} has no reservation any more: it was removed")
    if not token.used or not token.node.certificate:
        raise WrongState(f"node {token.node.name} has not used its token yet")
    return token


def admission_problems(
    token: JoinToken, version: str, now: float, info: NodeInfo, found: NodeVerify
) -> tuple[str, ...]:
    """What keeps an enrolled node from becoming a member; printable lines."""
    problems: list[str] = []
    if info.node_uuid != token.node.uuid:
        problems.append(
            f"the daemon there is node {info.node_uuid}, not {token.node.uuid}"
        )
    if info.version != version:
        problems.append(f"it runs ganetix {info.version}, the master {version}")
    skew = info.time - now
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        problems.append(f"its clock is {skew:+.0f} s off the master's")
    if found.certificate_fingerprint != token.node.certificate:
        problems.append("it holds another certificate than the one it was given")
    problems.extend(
        f"no interface of it has the address {address}"
        for address in found.missing_addresses
    )
    return tuple(problems)


def admit(snapshot: Snapshot, node_uuid: str, name: str) -> Edits:
    """The enrolled node as a member, and who becomes a candidate by that.

    One that was a member before has its new certificate and addresses from now on, and
    is online again; all else of it stays.
    """
    token = enrolled(snapshot, node_uuid, name)
    node = token.node
    if member := snapshot.nodes.get(node_uuid):
        node = replace(
            member,
            primary_ip=node.primary_ip,
            secondary_ip=node.secondary_ip,
            port=node.port,
            certificate=node.certificate,
        )
        if role_of(node, snapshot.cluster) == "offline":
            node = with_role(node, "regular")
    edits = Edits(put=(node,), delete_tokens=(node_uuid,))
    return with_promotions(snapshot, edits)


def reservation(snapshot: Snapshot, name: str) -> JoinToken | None:
    """The reservation of that name or UUID, if there is one.

    That of a member which joins again has the member's name and UUID.
    """
    tokens = snapshot.tokens.values()
    return next((t for t in tokens if name in (t.node.name, t.node.uuid)), None)


def reserved(snapshot: Snapshot, name: str) -> JoinToken:
    """The same; ``NotFound`` if there is none."""
    token = reservation(snapshot, name)
    if token is None:
        known = [token.node.name for token in snapshot.tokens.values()]
        raise NotFound(
            f"no node {name!r} is about to join; there are {some(known) or 'none'}"
        )
    return token


def withdrawn(op: OpNodeRemove, snapshot: Snapshot) -> JoinToken | None:
    """The reservation that the opcode is about; None if it removes a member."""
    if op.reservation:
        return reserved(snapshot, op.name)
    token = reservation(snapshot, op.name)
    return None if token is None or token.node.uuid in snapshot.nodes else token


def withdrawal(snapshot: Snapshot, node_uuid: str) -> Edits:
    """The reservation gone, and its token void; ``NotFound`` if it has joined."""
    return Edits(delete_tokens=(reserved(snapshot, node_uuid).node.uuid,))


def check_removable(snapshot: Snapshot, name: str) -> Node:
    """The node to remove; ``WrongState`` if it is the master or holds instances.

    What a job that was cut short left there is no hindrance: the node may be gone for
    good, and then nobody can ever clear it.
    """
    node = snapshot.node(name)
    if node.uuid == snapshot.cluster.master_node:
        raise WrongState(f"node {node.name} is the master; it cannot be removed")
    for intent in snapshot.intents.values():
        ends = (intent.instance.primary_node, intent.target_node)
        if intent.is_move and node.uuid in ends:
            raise WrongState(
                f"instance {intent.instance.name} is being moved to or from node"
                f" {node.name}"
            )
    if instances := [i.name for i in snapshot.instances_on(node.uuid)]:
        names = ", ".join(instances[:8]) + (" …" if len(instances) > 8 else "")
        raise WrongState(f"node {node.name} holds instances: {names}")
    return node


def removal(snapshot: Snapshot, node: Node) -> Edits:
    """The member gone, with what was reserved or half done there; pool kept full."""
    edits = Edits(
        delete=(check_removable(snapshot, node.uuid),),
        delete_tokens=(node.uuid,) if node.uuid in snapshot.tokens else (),
        delete_intents=tuple(i.instance.uuid for i in unfinished_on(snapshot, node)),
    )
    return with_promotions(snapshot, edits)


def unfinished_on(snapshot: Snapshot, node: Node) -> tuple[InstanceIntent, ...]:
    """Work on instances of a node that has not come to its end."""
    return tuple(
        intent
        for intent in snapshot.intents.values()
        if intent.instance.primary_node == node.uuid
    )
