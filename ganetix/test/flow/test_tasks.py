"""Tests of task sets."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix.flow.tasks import TaskSet


class TaskSetTests(SynchronousTestCase):
    """Coroutines with an owner."""

    def test_runs_at_once(self) -> None:
        """A coroutine begins to run when it is spawned, and leaves when it ends."""
        tasks = TaskSet()
        done: list[str] = []
        gate: Deferred[str] = Deferred()

        async def work() -> None:
            done.append("began")
            done.append(await gate)

        tasks.spawn("work", work())
        self.assertEqual((done, len(tasks)), (["began"], 1))
        gate.callback("ended")
        self.assertEqual((done, len(tasks)), (["began", "ended"], 0))

    def test_logs_failure(self) -> None:
        """A coroutine that fails is logged and hurts nobody else."""
        tasks = TaskSet()

        async def work() -> None:
            raise ZeroDivisionError

        tasks.spawn("work", work())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(tasks), 0)

    def test_stop_waits_for_clean_up(self) -> None:
        """Stopping cancels all and waits for what they do on their way out."""
        tasks = TaskSet()
        clean_up: Deferred[None] = Deferred()

        async def work() -> None:
            try:
                await Deferred()
            except CancelledError:
                await clean_up
                raise

        tasks.spawn("one", work())
        tasks.spawn("two", self.forever())
        stopped = Deferred.fromCoroutine(tasks.stop())
        self.assertNoResult(stopped)
        clean_up.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(len(tasks), 0)

    def test_stop_of_none(self) -> None:
        """Stopping an empty set is immediate."""
        self.successResultOf(TaskSet().stop())

    def test_spawn_after_stop(self) -> None:
        """Nothing starts any more once the set was stopped."""
        tasks = TaskSet()
        self.successResultOf(tasks.stop())
        tasks.spawn("late", self.forever())
        self.assertEqual(len(tasks), 0)

    async def forever(self) -> None:
        """Wait without end."""
        await Deferred()
