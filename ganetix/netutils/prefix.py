"""Networks: prefixes, netmasks, and what lies in them. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

from ganetix.errors import BadParameter
from ganetix.netutils import address
from ganetix.objects import IpVersion

LONGEST: dict[IpVersion, int] = {4: 32, 6: 128}


def prefix_length(field: str, text: str, version: IpVersion) -> int:
    """The prefix of a netmask: ``24``, ``/24`` or, for IPv4, ``255.255.255.0``.

    :param field: what it is for, to begin the message with
    """
    bare = text.removeprefix("/")
    if bare.isascii() and bare.isdigit() and len(bare) <= 3:
        if int(bare) <= LONGEST[version]:
            return int(bare)
    elif version == 4:
        for length in range(LONGEST[4] + 1):
            if netmask(length) == bare:
                return length
    forms = " or a netmask" if version == 4 else ""
    raise BadParameter(
        f"{field}: {text!r} is not a prefix length from 0 to {LONGEST[version]}{forms}"
    )


def netmask(length: int) -> str:
    """An IPv4 prefix length as a netmask."""
    return str(IPv4Network((0, length)).netmask)


def split_prefix(field: str, text: str) -> tuple[str, int]:
    """``ADDRESS/PREFIX``: the address, canonical, and the length.

    Without a prefix it is the longest, that of the address alone.
    """
    ip, slash, rest = text.partition("/")
    canonical = address.host_address(field, ip)
    version = address.family(canonical)
    if not slash:
        return canonical, LONGEST[version]
    return canonical, prefix_length(field, rest, version)


def network(ip_address: str, length: int) -> str:
    """The network of an address, as ``ADDRESS/PREFIX``; a scope is not part of it."""
    bare = address.canonical(ip_address).partition("%")[0]
    return str(ip_network(f"{bare}/{length}", strict=False))


def contains(in_network: str, ip_address: str) -> bool:
    """Whether the address lies in that network; never if the versions differ."""
    bare = address.canonical(ip_address).partition("%")[0]
    return address.parse(bare) in ip_network(in_network, strict=False)
