"""Where daemons listen, and which addresses are this host's."""

from __future__ import annotations

import errno
import re
import socket
from ipaddress import IPv6Address
from pathlib import Path

from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import IReactorTCP, IStreamServerEndpoint

from ganetix.errors import WrongState
from ganetix.netutils import address
from ganetix.objects import IpVersion
from ganetix.paths import Paths

BACKLOG = 128
_VERSION_OF_FAMILY: dict[str, IpVersion] = {"2": 4, "10": 6}


def listen_endpoint(
    reactor: IReactorTCP, ip_address: str, port: int
) -> IStreamServerEndpoint:
    """An endpoint that listens on a local address of either family.

    :param reactor: provides ``IReactorTCP``
    """
    kind = TCP4ServerEndpoint if address.family(ip_address) == 4 else TCP6ServerEndpoint
    interface = address.canonical(ip_address)
    endpoint: IStreamServerEndpoint = kind(reactor, port, BACKLOG, interface)
    return endpoint


def primary_ip_version(paths: Paths) -> IpVersion | None:
    """The cluster's IP version by ssconf; None if this host is in no cluster."""
    file = paths.ssconf("primary_ip_family")
    try:
        text = file.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongState(f"cannot read {file}: {error}") from None
    if text not in _VERSION_OF_FAMILY:
        raise WrongState(f"{file}: {text!r} is not an address family (2 or 10)")
    return _VERSION_OF_FAMILY[text]


def bind_address(paths: Paths, given: str | None = None) -> str:
    """The address to bind: the one given, else all of the primary IP version's."""
    if given:
        return address.canonical(given)
    return address.any_address(primary_ip_version(paths) or 4)


def is_own_address(ip_address: str) -> bool:
    """Whether this host can bind the address, as only its own ones can be.

    With the sysctl ``ip_nonlocal_bind`` the kernel says yes to every address.
    """
    version = address.family(ip_address)
    kind = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            target = socket.getaddrinfo(
                address.canonical(ip_address),
                0,
                kind,
                socket.SOCK_DGRAM,
                0,
                socket.AI_NUMERICHOST,
            )[0][4]
            probe.bind(target)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL):
            return False
        raise
    return not address.is_any(ip_address)


def own_addresses(proc: Path = Path("/proc")) -> tuple[str, ...]:
    """All addresses of this host's interfaces, canonical, IPv4 first."""
    return (
        *ipv4_addresses(_read(proc / "net/fib_trie")),
        *ipv6_addresses(_read(proc / "net/if_inet6")),
    )


def ipv4_addresses(fib_trie: str) -> tuple[str, ...]:
    """The host's own addresses in the kernel's routing table. Pure."""
    found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", fib_trie)
    return tuple(dict.fromkeys(address.canonical(each) for each in found))


def ipv6_addresses(if_inet6: str) -> tuple[str, ...]:
    """The host's own addresses in ``if_inet6``. Pure."""
    return tuple(
        str(IPv6Address(bytes.fromhex(line.split()[0])))
        for line in if_inet6.splitlines()
        if line.strip()
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except FileNotFoundError:
        return ""
