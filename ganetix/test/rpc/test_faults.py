"""What failures of connections are told as."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    NoRouteError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import RequestTransmissionFailed, ResponseFailed

from ganetix.errors import AuthenticationFailed, NodeUnreachable
from ganetix.rpc.faults import ConnectionBroke, fault_of
from ganetix.test.functional.tls_nodes import node_at
from ganetix.testing.pki import node_uuid

NODE = node_at(node_uuid(1), "192.0.2.1", 1811)


def wrapped(*reasons: Exception) -> ResponseFailed:
    """What Twisted's client makes of these."""
    return ResponseFailed([Failure(reason) for reason in reasons])


class FaultTests(SynchronousTestCase):
    """Each kind of failure has its own error and a line that names the node."""

    def test_unreachable(self) -> None:
        """Who cannot be connected to is unreachable, with the reason."""
        for error, reason in (
            (ConnectionRefusedError(), "nothing listens there"),
            (TimeoutError(), "no answer in time"),
            (NoRouteError(), "route"),
        ):
            fault = fault_of(error, NODE, "")
            self.assertIsInstance(fault, NodeUnreachable)
            self.assertIn("node1.example (192.0.2.1:1811)", str(fault))
            self.assertIn(reason, str(fault).lower())

    def test_broken(self) -> None:
        """A connection that ends may be tried again."""
        for error in (
            wrapped(ConnectionLost()),
            wrapped(ConnectionDone()),
            RequestTransmissionFailed([Failure(ConnectionLost())]),
            wrapped(SSL.Error([("SSL routines", "", "unexpected eof while reading")])),
            wrapped(wrapped(ConnectionLost())),
        ):
            self.assertIsInstance(fault_of(error, NODE, ""), ConnectionBroke)

    def test_alerts(self) -> None:
        """A peer that refuses our certificate is not unreachable."""
        alert = SSL.Error([("SSL routines", "", "tlsv1 alert unknown ca")])
        fault = fault_of(wrapped(alert, ConnectionLost()), NODE, "")
        self.assertIsInstance(fault, AuthenticationFailed)
        self.assertIn("(unknown ca)", str(fault))

    def test_refused_by_us(self) -> None:
        """A certificate that we refused is told with our reason."""
        fault = fault_of(wrapped(ConnectionLost()), NODE, "it has expired")
        self.assertIsInstance(fault, AuthenticationFailed)
        self.assertIn("it has expired", str(fault))

    def test_cancelled(self) -> None:
        """A cancelled call is cancelled, not broken."""
        for error in (
            wrapped(CancelledError(), ConnectionLost()),
            ConnectingCancelledError(IPv4Address("TCP", "192.0.2.1", 1811)),
        ):
            self.assertIsInstance(fault_of(error, NODE, ""), CancelledError)

    def test_others(self) -> None:
        """An error of another sort stays what it is."""
        error = ZeroDivisionError()
        self.assertIs(fault_of(error, NODE, ""), error)
