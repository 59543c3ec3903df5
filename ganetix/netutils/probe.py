"""Does anything listen there?"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionAborted
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory, Protocol

from ganetix.netutils import address


class _HangUp(Protocol):
    """Closes the connection as soon as it stands."""

    def connectionMade(self) -> None:
        assert self.transport is not None  # noqa: S101
        self.transport.loseConnection()


def probe(
    reactor: IReactorTCP, ip_address: str, port: int, timeout_seconds: float
) -> Deferred[bool]:
    """Whether something accepts TCP connections at this address and port.

    :param reactor: provides ``IReactorTCP`` and ``IReactorTime``
    """
    return Deferred.fromCoroutine(_probe(reactor, ip_address, port, timeout_seconds))


async def _probe(
    reactor: IReactorTCP, ip_address: str, port: int, timeout_seconds: float
) -> bool:
    kind = TCP4ClientEndpoint if address.family(ip_address) == 4 else TCP6ClientEndpoint
    endpoint = kind(reactor, address.canonical(ip_address), port, timeout_seconds)
    try:
        await endpoint.connect(Factory.forProtocol(_HangUp))
    except (ConnectError, ConnectionAborted):
        return False
    return True
