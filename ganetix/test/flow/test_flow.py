"""Tests of the small tools for Deferreds."""

from collections.abc import Generator
from itertools import islice

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import NodeUnreachable, NotFound
from ganetix.flow.breath import Breath, paced
from ganetix.flow.event import Event
from ganetix.flow.outbox import SLICE_SECONDS, Outbox
from ganetix.flow.retry import backoff, retry
from ganetix.flow.settle import settle
from ganetix.flow.shield import persistently, shielded


class SettleTests(SynchronousTestCase):
    """Waiting for several."""

    def test_results_in_order(self) -> None:
        """Results come in the order of the Deferreds, whichever fires first."""
        one: Deferred[int] = Deferred()
        both = settle([one, succeed(2)])
        self.assertNoResult(both)
        one.callback(1)
        self.assertEqual(self.successResultOf(both), [1, 2])

    def test_waits_before_failing(self) -> None:
        """A failure is told only when the last has ended."""
        slow: Deferred[int] = Deferred()
        both = settle([fail(NotFound("a")), slow, fail(NotFound("b"))])
        self.assertNoResult(both)
        slow.callback(1)
        self.assertEqual(str(self.failureResultOf(both, NotFound).value), "a")

    def test_cancel_reaches_all(self) -> None:
        """Cancelling cancels every one of them."""
        ds: list[Deferred[int]] = [Deferred(), Deferred()]
        both = settle(ds)
        both.cancel()
        self.failureResultOf(both, CancelledError)
        self.assertTrue(all(d.called for d in ds))

    def test_none(self) -> None:
        """Nothing to wait for is settled at once."""
        self.assertEqual(self.successResultOf(settle([])), [])


class ShieldTests(SynchronousTestCase):
    """Work that survives its caller."""

    def test_passes_result(self) -> None:
        """The view has the work's result, or its error."""
        self.assertEqual(self.successResultOf(shielded(succeed(3))), 3)
        self.failureResultOf(shielded(fail(NotFound("x"))), NotFound)

    def test_cancel_spares_work(self) -> None:
        """Cancelling the view leaves the work alone."""
        work: Deferred[int] = Deferred()
        view = shielded(work)
        view.cancel()
        self.failureResultOf(view, CancelledError)
        self.assertFalse(work.called)
        work.callback(1)

    def test_late_failure_is_logged(self) -> None:
        """A failure that nobody waits for any more is logged."""
        work: Deferred[int] = Deferred()
        view = shielded(work)
        view.cancel()
        self.failureResultOf(view, CancelledError)
        work.errback(NotFound("x"))
        self.assertEqual(len(self.flushLoggedErrors(NotFound)), 1)

    def test_persistent(self) -> None:
        """Who waits persistently learns what came of it, cancelled or not."""
        for outcome in (1, NotFound("x")):
            work: Deferred[int] = Deferred()
            waiting = Deferred.fromCoroutine(persistently(work))
            waiting.cancel()
            waiting.cancel()
            self.assertNoResult(waiting)
            if isinstance(outcome, int):
                work.callback(outcome)
                self.assertEqual(self.successResultOf(waiting), outcome)
            else:
                work.errback(outcome)
                self.failureResultOf(waiting, NotFound)


class EventTests(SynchronousTestCase):
    """A flag to wait for."""

    def test_set_fires_all(self) -> None:
        """Each waiter has its own Deferred, and setting fires all of them."""
        event = Event()
        waiters = [event.wait(), event.wait()]
        self.assertNoResult(waiters[0])
        event.set()
        for waiter in (*waiters, event.wait()):
            self.successResultOf(waiter)

    def test_clear(self) -> None:
        """After clearing, waiters wait again."""
        event = Event()
        event.set()
        event.clear()
        self.assertNoResult(event.wait())
        self.assertFalse(event.is_set)

    def test_cancelled_waiter(self) -> None:
        """A waiter that gave up is forgotten."""
        event = Event()
        waiter = event.wait()
        waiter.cancel()
        self.failureResultOf(waiter, CancelledError)
        event.set()

    def test_waiter_cancels_waiter(self) -> None:
        """A waiter may cancel its neighbour while the flag is being set."""
        event = Event()
        first, second = event.wait(), event.wait()
        _ = first.addCallback(lambda _: second.cancel())
        event.set()
        self.failureResultOf(second, CancelledError)


class RetryTests(SynchronousTestCase):
    """Trying again."""

    def test_until_success(self) -> None:
        """Attempts go on after each pause until one succeeds."""
        clock = Clock()
        errors = [NodeUnreachable("a"), NodeUnreachable("b")]

        async def attempt() -> int:
            if errors:
                raise errors.pop()
            return 7

        d = Deferred.fromCoroutine(retry(clock, attempt, NodeUnreachable, [1, 2]))
        clock.pump([1, 1])
        self.assertNoResult(d)
        clock.advance(1)
        self.assertEqual(self.successResultOf(d), 7)

    def test_gives_up(self) -> None:
        """The error of the last attempt is raised."""
        clock = Clock()

        async def attempt() -> None:
            raise NodeUnreachable(f"at {clock.seconds():g}")

        d = Deferred.fromCoroutine(retry(clock, attempt, NodeUnreachable, [5]))
        clock.advance(5)
        self.assertEqual(str(self.failureResultOf(d, NodeUnreachable).value), "at 5")

    def test_other_errors(self) -> None:
        """What is not worth another attempt is raised at once."""

        async def attempt() -> None:
            raise NotFound("x")

        d = Deferred.fromCoroutine(retry(Clock(), attempt, NodeUnreachable, [5]))
        self.failureResultOf(d, NotFound)

    def test_backoff(self) -> None:
        """Pauses grow up to their limit."""
        self.assertEqual([*islice(backoff(1, 5), 5)], [1, 2, 4, 5, 5])


class OutboxTests(SynchronousTestCase):
    """Results handed out later."""

    def test_not_at_once(self) -> None:
        """A waiter's code runs at the reactor's next turn, in order."""
        clock = Clock()
        outbox = Outbox(clock)
        seen: list[object] = []
        for number in range(3):
            waiter: Deferred[int] = Deferred()
            _ = waiter.addCallback(seen.append)
            outbox.give(waiter, number)
        self.assertEqual(seen, [])
        clock.advance(0)
        self.assertEqual(seen, [0, 1, 2])

    def test_failure(self) -> None:
        """An error reaches the waiter as a failure."""
        clock = Clock()
        outbox = Outbox(clock)
        waiter: Deferred[int] = Deferred()
        outbox.fail(waiter, NotFound("x"))
        clock.advance(0)
        self.failureResultOf(waiter, NotFound)

    def test_slow_waiters(self) -> None:
        """Waiters that take long leave the reactor its turn between them."""
        clock = Clock()
        outbox = Outbox(clock)
        order: list[str] = []

        def slowly(name: str) -> None:
            order.append(name)
            clock.rightNow += SLICE_SECONDS

        for name in ("one", "two"):
            waiter: Deferred[str] = Deferred()
            _ = waiter.addCallback(slowly)
            outbox.give(waiter, name)
        clock.callLater(0, order.append, "reactor")
        clock.advance(0)
        self.assertEqual(order, ["one", "reactor", "two"])


class BreathTests(SynchronousTestCase):
    """Pauses in long computations."""

    def test_due(self) -> None:
        """A breath is due after the slice, and a new slice begins after it."""
        clock = Clock()
        breath = Breath(clock, 1)
        self.assertFalse(breath.is_due)
        clock.advance(1)
        self.assertTrue(breath.is_due)
        taken = Deferred.fromCoroutine(breath.take())
        clock.advance(0)
        self.successResultOf(taken)
        self.assertFalse(breath.is_due)

    def test_paced(self) -> None:
        """Steps are made until a breath is due, and the rest after it."""
        clock = Clock()
        made: list[int] = []

        def steps() -> Generator[None, None, str]:
            for number in range(3):
                made.append(number)
                clock.rightNow += SLICE_SECONDS if number == 1 else 0
                yield
            return "done"

        answer = Deferred.fromCoroutine(paced(clock, steps()))
        self.assertEqual(made, [0, 1])
        clock.advance(0)
        self.assertEqual(self.successResultOf(answer), "done")
