"""Tests of doing one thing at a time."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import Cancelled
from ganetix.node.turns import Turns


class TurnsTests(SynchronousTestCase):
    """Lines of work."""

    def setUp(self) -> None:
        """Make lines, and a record of what was begun."""
        self.turns = Turns()
        self.begun: list[str] = []
        self.work: dict[str, Deferred[str]] = {}

    def run_one(self, name: str, key: str = "k") -> Deferred[str]:
        """Queue work that a test ends."""

        def begin() -> Deferred[str]:
            self.begun.append(name)
            self.work[name] = Deferred()
            return self.work[name]

        return self.turns.run(key, begin)

    def test_in_order(self) -> None:
        """Work of one key is done in the order in which it came."""
        results = [self.run_one(name) for name in "abc"]
        for name in "abc":
            self.assertEqual(self.begun[-1], name)
            self.work[name].callback(name)
        self.assertEqual([self.successResultOf(r) for r in results], ["a", "b", "c"])

    def test_failure_passes_the_turn(self) -> None:
        """After work that failed the next begins."""
        first, second = self.run_one("a"), self.run_one("b")
        self.work["a"].errback(ValueError())
        self.failureResultOf(first, ValueError)
        self.work["b"].callback("b")
        self.successResultOf(second)

    def test_cancelled_in_the_middle(self) -> None:
        """Who leaves the line lets nobody pass those before."""
        _ = self.run_one("a")
        leaving, last = self.run_one("b"), self.run_one("c")
        leaving.cancel()
        self.failureResultOf(leaving, CancelledError)
        self.assertEqual(self.begun, ["a"])
        self.work["a"].callback("a")
        self.assertEqual(self.begun, ["a", "c"])
        self.work["c"].callback("c")
        self.successResultOf(last)

    def test_sweep_waits_for_the_end(self) -> None:
        """A sweep begins only when what it cancelled has ended."""
        ending: Deferred[str] = Deferred()

        async def stubborn() -> str:
            try:
                return await Deferred[str]()
            except CancelledError:
                return await ending

        first = self.turns.run("k", lambda: Deferred.fromCoroutine(stubborn()))
        swept = self.turns.sweep("k", lambda: succeed("swept"))
        self.assertNoResult(swept)
        ending.callback("late")
        self.assertEqual(self.successResultOf(swept), "swept")
        self.successResultOf(first)

    def test_sweeps_do_not_end_each_other(self) -> None:
        """A second sweep waits for the first."""
        sweeping: Deferred[str] = Deferred()
        first = self.turns.sweep("k", lambda: sweeping)
        second = self.turns.sweep("k", lambda: succeed("second"))
        sweeping.callback("first")
        self.assertEqual(self.successResultOf(first), "first")
        self.assertEqual(self.successResultOf(second), "second")

    def test_later_work_waits_for_the_sweep(self) -> None:
        """What comes while a sweep is under way is done after it."""
        sweeping: Deferred[str] = Deferred()
        _ = self.run_one("a").addErrback(lambda f: f.trap(Cancelled))
        swept = self.turns.sweep("k", lambda: sweeping)
        _ = self.run_one("b")
        self.assertEqual(self.begun, ["a"])
        sweeping.callback("swept")
        self.successResultOf(swept)
        self.assertEqual(self.begun, ["a", "b"])

    def test_busy(self) -> None:
        """Keys are busy as long as they have work."""
        _ = self.run_one("a", "one")
        self.assertEqual(self.turns.busy, {"one"})
        self.work["a"].callback("a")
        self.assertEqual(self.turns.busy, frozenset())
