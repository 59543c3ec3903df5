"""Probing ports, in a reactor's memory."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, NoRouteError, TimeoutError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.netutils.probe import Reach, probe, reach


class ReachTests(SynchronousTestCase):
    """What becomes of an attempt to connect."""

    def setUp(self) -> None:
        """A reactor."""
        self.reactor = MemoryReactorClock()

    def _fails(self, error: Exception) -> None:
        factory = self.reactor.tcpClients[0][2]
        factory.clientConnectionFailed(self.reactor.connectors[0], Failure(error))

    def _reach(self, source: str | None = None) -> Deferred[Reach]:
        return reach(self.reactor, "192.0.2.1", 1811, 3, source)

    def test_time_out(self) -> None:
        """What does not answer within the time is silent."""
        reached = self._reach()
        host, port, _, timeout, bind = self.reactor.tcpClients[0]
        self.assertEqual((host, port, timeout, bind), ("192.0.2.1", 1811, 3, None))
        self._fails(TimeoutError())
        self.assertIs(self.successResultOf(reached), Reach.SILENT)

    def test_no_route(self) -> None:
        """So is what no way leads to."""
        reached = self._reach()
        self._fails(NoRouteError())
        self.assertIs(self.successResultOf(reached), Reach.SILENT)

    def test_refused(self) -> None:
        """A host that refuses is there."""
        reached = self._reach()
        self._fails(ConnectionRefusedError())
        self.assertIs(self.successResultOf(reached), Reach.REFUSES)

    def test_source(self) -> None:
        """The attempt is made from the address that is given."""
        _ = self._reach("192.0.2.9")
        self.assertEqual(self.reactor.tcpClients[0][4], ("192.0.2.9", 0))

    def test_probe(self) -> None:
        """The short question has yes or no for an answer."""
        probed = probe(self.reactor, "192.0.2.1", 1811, 3)
        self._fails(ConnectionRefusedError())
        self.assertFalse(self.successResultOf(probed))

    def test_ipv6(self) -> None:
        """IPv6 addresses are dialled as they are."""
        probed = probe(self.reactor, "[2001:db8::1]", 1811, 3)
        self.assertEqual(self.reactor.tcpClients[0][0], "2001:db8::1")
        probed.cancel()
        self.failureResultOf(probed)
