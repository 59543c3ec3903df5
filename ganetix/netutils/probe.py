"""Does anything listen there? Is anything there?"""

from __future__ import annotations

from enum import StrEnum

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory, Protocol

from ganetix.netutils import address


class Reach(StrEnum):
    """What became of an attempt to connect.

    A host that refuses is there, though the daemon is not; one that is silent is off,
    cut off, or drops what it does not like.
    """

    LISTENS = "listens"
    REFUSES = "refuses"
    SILENT = "silent"


class _HangUp(Protocol):
    """Closes the connection as soon as it stands."""

    def connectionMade(self) -> None:
        assert self.transport is not None  # noqa: S101
        self.transport.loseConnection()


def reach(
    reactor: IReactorTCP,
    ip_address: str,
    port: int,
    timeout_seconds: float,
    source: str | None = None,
) -> Deferred[Reach]:
    """What happens to a TCP connection to this address and port.

    :param reactor: provides ``IReactorTCP`` and ``IReactorTime``
    :param source: an address of this host's to connect from: so a way between two
        certain addresses is tried; one that is not its own counts as silence
    """
    return Deferred.fromCoroutine(
        _reach(reactor, ip_address, port, timeout_seconds, source)
    )


def probe(
    reactor: IReactorTCP, ip_address: str, port: int, timeout_seconds: float
) -> Deferred[bool]:
    """Whether something accepts TCP connections at this address and port.

    :param reactor: provides ``IReactorTCP`` and ``IReactorTime``
    """
    reached = reach(reactor, ip_address, port, timeout_seconds)
    return reached.addCallback(lambda found: found is Reach.LISTENS)


async def _reach(
    reactor: IReactorTCP,
    ip_address: str,
    port: int,
    timeout_seconds: float,
    source: str | None,
) -> Reach:
    kind = TCP4ClientEndpoint if address.family(ip_address) == 4 else TCP6ClientEndpoint
    bind = None if source is None else (address.canonical(source), 0)
    endpoint = kind(reactor, address.canonical(ip_address), port, timeout_seconds, bind)
    try:
        await endpoint.connect(Factory.forProtocol(_HangUp))
    except ConnectionRefusedError:
        return Reach.REFUSES
    except (ConnectError, ConnectionAborted):
        return Reach.SILENT
    return Reach.LISTENS
