"""Connections that do not come to an end with their handshake."""

from __future__ import annotations

from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase

from ganetix.rpc.newcomers import HANDSHAKE_SECONDS, Newcomers
from ganetix.rpc.tls import ServerCreator
from ganetix.testing.pki import node_identity


class Inner(Factory[Protocol]):
    """Makes protocols that do nothing."""

    noisy = False
    protocol = Protocol

    def acceptableProtocols(self) -> list[bytes]:
        """What is spoken."""
        return [b"http/1.1"]


class NewcomerTests(SynchronousTestCase):
    """A port that lets two newcomers wait at once."""

    def setUp(self) -> None:
        self.clock = Clock()
        creator = ServerCreator(node_identity(1).credentials())
        room = Newcomers(Inner(), self.clock, most=2)
        self.factory = TLSMemoryBIOFactory(creator, False, room, self.clock)

    def _connect(self) -> tuple[StringTransport, TLSMemoryBIOProtocol]:
        transport = StringTransport()
        protocol = self.factory.buildProtocol(None)
        protocol.makeConnection(transport)
        return transport, protocol

    def test_time(self) -> None:
        """Who does not complete the handshake in time is hung up on."""
        transport, _ = self._connect()
        self.clock.advance(HANDSHAKE_SECONDS - 1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(transport.disconnecting)

    def test_too_many(self) -> None:
        """When there are too many, the oldest goes."""
        transports = [self._connect()[0] for _ in range(4)]
        gone = [transport.disconnecting for transport in transports]
        self.assertEqual(gone, [True, True, False, False])

    def test_complete(self) -> None:
        """Who has shown a certificate stays, and takes nobody's place."""
        first, protocol = self._connect()
        IHandshakeListener(protocol.wrappedProtocol).handshakeCompleted()
        others = [self._connect()[0] for _ in range(2)]
        self.clock.advance(HANDSHAKE_SECONDS - 1)
        self.assertFalse(any(each.disconnecting for each in (first, *others)))
        self.clock.advance(1)
        self.assertFalse(first.disconnecting)
