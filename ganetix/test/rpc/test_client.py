"""The client's end where time matters, in a reactor's memory."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ganetix.errors import NodeOffline, NodeUnreachable
from ganetix.interfaces import INodeRpc
from ganetix.objects.node_calls import OsList
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.methods import OS_LIST, Nothing
from ganetix.test.functional.tls_nodes import node_at
from ganetix.testing.pki import node_identity, node_uuid

NODE = node_at(node_uuid(2), "192.0.2.2", 1811)
OTHER = node_at(node_uuid(3), "192.0.2.3", 1811)


class ClientTests(SynchronousTestCase):
    """Calls of nodes that do not answer."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        credentials = node_identity(1).credentials()
        self.rpc = NodeRpc(self.reactor, creators_of(credentials))

    def _fail_last(self, error: Exception) -> None:
        factory = self.reactor.tcpClients[-1][2]
        connector = self.reactor.connectors[-1]
        factory.clientConnectionFailed(connector, Failure(error))

    def _list(self) -> Deferred[OsList]:
        return self.rpc.call(NODE, OS_LIST, Nothing())

    def test_interface(self) -> None:
        """It is what units call nodes with."""
        verifyObject(INodeRpc, self.rpc)

    def test_dials_the_address(self) -> None:
        """The node's primary address is dialled, with 5 s to connect."""
        called = self._list()
        host, port, _, timeout, _ = self.reactor.tcpClients[0]
        self.assertEqual((host, port, timeout), ("192.0.2.2", 1811, 5))
        called.cancel()
        self.failureResultOf(called, CancelledError)

    def test_time_out_is_remembered(self) -> None:
        """A node that let a connection time out fails at once, with since when."""
        self.reactor.advance(1_000_000.0)
        called = self._list()
        self._fail_last(TimeoutError())
        self.failureResultOf(called, NodeUnreachable)
        failure = self.failureResultOf(self._list(), NodeUnreachable)
        message = failure.getErrorMessage()
        self.assertIn("since 1970-01-12 13:46:40 UTC: no answer in time", message)
        self.assertEqual(len(self.reactor.tcpClients), 1)

    def test_handshake_in_time(self) -> None:
        """Five seconds are for TCP and TLS together: a frozen daemon accepts, too."""
        called = self._list()
        factory = self.reactor.tcpClients[0][2]
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.2", 1811))
        assert protocol is not None
        protocol.makeConnection(StringTransport())
        self.reactor.advance(4.9)
        self.assertNoResult(called)
        self.reactor.advance(0.2)
        failure = self.failureResultOf(called, NodeUnreachable)
        self.assertIn("no answer in time", failure.getErrorMessage())
        self.failureResultOf(self._list(), NodeUnreachable)
        self.assertEqual(len(self.reactor.tcpClients), 1)

    def test_probe(self) -> None:
        """A node that is not reachable is probed, and called again when it is there."""
        called = self._list()
        self._fail_last(TimeoutError())
        self.failureResultOf(called, NodeUnreachable)
        self.reactor.advance(2.1)
        self.assertEqual(len(self.reactor.tcpClients), 2)
        self._fail_last(ConnectionRefusedError())
        again = self._list()
        self.assertEqual(len(self.reactor.tcpClients), 3)
        again.cancel()
        self.failureResultOf(again)

    def test_offline(self) -> None:
        """A node that is marked offline is not dialled."""
        offline = replace(NODE, offline=True)
        called = self.rpc.call(offline, OS_LIST, Nothing())
        failure = self.failureResultOf(called, NodeOffline)
        self.assertIn("node1.example is marked offline", failure.getErrorMessage())
        self.assertEqual(self.reactor.tcpClients, [])

    def test_close(self) -> None:
        """After closing nothing is probed any more."""
        called = self._list()
        self._fail_last(TimeoutError())
        self.failureResultOf(called, NodeUnreachable)
        self.successResultOf(self.rpc.close())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_others_are_called(self) -> None:
        """One node's silence does not keep the others from being called."""
        called = self._list()
        self._fail_last(TimeoutError())
        self.failureResultOf(called, NodeUnreachable)
        other = self.rpc.call(OTHER, OS_LIST, Nothing())
        self.assertEqual(self.reactor.tcpClients[-1][0], "192.0.2.3")
        other.cancel()
        self.failureResultOf(other)

    def test_refusal_is_not_remembered(self) -> None:
        """A daemon that is down now may be up the next moment."""
        for _ in range(2):
            called = self._list()
            self._fail_last(ConnectionRefusedError())
            failure = self.failureResultOf(called, NodeUnreachable)
            self.assertIn("nothing listens there", failure.getErrorMessage())
        self.assertEqual(len(self.reactor.tcpClients), 2)
