"""This host's interfaces and addresses, as the kernel has them now."""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv6Address, ip_address

from ganetix.netutils import address, netlink
from ganetix.objects.base import Value

_LINK = struct.Struct("=BxHiII")  # family, hardware, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, 6 lengths and origins, type, flags
_IFLA_NAME, _IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _RTA_DESTINATION = 3, 1, 2, 8, 1
_UP, _LOOPBACK, _CARRIER = 0x1, 0x8, 0x10000
_NOT_USABLE = 0x40 | 0x08  # still looked for duplicates, or one was found
_LOCAL_ROUTE = 2


class InterfaceAddress(Value, frozen=True, kw_only=True):
    """An address of an interface, and the length of its network's prefix.

    It is not ``usable`` while duplicates are looked for, or if one was found.
    """

    ip: str
    prefix: int
    usable: bool = True


class Interface(Value, frozen=True, kw_only=True):
    """A network interface; ``has_carrier`` says whether something is at its end."""

    name: str
    index: int
    is_up: bool = True
    has_carrier: bool = True
    is_loopback: bool = False
    addresses: tuple[InterfaceAddress, ...] = ()


def own_interfaces() -> tuple[Interface, ...]:
    """All interfaces of this host, in the kernel's order."""
    return decoded(
        netlink.dump(netlink.GET_LINK, _LINK.pack(0, 0, 0, 0, 0)),
        netlink.dump(netlink.GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0)),
    )


def own_interface_names() -> tuple[str, ...]:
    """The names of all interfaces of this host, in the kernel's order."""
    return tuple(card.name for card in own_interfaces())


def own_addresses() -> tuple[str, ...]:
    """All addresses of this host's interfaces, canonical, IPv4 first.

    Link-local ones have their interface as scope.
    """
    found = [each.ip for card in own_interfaces() for each in card.addresses]
    return tuple(sorted(dict.fromkeys(found), key=address.family))


def interface_of(ip_address: str) -> Interface | None:
    """The interface that has this address."""
    wanted = address.canonical(ip_address)
    for card in own_interfaces():
        if any(each.ip == wanted for each in card.addresses):
            return card
    return None


def is_own_address(ip_address: str) -> bool:
    """Whether packets to this address stay on this host.

    All of 127.0.0.0/8 is its own, though one address of it is the interface's. The
    kernel's routes are asked: to bind the address proves nothing where the sysctl
    ``ip_nonlocal_bind`` is set.
    """
    wanted = address.parse(ip_address)
    if wanted.is_unspecified or wanted.is_multicast:
        return False
    if address.is_link_local(wanted):
        return interface_of(ip_address) is not None
    family = socket.AF_INET if wanted.version == 4 else socket.AF_INET6
    bits = 8 * len(wanted.packed)
    body = _ROUTE.pack(family, bits, 0, 0, 0, 0, 0, 0, 0)
    destination = netlink.attribute(_RTA_DESTINATION, wanted.packed)
    try:
        route = netlink.get(netlink.GET_ROUTE, body + destination)
    except netlink.NetlinkError:
        return False  # no route there at all, or none of that IP version
    return bool(_ROUTE.unpack_from(route)[7] == _LOCAL_ROUTE)


def decoded(
    links: tuple[bytes, ...], addresses: tuple[bytes, ...]
) -> tuple[Interface, ...]:
    """Interfaces from the kernel's messages. Pure."""
    by_index: dict[int, list[tuple[int, dict[int, bytes], int]]] = {}
    for body in addresses:
        _, prefix, flags, _, index = _ADDRESS.unpack_from(body)
        found = netlink.attributes(body[_ADDRESS.size :])
        by_index.setdefault(index, []).append((prefix, found, flags))
    cards = []
    for body in links:
        _, _, index, flags, _ = _LINK.unpack_from(body)
        raw = netlink.attributes(body[_LINK.size :]).get(_IFLA_NAME, b"")
        name = raw.rstrip(b"\0").decode("utf-8", "replace")
        cards.append(
            Interface(
                name=name,
                index=index,
                is_up=bool(flags & _UP),
                has_carrier=bool(flags & _CARRIER),
                is_loopback=bool(flags & _LOOPBACK),
                addresses=tuple(
                    _address(name, *each) for each in by_index.get(index, ())
                ),
            )
        )
    return tuple(cards)


def _address(
    name: str, prefix: int, found: dict[int, bytes], old_flags: int
) -> InterfaceAddress:
    # On a point-to-point link the other attribute is the far end's.
    packed = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
    ip = ip_address(packed)
    wide = found.get(_IFA_FLAGS)
    flags = int.from_bytes(wide, sys.byteorder) if wide else old_flags
    scoped = isinstance(ip, IPv6Address) and ip.is_link_local
    return InterfaceAddress(
        ip=f"{ip}%{name}" if scoped else str(ip),
        prefix=prefix,
        usable=not flags & _NOT_USABLE,
    )
