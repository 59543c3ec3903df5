"""Remembering which nodes cannot be reached."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, TimeoutError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import NodeUnreachable
from ganetix.objects import Node
from ganetix.rpc.faults import HungUp
from ganetix.rpc.reachable import Reachability
from ganetix.test.functional.tls_nodes import node_at
from ganetix.testing.pki import node_uuid

NODE = node_at(node_uuid(2), "192.0.2.2", 1811)


class ReachabilityTests(SynchronousTestCase):
    """One node, its probes answered by the test."""

    def setUp(self) -> None:
        """Nothing is known."""
        self.clock = Clock()
        self.probes: list[Deferred[None]] = []
        self.wanted = True
        self.returned: list[str] = []
        self.reachability = Reachability(
            self.clock, self._probe, lambda node: self.wanted
        )
        self.reachability.on_return(lambda node: self.returned.append(node.uuid))

    def _probe(self, node: Node) -> Deferred[None]:
        self.probes.append(Deferred())
        return self.probes[-1]

    def is_lost(self, node: Node = NODE) -> bool:
        """Whether calls of the node fail at once."""
        try:
            self.reachability.check(node)
        except NodeUnreachable:
            return True
        return False

    def test_remembers(self) -> None:
        """Silence, and a network without a way there, are remembered."""
        for number, error in enumerate((TimeoutError(), ConnectError(113)), 3):
            node = node_at(node_uuid(number), "192.0.2.9", 1811)
            self.assertFalse(self.is_lost(node))
            self.reachability.note(node, error)
            self.assertTrue(self.is_lost(node))

    def test_quick_failures(self) -> None:
        """What fails at once needs no memory."""
        for error in (ConnectionRefusedError(), HungUp(), ValueError()):
            self.reachability.note(NODE, error)
            self.assertFalse(self.is_lost())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_since(self) -> None:
        """The message says since when, however often it failed."""
        self.clock.advance(86400.0)
        self.reachability.note(NODE, TimeoutError())
        self.clock.advance(1.0)
        self.reachability.note(NODE, TimeoutError())
        with self.assertRaisesRegex(NodeUnreachable, "since 1970-01-02 00:00:00 UTC"):
            self.reachability.check(NODE)

    def test_back_off(self) -> None:
        """Probes come ever more seldom, but never more than 30 s apart."""
        self.reachability.note(NODE, TimeoutError())
        times: list[int] = []
        for second in range(1, 130):
            self.clock.advance(1)
            if len(self.probes) > len(times):
                times.append(second)
                self.probes[-1].errback(TimeoutError())
        self.assertEqual(times, [2, 6, 14, 30, 60, 90, 120])
        self.assertTrue(self.is_lost())

    def test_returns(self) -> None:
        """The success of a probe is the end of it, at once; who listens is told."""
        self.reachability.note(NODE, TimeoutError())
        self.clock.advance(2)
        self.assertTrue(self.is_lost())
        self.probes[0].callback(None)
        self.assertFalse(self.is_lost())
        self.assertEqual(self.returned, [NODE.uuid])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refuses(self) -> None:
        """A host that refuses connections is there: calls hear that themselves."""
        self.reachability.note(NODE, TimeoutError())
        self.clock.advance(2)
        self.probes[0].errback(ConnectionRefusedError())
        self.assertFalse(self.is_lost())

    def test_new_address(self) -> None:
        """At another address the node is another place."""
        self.reachability.note(NODE, TimeoutError())
        self.assertFalse(self.is_lost(replace(NODE, primary_ip="192.0.2.3")))

    def test_unwanted(self) -> None:
        """A node that is offline or gone by now is not contacted, and forgotten."""
        self.reachability.note(NODE, TimeoutError())
        self.wanted = False
        self.clock.advance(1000)
        self.assertEqual(self.probes, [])
        self.assertFalse(self.is_lost())

    def test_stop(self) -> None:
        """After a stop no probe is under way or planned."""
        for number in (2, 3):
            node = node_at(node_uuid(number), "192.0.2.2", 1811)
            self.reachability.note(node, TimeoutError())
            self.clock.advance(number)
        self.reachability.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(self.is_lost())
