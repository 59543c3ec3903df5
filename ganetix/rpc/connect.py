"""New connections to nodes: TCP and TLS, both within a few seconds."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import (
    ConnectionClosed,
    ConnectionDone,
    ConnectionLost,
    TimeoutError,
)
from twisted.internet.interfaces import (
    IAddress,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ganetix.flow.gate import Gate
from ganetix.objects import Node
from ganetix.rpc.faults import HungUp
from ganetix.rpc.tls import NodeCreator

CONNECT_SECONDS = 5.0
"""For TCP and TLS together; also how long what was sent may stay unacknowledged."""

# How the kernel ends a connection whose other end acknowledges nothing.
_UNREACHABLE = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH})


@implementer(IStreamClientEndpoint)
class NodeEndpoint:
    """Connects to a node's primary address.

    ``connect`` fires when the TLS handshake is complete; it fails with what Twisted
    says of connections, or with ``SSL.Error``.

    :param gate: keeps hundreds of handshakes from making each other late
    """

    def __init__(
        self, reactor: IReactorTCP, node: Node, creator: NodeCreator, gate: Gate
    ) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._node = node
        self._creator = creator
        self._gate = gate

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Called by Twisted."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        leave = await self._gate.enter()
        try:
            connected = Deferred.fromCoroutine(self._shake_hands(factory))
            _ = connected.addTimeout(CONNECT_SECONDS, self._clock, _raise_time_out)
            return await connected
        finally:
            leave.hand_back()

    async def _shake_hands(self, factory: IProtocolFactory) -> IProtocol:
        ip = self._node.primary_ip
        kind = TCP4ClientEndpoint if ip_address(ip).version == 4 else TCP6ClientEndpoint
        greeter = _Greeter(factory)
        secured = TLSMemoryBIOFactory(self._creator, True, greeter, self._clock)
        secured.noisy = False
        tcp = kind(self._reactor, ip, self._node.port, CONNECT_SECONDS)
        protocol = await tcp.connect(secured)
        assert isinstance(protocol, TLSMemoryBIOProtocol)  # noqa: S101
        try:
            return await greeter.done
        except CancelledError:
            protocol.abortConnection()
            raise
        except ConnectionClosed:
            raise HungUp from None


@implementer(IProtocolFactory)
class _Greeter:
    """Builds one connection; ``done`` fires with the protocol inside."""

    def __init__(self, inner: IProtocolFactory) -> None:
        self._inner = inner
        self.done: Deferred[IProtocol] = Deferred()

    def doStart(self) -> None:  # noqa: N802
        """Called by Twisted."""
        self._inner.doStart()

    def doStop(self) -> None:  # noqa: N802
        """Called by Twisted."""
        self._inner.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """Called by Twisted."""
        inner = self._inner.buildProtocol(addr)
        return None if inner is None else _Greeting(inner, self.done)


@implementer(IProtocol, IHandshakeListener)
class _Greeting:
    """One connection, which the protocol inside sees when it is secure.

    If the node cannot be reached any more, the end of the connection is told as one
    that could not be made: with ``TimeoutError``.
    """

    def __init__(self, inner: IProtocol, done: Deferred[IProtocol]) -> None:
        self._inner = inner
        self._done = done
        self._transport: TLSMemoryBIOProtocol | None = None
        self._is_secure = False
        self._tcp: _Watched | None = None

    def makeConnection(self, transport: ITransport) -> None:
        """Called by Twisted."""
        assert isinstance(transport, TLSMemoryBIOProtocol)  # noqa: S101
        self._transport = transport
        if isinstance(transport.transport, Connection):
            self._tcp = _Watched(transport.transport)

    def connectionMade(self) -> None:
        """The protocol inside has its own."""

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Called by Twisted."""
        assert self._transport is not None  # noqa: S101
        self._is_secure = True
        self._inner.makeConnection(self._transport)
        if not self._done.called:
            self._done.callback(self._inner)

    def dataReceived(self, data: bytes) -> None:
        """Called by Twisted."""
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by Twisted."""
        if self._tcp is not None and self._tcp.error in _UNREACHABLE:
            reason = Failure(TimeoutError())
        if self._is_secure:
            self._inner.connectionLost(reason)
        elif not self._done.called:
            self._done.errback(reason)


class _Watched:
    """A TCP connection that ends if what was sent stays unacknowledged.

    ``error`` is the kernel's reason for its end, which Twisted keeps to itself.
    """

    def __init__(self, tcp: Connection) -> None:
        self._socket = tcp.getHandle()
        self._read = tcp.doRead
        self.error = 0
        milliseconds = int(CONNECT_SECONDS * 1000)
        self._socket.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds
        )
        tcp.doRead = self._do_read  # type: ignore[method-assign]

    def _do_read(self) -> ConnectionLost | ConnectionDone | None:
        self.error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # That has taken the error from the socket: reading would tell of an end.
        return CONNECTION_LOST if self.error else self._read()


def _raise_time_out(result: object, seconds: float) -> None:
    raise TimeoutError
