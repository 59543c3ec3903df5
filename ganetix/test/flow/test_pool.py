"""Tests of doing many things, so many at a time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix.flow.pool import for_each


class ForEachTests(SynchronousTestCase):
    """What is begun, and when."""

    def setUp(self) -> None:
        """Work that ends when told."""
        self.begun: dict[int, Deferred[None]] = {}

    async def work(self, item: int) -> None:
        """Wait until the test ends it."""
        self.begun[item] = Deferred()
        await self.begun[item]

    def test_so_many_at_once(self) -> None:
        """The next begins when one has ended, in order."""
        done = Deferred.fromCoroutine(for_each(range(5), self.work, 2))
        self.assertEqual([*self.begun], [0, 1])
        self.begun[1].callback(None)
        self.assertEqual([*self.begun], [0, 1, 2])
        for item in (0, 2, 3, 4):
            self.begun[item].callback(None)
        self.successResultOf(done)

    def test_failure(self) -> None:
        """After a failure nothing new begins; it is told when all has ended."""
        done = Deferred.fromCoroutine(for_each(range(5), self.work, 2))
        self.begun[0].errback(KeyError("broken"))
        self.assertNoResult(done)
        self.begun[1].callback(None)
        self.failureResultOf(done, KeyError)
        self.assertEqual([*self.begun], [0, 1])

    def test_none(self) -> None:
        """Nothing to do is done at once."""
        self.successResultOf(Deferred.fromCoroutine(for_each((), self.work, 3)))
