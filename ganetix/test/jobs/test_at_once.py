"""Tests of jobs that begin as they come in: one write, and they run."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import NotFound, StateFault, Unavailable
from ganetix.test.jobs.support import (
    START,
    Master,
    QueueTestCase,
    instance_locks,
    request,
)
from ganetix.testing.config import make_instance
from ganetix.testing.state import HeldOffload


def put_instance(_snapshot: Snapshot) -> Edits:
    """An instance for the configuration."""
    return Edits(put=(make_instance("web", "node1"),))


class AtOnceTests(QueueTestCase):
    """A job alone, with slot and locks free, on a store that takes its time."""

    slots = 2

    def setUp(self) -> None:
        """A master whose writes the test lets go."""
        super().setUp()
        self.held = HeldOffload()
        self.clock = Clock()
        self.clock.advance(START)
        self.master = Master(self.clock, self.medium, self.held, self.slots)
        self.worker = self.master.worker
        self.queue = self.master.queue
        starting = Deferred.fromCoroutine(self.master.start())
        self.held.release_all()
        self.successResultOf(starting)

    def begin(self, *names: str) -> Deferred[tuple[int, ...]]:
        """Submit a job; nothing is written yet."""
        return self.queue.submit([request(*names)])

    def stored(self, job_id: int) -> str:
        """How the next master finds a job."""
        master = Master(Clock(), dict(self.medium))
        self.successResultOf(master.start())
        return self.successResultOf(master.queue.job(job_id)).status

    def test_runs_when_recorded(self) -> None:
        """It is neither done, nor seen, nor acknowledged before it is durable."""
        submitted = self.begin("a")
        self.turn()
        self.assertNoResult(submitted)
        self.assertEqual(self.worker.started, [])
        self.assertFalse(self.queue.is_active(1))
        self.held.release()
        self.assertEqual(self.successResultOf(submitted), (1,))
        self.assertEqual(self.worker.started, ["a"])
        self.assertEqual(self.job(1).status, "running")

    def test_interrupted(self) -> None:
        """It runs for whoever finds its first record: it is not done twice."""
        _ = self.begin("a")
        self.held.release_all()
        self.assertEqual(self.stored(1), "error")

    def test_refused(self) -> None:
        """If the store does not take it there is no such job, and no lock or slot."""
        self.worker.plans["a"] = instance_locks("web")
        instance = self.master.config.commit(put_instance)
        self.held.release_all()
        self.successResultOf(instance)
        self.master.engine.fault = "disk is full"
        submitted = self.begin("a")
        self.held.release_all()
        self.failureResultOf(submitted, StateFault)
        self.assertEqual(self.queue.locks(), ())
        self.assertEqual(self.master.scheduler.running, ())
        found = self.queue.job(1)
        self.held.release_all()
        self.failureResultOf(found, NotFound)

    def test_lock_is_held(self) -> None:
        """It waits as any other if somebody has one of its locks."""
        for name in "ab":
            self.worker.plans[name] = instance_locks("web")
        instance = self.master.config.commit(put_instance)
        self.held.release_all()
        self.successResultOf(instance)
        for name in "ab":
            _ = self.begin(name)
            self.held.release_all()
        self.turn()
        self.assertEqual(self.job(2).status, "waiting")
        self.worker.succeed("a")
        for _ in range(3):
            self.held.release_all()
            self.turn()
        self.assertEqual(self.worker.started, ["a", "b"])

    def test_slots_are_taken(self) -> None:
        """Those whose records are on their way have slots: the next one has none."""
        for name in "abc":
            _ = self.begin(name)
        self.assertEqual(len(self.master.scheduler.running), 2)
        self.held.release_all()
        self.turn()
        self.assertEqual(self.worker.started, ["a", "b"])
        self.assertEqual(self.job(3).status, "queued")

    def test_nobody_is_overtaken(self) -> None:
        """One that comes while others wait for a slot waits behind them."""
        for name in "abc":
            _ = self.begin(name)
            self.held.release_all()
        self.worker.succeed("a")
        _ = self.begin("d")
        for _ in range(3):
            self.held.release_all()
            self.turn()
        self.assertEqual(self.worker.started, ["a", "b", "c"])

    def test_stop(self) -> None:
        """Who submits while the master stops is told so."""
        submitted = self.begin("a")
        stopped = Deferred.fromCoroutine(self.queue.stop())
        self.failureResultOf(submitted, Unavailable)
        self.held.release_all()
        self.successResultOf(stopped)
        self.assertEqual(self.worker.started, [])
        self.assertEqual(self.stored(1), "error")
