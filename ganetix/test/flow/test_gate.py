"""Letting so many through at once."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.flow.gate import Gate, Pass


class GateTests(SynchronousTestCase):
    """A gate for two, who may take a second."""

    def setUp(self) -> None:
        """Nobody is there."""
        self.clock = Clock()
        self.gate = Gate(self.clock, 2, 1.0)
        self.passes: list[Pass] = []

    def enter(self, count: int = 1) -> list[Deferred[Pass]]:
        """Let some come."""
        came = [self.gate.enter() for _ in range(count)]
        for each in came:
            _ = each.addCallback(self.passes.append)
        return came

    def test_bound(self) -> None:
        """The third goes in when the first is through."""
        self.enter(3)
        self.assertEqual(len(self.passes), 2)
        self.passes[0].hand_back()
        self.assertEqual(len(self.passes), 3)

    def test_slow(self) -> None:
        """Those who take long make room, and leave without making room twice."""
        self.enter(6)
        self.clock.advance(1.0)
        self.assertEqual(len(self.passes), 4)
        self.passes[0].hand_back()
        self.assertEqual(len(self.passes), 4)
        self.passes[2].hand_back()
        self.passes[2].hand_back()
        self.assertEqual(len(self.passes), 5)

    def test_cancelled(self) -> None:
        """Who gives up waiting takes nobody's turn."""
        waiting = self.enter(4)[2]
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.passes[0].hand_back()
        self.assertEqual(len(self.passes), 3)

    def test_many(self) -> None:
        """Thousands who are through at once pile up no stack."""
        self.enter(2)
        done: list[Pass] = []

        def through(leave: Pass) -> None:
            done.append(leave)
            leave.hand_back()

        for _ in range(5000):
            _ = self.gate.enter().addCallback(through)
        for leave in self.passes:
            leave.hand_back()
        self.assertEqual(len(done), 5000)
        self.assertEqual(self.clock.getDelayedCalls(), [])
