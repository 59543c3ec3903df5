"""Telling neighbours that an address has moved here: packets, and sending them.

IPv4 by gratuitous ARP, IPv6 by an unsolicited neighbour advertisement. Needs the right
to use raw sockets; whoever has it not goes on without: neighbours find out by
themselves, only later.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

_ETH_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_ALL_NODES = "ff02::1"
_HOPS = 255
_ADVERTISEMENT, _OVERRIDE, _TARGET_LINK_ADDRESS = 136, 0x20000000, 2


def gratuitous_arp(hardware: bytes, ip: IPv4Address) -> bytes:
    """The Ethernet frame by which a host says that it has this address. Pure."""
    ethernet = _BROADCAST + hardware + struct.pack("!H", _ETH_ARP)
    request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    return ethernet + request + hardware + ip.packed + b"\0" * 6 + ip.packed


def advertisement(hardware: bytes, ip: IPv6Address) -> bytes:
    """The ICMPv6 message that says the same; the kernel adds its checksum. Pure."""
    head = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE)
    option = struct.pack("!BB", _TARGET_LINK_ADDRESS, 1) + hardware
    return head + ip.packed + option


def announce(netdev: str, address: str) -> None:
    """Say once, on the link of an interface, that the address is here now.

    Blocks for no longer than sending a packet takes. Fails with ``OSError``.
    """
    ip = ip_address(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((netdev, _ETH_ARP))
        hardware: bytes = link.getsockname()[4]
        if len(hardware) != len(_BROADCAST):
            return
        if isinstance(ip, IPv4Address):
            link.send(gratuitous_arp(hardware, ip))
            return
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
        index = socket.if_nametoindex(netdev)
        raw.sendto(advertisement(hardware, ip), (_ALL_NODES, 0, 0, index))
