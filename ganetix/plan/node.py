"""Whether a node may be added, admitted or removed."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import AlreadyExists, BadParameter, NotFound, WrongState
from ganetix.netutils.address import canonical, family
from ganetix.objects import JoinToken, Node
from ganetix.opcodes import OpNodeAdd
from ganetix.rpc.methods import NodeInfo, NodeVerify

MAX_CLOCK_SKEW_SECONDS = 150.0


def check_addresses(version: int, primary_ip: str, secondary_ip: str | None) -> None:
    """Raise ``BadParameter`` unless the addresses suit the primary IP version (R70)."""
    if family(primary_ip) != version:
        raise BadParameter(
            f"primary_ip: {primary_ip} is not an IPv{version} address, which this"
            " cluster's primary addresses are"
        )
    if version == 6 and secondary_ip is None:
        raise BadParameter(
            "secondary_ip: missing; a node with an IPv6 primary address needs an IPv4"
            " secondary one"
        )
    if secondary_ip is not None and family(secondary_ip) != 4:
        raise BadParameter(f"secondary_ip: {secondary_ip} is not an IPv4 address")


def reserve(op: OpNodeAdd, snapshot: Snapshot, node_uuid: str, now: float) -> Edits:
    """The reservation of a node that is to join.

    A member of that name or address is in the way, and so is a reservation, unless it
    ran out unused, or has the same name and ``op.replace`` is set.
    """
    primary = canonical(op.primary_ip)
    secondary = canonical(op.secondary_ip) if op.secondary_ip else None
    check_addresses(snapshot.cluster.primary_ip_version, primary, secondary)
    node = Node(
        uuid=node_uuid,
        name=op.name,
        group=snapshot.group(op.group).uuid,
        primary_ip=primary,
        secondary_ip=secondary or primary,
        port=op.port,
    )
    for other in snapshot.nodes.values():
        _check_distinct(node, other, "a member of this cluster already")
    replaced: list[str] = []
    for token in snapshot.tokens.values():
        if not token.used and 0 < token.expires < now:
            replaced.append(token.node.uuid)
        elif token.node.name == node.name:
            if not op.replace:
                raise AlreadyExists(
                    f"node {node.name} is reserved already; --replace makes a new"
                    " reservation, and its old token void"
                )
            replaced.append(token.node.uuid)
        else:
            _check_distinct(node, token.node, "reserved for a node that is to join")
    return Edits(put_tokens=(JoinToken(node=node),), delete_tokens=tuple(replaced))


def _check_distinct(node: Node, other: Node, what: str) -> None:
    if node.name == other.name:
        raise AlreadyExists(f"node {node.name} is {what}")
    taken = {other.primary_ip, other.secondary_ip}
    if other.port == node.port and node.primary_ip in taken:
        raise AlreadyExists(f"address {node.primary_ip} is node {other.name}'s")
    if node.secondary_ip in taken:
        raise AlreadyExists(f"address {node.secondary_ip} is node {other.name}'s")


def enrolled(snapshot: Snapshot, node_uuid: str) -> JoinToken:
    """The reservation of a node that has its certificate but is no member yet."""
    token = snapshot.tokens.get(node_uuid)
    if token is None:
        raise NotFound(f"no node with UUID {node_uuid} is about to join")
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


def admit(snapshot: Snapshot, node_uuid: str) -> Edits:
    """The enrolled node as a member: a candidate while the pool is not full."""
    token = enrolled(snapshot, node_uuid)
    candidates = sum(node.master_candidate for node in snapshot.nodes.values())
    pool_open = candidates < snapshot.cluster.candidate_pool_size
    node = replace(token.node, master_candidate=pool_open and token.node.master_capable)
    return Edits(put=(node,), delete_tokens=(node_uuid,))


def reservation(snapshot: Snapshot, name: str) -> JoinToken | None:
    """The reservation of that name or UUID, if there is one."""
    tokens = snapshot.tokens.values()
    return next((t for t in tokens if name in (t.node.name, t.node.uuid)), None)


def check_removable(snapshot: Snapshot, name: str) -> Node:
    """The node to remove; ``WrongState`` if it is the master or holds instances.

    What a job that was cut short left there is no hindrance: the node may be gone for
    good, and then nobody can ever clear it.
    """
    node = snapshot.node(name)
    if node.uuid == snapshot.cluster.master_node:
        raise WrongState(f"node {node.name} is the master; it cannot be removed")
    if instances := [i.name for i in snapshot.instances_on(node.uuid)]:
        names = ", ".join(instances[:8]) + (" …" if len(instances) > 8 else "")
        raise WrongState(f"node {node.name} holds instances: {names}")
    return node
