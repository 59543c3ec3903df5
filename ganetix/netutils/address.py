"""IP addresses as text. Pure.

Addresses are kept in canonical text everywhere, so that equal means equal: no
brackets, IPv6 compressed and in lower case, IPv4-mapped ones as IPv4. A scope (the
interface, after ``%``) stays.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from ganetix.errors import BadParameter
from ganetix.objects import IpVersion

Address = IPv4Address | IPv6Address

_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_BROADCAST = IPv4Address("255.255.255.255")


def parse(text: str) -> Address:
    """The address; brackets are dropped, IPv4-mapped becomes IPv4, scopes stay."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ip_address(bare)
    except ValueError:
        raise BadParameter(f"{text!r} is not an IP address") from None
    if isinstance(address, IPv4Address):
        if bare != text:
            raise BadParameter(f"{text!r}: brackets are for IPv6 addresses")
        return address
    if address.scope_id is not None and (
        not _SCOPE.fullmatch(address.scope_id) or not is_link_local(address)
    ):
        # Elsewhere a scope says nothing, and two texts would mean one address.
        raise BadParameter(f"{text!r}: only link-local addresses have a scope")
    return address.ipv4_mapped or address


def is_link_local(address: Address) -> bool:
    """Whether it means another host on each link that a host has.

    So are ``fe80::/10``, ``169.254.0.0/16`` and multicast addresses as ``ff02::1``.
    """
    if isinstance(address, IPv6Address) and address.is_multicast:
        return address.packed[1] & 0x0F in (1, 2)
    return address.is_link_local


def is_address(text: str) -> bool:
    """Whether the text is an IP address, rather than a name."""
    try:
        parse(text)
    except BadParameter:
        return False
    return True


def canonical(text: str) -> str:
    """The one text form of this address."""
    return str(parse(text))


def family(text: str) -> IpVersion:
    """4 or 6."""
    return 4 if isinstance(parse(text), IPv4Address) else 6


def is_loopback(text: str) -> bool:
    """All of 127.0.0.0/8, and ``::1``."""
    return parse(text).is_loopback


def is_any(text: str) -> bool:
    """``0.0.0.0`` or ``::``."""
    return parse(text).is_unspecified


def any_address(version: IpVersion) -> str:
    """The address that binds to all interfaces."""
    return "0.0.0.0" if version == 4 else "::"  # noqa: S104


def host_address(field: str, text: str, version: IpVersion | None = None) -> str:
    """The canonical form of an address that one host can have.

    :param field: what the address is for, to begin the message with
    :param version: the IP version it must have; None takes both
    """
    return str(_of_one_host(field, text, version))


def node_address(field: str, text: str, version: IpVersion | None = None) -> str:
    """The canonical form of an address at which other hosts reach one host.

    Like ``host_address``, and it must not be link-local. Loopback addresses pass: many
    nodes on one host have them.
    """
    address = _of_one_host(field, text, version)
    if is_link_local(address):
        raise BadParameter(
            f"{field}: {text} is a link-local address, which other hosts cannot tell"
            " from their own"
        )
    return str(address)


def _of_one_host(field: str, text: str, version: IpVersion | None) -> Address:
    try:
        address = parse(text)
    except BadParameter as error:
        raise BadParameter(f"{field}: {error}") from None
    if version is not None and address.version != version:
        raise BadParameter(f"{field}: {text} is not an IPv{version} address")
    if kind := _kind_of_no_host(address):
        raise BadParameter(
            f"{field}: {text} is not an address of a single host, but {kind}"
        )
    return address


def _kind_of_no_host(address: Address) -> str:
    if address.is_unspecified:
        return "the one that stands for all or none"
    if address.is_multicast:
        return "a multicast address"
    if address == _BROADCAST:
        return "the broadcast address"
    if isinstance(address, IPv4Address) and address in _THIS_NETWORK:
        return "of 0.0.0.0/8, which no host has"
    if isinstance(address, IPv4Address) and address.is_reserved:
        return "a reserved one"
    return ""


def split_host_port(text: str, default_port: int | None = None) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address.

    :return: the host (canonical if it is an address) and the port
    """
    host, port_text = _split(text)
    if is_address(host):
        host = canonical(host)
    elif not host or any(c in host for c in "[]: /") or not host.isprintable():
        raise BadParameter(f"{text!r} is not an address or name with a port")
    if port_text is None:
        if default_port is None:
            raise BadParameter(f"{text!r} lacks a port")
        return host, default_port
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5):
        raise BadParameter(f"{text!r}: {port_text!r} is not a port (1 to 65535)")
    if not 1 <= int(port_text) <= 65535:
        raise BadParameter(f"{text!r}: {port_text!r} is not a port (1 to 65535)")
    return host, int(port_text)


def join_host_port(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in inside:
            raise BadParameter(f"{text!r} is not an address or name with a port")
        return inside, rest[1:] if rest else None
    if text.count(":") > 1:
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None
