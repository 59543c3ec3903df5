"""Which addresses a node, or the master's role, may have in a cluster. Pure.

Each check raises ``BadParameter`` or ``AlreadyExists`` with the field's name; what it
returns are addresses in canonical form.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ganetix.config.snapshot import Snapshot
from ganetix.errors import AlreadyExists, BadParameter, WrongState
from ganetix.netutils.address import family, is_loopback, node_address
from ganetix.netutils.prefix import LONGEST
from ganetix.objects import IpVersion, Node


class NodeAddresses(NamedTuple):
    """A node's two addresses, canonical; they may be the same."""

    primary_ip: str
    secondary_ip: str


def suitable_addresses(
    version: IpVersion,
    primary: str,
    secondary: str | None,
    *,
    ipv6_secondary: bool = False,
) -> NodeAddresses:
    """The addresses of a node by themselves, for a primary IP version (R70).

    :param secondary: None is the primary one, where that may be
    :param ipv6_secondary: the cluster's permission for IPv6 secondary addresses
    """
    primary_ip = node_address("primary_ip", primary)
    if family(primary_ip) != version:
        raise BadParameter(
            f"primary_ip: {primary_ip} is not an IPv{version} address, which this"
            " cluster's primary addresses are"
        )
    if not secondary:
        if version == 6 and not ipv6_secondary:
            raise BadParameter(
                "secondary_ip: missing; a node with an IPv6 primary address needs an"
                " IPv4 secondary one"
            )
        return NodeAddresses(primary_ip, primary_ip)
    secondary_ip = node_address("secondary_ip", secondary)
    if family(secondary_ip) == 6 and not ipv6_secondary:
        raise BadParameter(
            f"secondary_ip: {secondary_ip} is not an IPv4 address; IPv6 ones need the"
            " cluster's parameter ipv6_secondary (init --allow-ipv6-secondary)"
        )
    if is_loopback(primary_ip) != is_loopback(secondary_ip):
        inner = primary_ip if is_loopback(primary_ip) else secondary_ip
        raise BadParameter(
            f"secondary_ip: {primary_ip} and {secondary_ip} cannot be one host's to"
            f" others: {inner} is a loopback address"
        )
    return NodeAddresses(primary_ip, secondary_ip)


def check_node_addresses(
    snapshot: Snapshot,
    primary: str,
    secondary: str | None,
    node_uuid: str | None = None,
    *,
    ignore: Collection[str] = (),
) -> NodeAddresses:
    """The addresses of a node in this cluster, where no two nodes share one.

    :param secondary: None is the primary one, where that may be
    :param node_uuid: the node itself, if it is a member or reserved already
    :param ignore: UUIDs of reservations that will be void
    """
    cluster = snapshot.cluster
    found = suitable_addresses(
        cluster.primary_ip_version,
        primary,
        secondary,
        ipv6_secondary=cluster.ipv6_secondary,
    )
    for field, ip in zip(found._fields, found, strict=True):
        if ip == cluster.master_ip:
            raise AlreadyExists(f"{field}: {ip} is the master role's address")
    own = {node_uuid, *ignore}
    for node in snapshot.nodes.values():
        if node.uuid not in own:
            _check_free(found, node, f"node {node.name}'s")
    for token in snapshot.tokens.values():
        if token.node.uuid not in own:
            name = token.node.name
            _check_free(found, token.node, f"reserved for {name}, which is to join")
    if cluster.master_node not in own:
        _check_reachable(found, snapshot.nodes[cluster.master_node])
    return found


def check_master_address(
    snapshot: Snapshot, master_ip: str, netmask: int | None
) -> str:
    """The address of the master's role, beside the master node's own.

    :param master_ip: empty is none
    :param netmask: the length of its network's prefix; None is that of the address
    """
    version = snapshot.cluster.primary_ip_version
    address = master_ip and node_address("master_ip", master_ip, version)
    if netmask is not None and not 1 <= netmask <= LONGEST[version]:
        raise BadParameter(
            f"master_netmask: {netmask} is not between 1 and {LONGEST[version]}"
        )
    coming = (token.node for token in snapshot.tokens.values())
    for node in (*snapshot.nodes.values(), *coming):
        if address in (node.primary_ip, node.secondary_ip):
            raise AlreadyExists(
                f"master_ip: {address} is an address of node {node.name}"
            )
    return address


def check_ipv6_secondary(snapshot: Snapshot) -> None:
    """Raise ``WrongState`` if a node needs the permission for IPv6 secondaries."""
    coming = (token.node for token in snapshot.tokens.values())
    for node in (*snapshot.nodes.values(), *coming):
        if family(node.secondary_ip) == 6:
            raise WrongState(
                f"ipv6_secondary: the secondary address of node {node.name} is"
                f" {node.secondary_ip}"
            )


def _check_free(found: NodeAddresses, other: Node, whose: str) -> None:
    taken = {other.primary_ip, other.secondary_ip}
    for field, ip in zip(found._fields, found, strict=True):
        if ip in taken:
            raise AlreadyExists(f"{field}: address {ip} is {whose}")


def _check_reachable(found: NodeAddresses, master: Node) -> None:
    """Nodes on loopback addresses are on one host, and there all of them are."""
    if is_loopback(found.primary_ip) != is_loopback(master.primary_ip):
        inner = found if is_loopback(found.primary_ip) else master
        raise BadParameter(
            f"primary_ip: {found.primary_ip} and the master's {master.primary_ip}"
            f" cannot reach each other: {inner.primary_ip} is a loopback address"
        )
