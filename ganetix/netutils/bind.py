"""Where daemons listen."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import IReactorTCP, IStreamServerEndpoint

from ganetix.errors import NoResources, WrongState
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


def free_port(ip_address: str, ports: Iterable[int] = (0,)) -> int:
    """The first of these TCP ports that nobody listens on at a local address.

    Port 0 lets the kernel choose one. It is free now: who needs it to be free later,
    too, keeps others from it. Fails with ``NoResources`` if none is.
    """
    version = address.family(ip_address)
    kind = socket.AF_INET if version == 4 else socket.AF_INET6
    host, _, scope = address.canonical(ip_address).partition("%")
    for port in ports:
        with socket.socket(kind, socket.SOCK_STREAM) as trial:
            # As daemons do: connections that linger do not keep one from listening.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if version == 4:
                    trial.bind((host, port))
                else:
                    number = socket.if_nametoindex(scope) if scope else 0
                    trial.bind((host, port, 0, number))
                trial.listen(1)
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    continue
                raise WrongState(
                    f"{ip_address} cannot be bound: {error.strerror}"
                ) from None
            found: int = trial.getsockname()[1]
            return found
    raise NoResources(f"no port at {ip_address} is free")
