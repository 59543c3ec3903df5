"""Tests of the shared lock."""

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import Bug, LockDeleted, LockTimeout
from ganetix.locking.shared import Hold, SharedLock


class SharedLockTests(SynchronousTestCase):
    """One lock: modes, order, time-outs, deletion."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.lock = SharedLock("web1", self.clock)

    def take(self, shared: bool = False, **options: object) -> Hold:
        """Acquire what must be granted at once."""
        return self.successResultOf(self.lock.acquire(shared, **options))  # type: ignore[arg-type]

    def test_excludes(self) -> None:
        """One exclusive holder keeps everybody else out until it lets go."""
        hold = self.take()
        waiting = [self.lock.acquire(), self.lock.acquire(shared=True)]
        for d in waiting:
            self.assertNoResult(d)
        hold.release()
        self.clock.advance(0)
        self.successResultOf(waiting[0]).release()
        self.clock.advance(0)
        self.successResultOf(waiting[1])

    def test_shares(self) -> None:
        """Sharers hold the lock together; an exclusive claim waits for the last."""
        holds = [self.take(shared=True), self.take(shared=True)]
        alone = self.lock.acquire()
        holds[0].release()
        self.clock.advance(0)
        self.assertNoResult(alone)
        holds[1].release()
        self.clock.advance(0)
        self.successResultOf(alone)

    def test_sharer_waits_behind_exclusive(self) -> None:
        """A new sharer does not overtake an exclusive claim that waits already."""
        hold = self.take(shared=True)
        alone = self.lock.acquire()
        late = self.lock.acquire(shared=True)
        self.assertNoResult(late)
        hold.release()
        self.clock.advance(0)
        self.successResultOf(alone)
        self.assertNoResult(late)

    def test_urgent_sharer_joins(self) -> None:
        """A sharer of a better priority than all who wait joins the sharers at once."""
        self.take(shared=True)
        self.assertNoResult(self.lock.acquire(priority=0))
        self.take(shared=True, priority=-1)

    def test_no_code_of_waiters_inside_release(self) -> None:
        """A waiter is told at the reactor's next turn, though it has the lock now."""
        hold = self.take()
        told: list[Hold] = []
        _ = self.lock.acquire(owner="next").addCallback(told.append)
        hold.release()
        self.assertEqual(told, [])
        self.assertEqual(self.lock.state().holders[0].owner, "next")
        self.clock.advance(0)
        self.assertEqual(len(told), 1)

    def test_timeout(self) -> None:
        """A claim that is not granted in time fails and says who was in its way."""
        self.take(owner="job 1")
        d = self.lock.acquire(timeout=5)
        self.clock.advance(4.9)
        self.assertNoResult(d)
        self.clock.advance(0.1)
        error = self.failureResultOf(d, LockTimeout).value
        self.assertEqual(
            str(error), "lock web1, held by job 1, was not granted within 5 s"
        )
        self.assertEqual(self.lock.state().waiters, ())

    def test_timeout_zero(self) -> None:
        """A time-out of 0 tries once and leaves nothing behind."""
        hold = self.take(timeout=0)
        self.failureResultOf(self.lock.acquire(timeout=0), LockTimeout)
        hold.release()
        self.assertTrue(self.lock.is_idle)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeout_after_grant(self) -> None:
        """A claim that was granted cannot time out any more."""
        hold = self.take()
        d = self.lock.acquire(timeout=5)
        hold.release()
        self.clock.advance(10)
        self.successResultOf(d).release()

    def test_timeout_lets_others_by(self) -> None:
        """When the exclusive claim in front gives up, the sharers behind it go in."""
        self.take(shared=True)
        alone = self.lock.acquire(timeout=1)
        late = self.lock.acquire(shared=True)
        self.clock.advance(1)
        self.failureResultOf(alone, LockTimeout)
        self.clock.advance(0)
        self.successResultOf(late)

    def test_cancel(self) -> None:
        """A cancelled claim leaves the queue."""
        hold = self.take()
        gone, stays = self.lock.acquire(), self.lock.acquire()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        hold.release()
        self.clock.advance(0)
        self.successResultOf(stays)

    def test_cancel_between_grant_and_news(self) -> None:
        """A claim cancelled when granted, but not told, gives the lock back."""
        hold = self.take()
        gone, stays = self.lock.acquire(), self.lock.acquire()
        hold.release()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.clock.advance(0)
        self.successResultOf(stays)

    def test_cancelled_sharers_leave_no_place(self) -> None:
        """The place of sharers who all gave up cannot be joined any more."""
        hold = self.take()
        gone = self.lock.acquire(shared=True)
        alone = self.lock.acquire()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        late = self.lock.acquire(shared=True)
        hold.release()
        self.clock.advance(0)
        self.successResultOf(alone)
        self.assertNoResult(late)

    def test_release_twice(self) -> None:
        """A hold lets go once."""
        hold = self.take()
        hold.release()
        self.assertRaises(Bug, hold.release)

    def test_downgrade(self) -> None:
        """Downgrading lets the sharers of the best priority in, past exclusive ones."""
        hold = self.take()
        alone = self.lock.acquire(priority=1)
        sharer = self.lock.acquire(shared=True, priority=1)
        later = self.lock.acquire(shared=True, priority=2)
        hold.downgrade()
        self.clock.advance(0)
        self.assertTrue(hold.shared)
        self.successResultOf(sharer).release()
        self.assertNoResult(alone)
        self.assertNoResult(later)
        hold.downgrade()
        hold.release()
        self.clock.advance(0)
        self.successResultOf(alone)

    def test_delete(self) -> None:
        """Deleting waits for the lock; then nobody gets it, whoever waited or comes."""
        hold = self.take(shared=True)
        deleted = self.lock.delete()
        waiting = self.lock.acquire(timeout=5)
        self.assertNoResult(deleted)
        hold.release()
        self.clock.advance(0)
        self.successResultOf(deleted)
        self.clock.advance(0)
        error = self.failureResultOf(waiting, LockDeleted).value
        self.assertEqual(str(error), "lock web1 was removed")
        self.failureResultOf(self.lock.acquire(), LockDeleted)
        self.failureResultOf(self.lock.delete(), LockDeleted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_delete_shared(self) -> None:
        """A sharer with others beside it cannot delete."""
        hold = self.take(shared=True)
        self.take(shared=True)
        self.assertRaises(Bug, hold.delete)

    def test_state(self) -> None:
        """The monitor shows mode, holders, and waiters in the order of service."""
        self.clock.advance(100)
        self.take(shared=True, owner="a")
        self.clock.advance(1)
        for owner, shared, priority in [("b", False, 0), ("c", True, 0), ("d", 0, -5)]:
            self.assertNoResult(
                self.lock.acquire(bool(shared), int(priority), owner=owner)
            )
        state = self.lock.state()
        self.assertEqual((state.name, state.mode), ("web1", "shared"))
        self.assertEqual([(h.owner, h.since) for h in state.holders], [("a", 100)])
        self.assertEqual(
            [(w.owner, w.mode, w.priority, w.since) for w in state.waiters],
            [
                ("d", "exclusive", -5, 101),
                ("b", "exclusive", 0, 101),
                ("c", "shared", 0, 101),
            ],
        )


class OrderTests(SynchronousTestCase):
    """Who comes after whom."""

    def test_documents_example(self) -> None:
        """The queue of the design document is served in the order that it gives."""
        clock = Clock()
        lock = SharedLock("lock", clock)
        first = self.successResultOf(lock.acquire())
        served: list[tuple[str, Hold]] = []

        def told(name: str) -> Callable[[Hold], None]:
            return lambda hold: served.append((name, hold))

        for priority, names in [
            (33, ["S6", "E4", "E5"]),
            (10, ["E3"]),
            (0, ["E1", "E2", "S1", "S2", "S3"]),
            (2, ["S4", "S5"]),
        ]:
            for name in names:
                d = lock.acquire(shared=name[0] == "S", priority=priority)
                _ = d.addCallback(told(name))
        order: list[tuple[str, ...]] = []
        first.release()
        while True:
            clock.advance(0)
            if not served:
                break
            order.append(tuple(name for name, _ in served))
            now, served[:] = served[:], []
            for _, hold in now:
                hold.release()
        self.assertEqual(
            order,
            [
                ("E1",),
                ("E2",),
                ("S1", "S2", "S3"),
                ("S4", "S5"),
                ("E3",),
                ("S6",),
                ("E4",),
                ("E5",),
            ],
        )

    def test_sharer_joins_group(self) -> None:
        """A later sharer joins its priority's group, ahead of exclusive ones."""
        clock = Clock()
        lock = SharedLock("lock", clock)
        first = self.successResultOf(lock.acquire())
        early, alone, late = lock.acquire(True), lock.acquire(), lock.acquire(True)
        first.release()
        clock.advance(0)
        holds = [self.successResultOf(early), self.successResultOf(late)]
        self.assertNoResult(alone)
        for hold in holds:
            hold.release()
        clock.advance(0)
        self.successResultOf(alone)

    def test_crowd(self) -> None:
        """200,000 waiters are served in order, without recursion."""
        clock = Clock()
        lock = SharedLock("lock", clock)
        first = self.successResultOf(lock.acquire())
        order: list[int] = []

        def work(hold: Hold, number: int) -> None:
            order.append(number)
            hold.release()

        crowd = 200_000
        for number in range(crowd):
            _ = lock.acquire().addCallback(work, number)
        first.release()
        while len(order) < crowd:
            clock.advance(0)
        self.assertEqual(order, [*range(crowd)])
        self.assertTrue(lock.is_idle)
