"""The client's end where time matters, in a reactor's memory."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ganetix.errors import NodeUnreachable
from ganetix.interfaces import INodeRpc
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.methods import DELAY, OS_CREATE, OS_LIST, Delay, Nothing, OsList
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
        """A node that let a connection time out fails at once, for a moment."""
        called = self._list()
        self._fail_last(TimeoutError())
        self.failureResultOf(called, NodeUnreachable)
        failure = self.failureResultOf(self._list(), NodeUnreachable)
        self.assertIn("a moment ago", failure.getErrorMessage())
        self.assertEqual(len(self.reactor.tcpClients), 1)
        self.reactor.advance(2.1)
        again = self._list()
        self.assertEqual(len(self.reactor.tcpClients), 2)
        again.cancel()
        self.failureResultOf(again)

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

    def test_in_time(self) -> None:
        """A call that takes longer than its class allows fails, and says how long."""
        called = self._list()
        self.reactor.pump([1.0] * 59)
        self.assertNoResult(called)
        self.reactor.advance(1.1)
        failure = self.failureResultOf(called, NodeUnreachable)
        self.assertIn("60 s", failure.getErrorMessage())
        self.assertIn("os_list", failure.getErrorMessage())

    def test_silence(self) -> None:
        """A call that may last for ever still fails when the node falls silent."""
        called = self.rpc.call(NODE, DELAY, Delay(duration=1e9))
        self.reactor.advance(60.1)
        failure = self.failureResultOf(called, NodeUnreachable)
        self.assertIn("silent", failure.getErrorMessage())
        self.assertEqual(OS_CREATE.timeout, "endless")
