"""Tests of the scheduler."""

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import Bug, Unavailable
from ganetix.flow.outbox import SLICE_SECONDS
from ganetix.scheduler import Again, Scheduler, Task, Work


class SchedulerTests(SynchronousTestCase):
    """Slots, priorities, deferral, the end."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.scheduler = Scheduler(self.clock, slots=1)
        self.order: list[str] = []
        self.gates: dict[str, Deferred[Again | None]] = {}

    def brief(self, name: str) -> Work:
        """Work that notes its name and is done."""

        async def work(task: Task) -> None:
            self.order.append(name)

        return work

    def held(self, name: str) -> Work:
        """Work that goes on until the test opens its gate."""

        async def work(task: Task) -> Again | None:
            self.order.append(name)
            self.gates[name] = Deferred()
            return await self.gates[name]

        return work

    def add(self, name: str, priority: int = 0, delay_seconds: float = 0) -> Task:
        """Queue held work."""
        return self.scheduler.add(name, self.held(name), priority, delay_seconds)

    def open(self, name: str, result: Again | None = None) -> None:
        """Let held work end."""
        self.gates.pop(name).callback(result)
        self.clock.advance(0)

    def test_starts_from_reactor(self) -> None:
        """A task starts at the reactor's next turn, not while it is added."""
        self.add("a")
        self.assertEqual(self.order, [])
        self.clock.advance(0)
        self.assertEqual(self.order, ["a"])

    def test_priority_then_order(self) -> None:
        """Lower priorities come first, and within one the order of arrival counts."""
        for name, priority in [("c", 0), ("d", 0), ("e", 5), ("a", -1), ("b", -1)]:
            self.scheduler.add(name, self.brief(name), priority)
        self.clock.advance(0)
        self.assertEqual(self.order, ["a", "b", "c", "d", "e"])

    def test_slots(self) -> None:
        """No more tasks run than there are slots; more slots let more in."""
        for name in "abc":
            self.add(name)
        self.clock.advance(0)
        self.assertEqual((self.order, self.scheduler.pending), (["a"], 2))
        self.scheduler.slots = 2
        self.clock.advance(0)
        self.assertEqual(self.order, ["a", "b"])
        self.scheduler.slots = 1
        self.open("a")
        self.assertEqual(self.order, ["a", "b"])
        self.open("b")
        self.assertEqual(self.order, ["a", "b", "c"])

    def test_urgent_slots(self) -> None:
        """Urgent tasks have slots of their own, when all others are taken."""
        self.scheduler = Scheduler(self.clock, 1, urgent_slots=1)
        for name, priority in (("a", 0), ("b", -9), ("c", -10), ("d", -20)):
            self.add(name, priority)
            self.clock.advance(0)
        self.assertEqual(self.order, ["a", "c"])
        self.open("a")
        self.assertEqual(self.order, ["a", "c", "d"])

    def test_leave_slot(self) -> None:
        """A task that has left its slot lets others in, and is still waited for."""
        task = self.add("a")
        self.add("b")
        self.clock.advance(0)
        task.leave_slot()
        self.clock.advance(0)
        self.assertEqual(self.order, ["a", "b"])
        quiet = self.scheduler.quiesce()
        self.open("b")
        self.assertNoResult(quiet)
        self.open("a", Again())
        self.successResultOf(quiet)
        self.assertEqual((self.scheduler.pending, task.state), (1, "pending"))

    def test_no_slots(self) -> None:
        """A scheduler without slots is a mistake."""
        self.assertRaises(Bug, Scheduler, self.clock, 0)

    def test_defer(self) -> None:
        """A task that defers itself goes to the end of its priority and runs again."""
        self.add("a")
        self.add("b")
        self.clock.advance(0)
        self.open("a", Again())
        self.open("b")
        self.assertEqual(self.order, ["a", "b", "a"])

    def test_defer_with_priority(self) -> None:
        """A task may come back with another priority, which it can read."""
        task = self.add("a")
        self.add("b", -5)
        self.scheduler.slots = 2
        self.clock.advance(0)
        self.add("c", -1)
        self.scheduler.slots = 1
        self.open("b")
        self.open("a", Again(priority=-2))
        self.assertEqual((self.order, task.priority), (["b", "a", "a"], -2))

    def test_not_before(self) -> None:
        """A task that comes back later leaves its slot to others until then."""
        self.add("a")
        self.clock.advance(0)
        self.open("a", Again(delay_seconds=10))
        self.assertEqual(self.scheduler.running, ())
        self.clock.advance(9)
        self.assertEqual(self.order, ["a"])
        self.clock.pump([1, 0])
        self.assertEqual(self.order, ["a", "a"])

    def test_change_priority(self) -> None:
        """A pending task can be moved to another priority, behind those in it."""
        tasks = {name: self.add(name, 1) for name in "abc"}
        self.add("d", 0)
        tasks["c"].change_priority(0)
        tasks["a"].change_priority(2)
        self.assertEqual([tasks[name].position() for name in "abc"], [3, 2, 1])
        self.clock.advance(0)
        for name in "dcba":
            self.open(name)
        self.assertEqual(self.order, ["d", "c", "b", "a"])

    def test_cancel_pending(self) -> None:
        """A pending task that is cancelled never runs."""
        task, delayed = self.add("a"), self.add("b", delay_seconds=5)
        task.cancel()
        delayed.cancel()
        self.clock.pump([0, 5, 0])
        self.assertEqual((self.order, self.scheduler.pending), ([], 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        task.cancel()
        self.assertEqual(task.state, "ended")

    def test_cancel_running(self) -> None:
        """A running task that is cancelled frees its slot, and is not an error."""
        task = self.add("a")
        self.add("b")
        self.clock.advance(0)
        task.cancel()
        self.clock.advance(0)
        self.assertEqual((self.order, task.state), (["a", "b"], "ended"))

    def test_cancel_itself(self) -> None:
        """A task that is cancelled in its first steps ends at its first wait."""

        async def work(task: Task) -> None:
            task.cancel()
            await Deferred()

        task = self.scheduler.add("a", work)
        self.clock.advance(0)
        self.assertEqual(task.state, "ended")

    def test_many_cancelled(self) -> None:
        """Cancelled tasks do not fill the queue."""
        for _ in range(5000):
            self.add("a").cancel()
        self.add("b")
        self.clock.advance(0)
        self.assertEqual((self.order, self.scheduler.pending), (["b"], 0))

    def test_failure(self) -> None:
        """A task that fails is logged, and its slot is free again."""

        async def work(task: Task) -> None:
            raise ZeroDivisionError

        self.scheduler.add("a", work)
        self.scheduler.add("b", self.brief("b"))
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.order, ["b"])

    def test_quiesce(self) -> None:
        """Quiescing lets running tasks end and starts none until it resumes."""
        self.add("a")
        self.clock.advance(0)
        quiet = self.scheduler.quiesce()
        self.add("b")
        self.assertNoResult(quiet)
        self.open("a")
        self.successResultOf(quiet)
        self.assertEqual(self.order, ["a"])
        self.scheduler.resume()
        self.clock.advance(0)
        self.assertEqual(self.order, ["a", "b"])

    def test_stop(self) -> None:
        """Stopping cancels who runs, waits for its end, and forgets who waits."""
        clean_up: Deferred[None] = Deferred()

        async def work(task: Task) -> Again:
            try:
                await Deferred()
            except CancelledError:
                await clean_up
            return Again()

        self.scheduler.add("a", work)
        self.add("b")
        self.add("c", delay_seconds=1)
        self.clock.advance(0)
        stopped = Deferred.fromCoroutine(self.scheduler.stop())
        self.assertNoResult(stopped)
        clean_up.callback(None)
        self.successResultOf(stopped)
        self.clock.pump([0, 5])
        self.assertEqual((self.order, self.scheduler.pending), ([], 0))
        self.assertRaises(Unavailable, self.add, "d")

    def test_leaves_the_reactor_its_turn(self) -> None:
        """A burst of ready tasks does not keep the reactor longer than a slice."""
        self.scheduler.slots = 100

        def slow(name: str) -> Callable[[Task], Coroutine[Deferred[Any], Any, None]]:
            async def work(task: Task) -> None:
                self.order.append(name)
                self.clock.rightNow += SLICE_SECONDS / 2

            return work

        for name in "abc":
            self.scheduler.add(name, slow(name))
        self.clock.callLater(0, self.order.append, "reactor")
        self.clock.advance(0)
        self.assertEqual(self.order, ["a", "b", "reactor", "c"])
