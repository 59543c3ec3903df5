"""Connections whose TLS handshake is not complete: bounded in number and time.

Anyone who reaches the port can make them, without any certificate. When there are too
many, the oldest goes: a handshake takes milliseconds, so it is hardly a node's.
"""

from __future__ import annotations

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IProtocolNegotiationFactory,
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

HANDSHAKE_SECONDS = 15.0
MOST_NEWCOMERS = 256


@implementer(IProtocolFactory, IProtocolNegotiationFactory)
class Newcomers:
    """Stands between TLS and a factory, and watches over handshakes.

    :param inner: also an ``IProtocolNegotiationFactory``
    """

    def __init__(
        self,
        inner: IProtocolFactory,
        clock: IReactorTime,
        most: int = MOST_NEWCOMERS,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._most = most
        self._waiting: dict[_Newcomer, IDelayedCall] = {}

    def doStart(self) -> None:  # noqa: N802
        """Called by Twisted."""
        self._inner.doStart()

    def doStop(self) -> None:  # noqa: N802
        """Called by Twisted."""
        self._inner.doStop()

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802
        """Called by Twisted."""
        return IProtocolNegotiationFactory(self._inner).acceptableProtocols()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """Called by Twisted."""
        inner = self._inner.buildProtocol(addr)
        return None if inner is None else _Newcomer(self, inner)

    def came(self, newcomer: _Newcomer) -> None:
        """A connection was made."""
        while len(self._waiting) >= self._most:
            self._give_up(next(iter(self._waiting)))
        self._waiting[newcomer] = self._clock.callLater(
            HANDSHAKE_SECONDS, self._give_up, newcomer
        )

    def passed(self, newcomer: _Newcomer) -> None:
        """It has shown its certificate, or is gone."""
        timer = self._waiting.pop(newcomer, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _give_up(self, newcomer: _Newcomer) -> None:
        self.passed(newcomer)
        newcomer.abort()


@implementer(IProtocol, IHandshakeListener)
class _Newcomer:
    """One connection; a mere hull once its handshake is complete."""

    def __init__(self, room: Newcomers, inner: IProtocol) -> None:
        self._room = room
        self._inner = inner
        self._transport: TLSMemoryBIOProtocol | None = None

    def makeConnection(self, transport: ITransport) -> None:
        """Called by Twisted."""
        assert isinstance(transport, TLSMemoryBIOProtocol)  # noqa: S101
        self._transport = transport
        self._room.came(self)
        self._inner.makeConnection(transport)

    def connectionMade(self) -> None:
        """``makeConnection`` of the protocol inside calls its own."""

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Called by Twisted."""
        self._room.passed(self)

    def dataReceived(self, data: bytes) -> None:
        """Called by Twisted."""
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by Twisted."""
        self._room.passed(self)
        self._inner.connectionLost(reason)

    def abort(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abortConnection()
