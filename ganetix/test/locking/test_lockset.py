"""Tests of lock sets."""

from collections.abc import Collection

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import AlreadyExists, LockDeleted, LockTimeout
from ganetix.locking import ALL, LockSet, Names, SetHold


class LockSetTests(SynchronousTestCase):
    """Several names at once, and all of them."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.set = LockSet("instance", self.clock)
        self.set.keep(["a", "b", "c"])

    def take(
        self,
        names: Names,
        shared: bool = False,
        exclusively: Collection[str] = (),
        creates: Collection[str] = (),
    ) -> SetHold:
        """Acquire what must be granted at once."""
        return self.successResultOf(
            self.set.acquire(names, shared, exclusively=exclusively, creates=creates)
        )

    def turn(self) -> None:
        """Let what is due be done."""
        for _ in range(5):
            self.clock.advance(0)

    def busy(self) -> list[str]:
        """The locks that somebody holds or wants."""
        states = self.set.states()
        return [state.name for state in states if state.holders or state.waiters]

    def test_names(self) -> None:
        """Names are held together and let go together."""
        hold = self.take(["b", "a"])
        self.assertEqual(hold.names, {"a", "b"})
        other = self.set.acquire(["a"])
        self.take(["c"]).release()
        hold.release()
        self.turn()
        self.successResultOf(other).release()
        self.assertEqual(self.busy(), [])

    def test_no_names(self) -> None:
        """Nothing is got at once."""
        self.assertEqual(self.take([]).names, frozenset())

    def test_mixed_modes(self) -> None:
        """Some names may be held exclusively where the others are shared."""
        self.take(["a", "b"], shared=True, exclusively=["b"])
        self.take(["a"], shared=True)
        self.assertNoResult(self.set.acquire(["b"], True))

    def test_one_order(self) -> None:
        """Two who want the same names in another order cannot block each other."""
        first = self.take(["b"])
        one, two = self.set.acquire(["a", "b"]), self.set.acquire(["b", "a"])
        first.release()
        self.turn()
        self.successResultOf(one).release()
        self.turn()
        self.successResultOf(two)

    def test_partial_release(self) -> None:
        """Some names may be let go before the others."""
        hold = self.take(["a", "b"])
        hold.release(["a"])
        self.assertEqual(hold.names, {"b"})
        self.take(["a"])

    def test_downgrade(self) -> None:
        """Names may be shared later on."""
        hold = self.take(["a", "b"])
        hold.downgrade(["a"])
        self.take(["a"], shared=True)
        self.assertNoResult(self.set.acquire(["b"], True))

    def test_unknown(self) -> None:
        """A name that is not there fails the whole and is named."""
        error = self.failureResultOf(self.set.acquire(["a", "z"]), LockDeleted).value
        self.assertEqual(str(error), "there is no lock instance/z")
        self.assertEqual(self.busy(), [])

    def test_total_timeout(self) -> None:
        """The time-out is for all names together, and nothing stays held."""
        a, b = self.take(["a"]), self.take(["b"])
        d = self.set.acquire(["a", "b", "c"], timeout=5)
        self.clock.advance(3)
        a.release()
        self.clock.advance(0)
        self.clock.advance(1.9)
        self.assertNoResult(d)
        self.clock.advance(0.1)
        self.failureResultOf(d, LockTimeout)
        b.release()
        self.assertEqual(self.busy(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeout_zero(self) -> None:
        """A time-out of 0 tries once."""
        self.take(["a", "b"], True)
        self.successResultOf(self.set.acquire(["a", "b"], True, timeout=0))
        self.failureResultOf(self.set.acquire(["b"], timeout=0), LockTimeout)

    def test_cancel(self) -> None:
        """Cancelling lets go of what was got so far."""
        hold = self.take(["b"])
        d = self.set.acquire(["a", "b"])
        d.cancel()
        self.failureResultOf(d, CancelledError)
        self.take(["a"])
        hold.release()
        self.assertEqual(self.busy(), ["instance/a"])

    def test_all(self) -> None:
        """All of the set is all names, and holds off additions."""
        hold = self.take(ALL)
        self.assertEqual((hold.names, hold.is_all), ({"a", "b", "c"}, True))
        added = self.set.add(["d"])
        self.turn()
        self.assertNoResult(added)
        hold.release()
        self.turn()
        self.successResultOf(added)
        self.assertIn("d", self.set)

    def test_all_shared(self) -> None:
        """Several may share all, some of them a name exclusively in the end."""
        one = self.take(ALL, shared=True)
        self.take(ALL, shared=True)
        late = self.set.acquire(ALL, True, exclusively=["b"])
        self.assertNoResult(late)
        self.assertNoResult(self.set.acquire([], creates=["z"]))
        one.release(["a"])
        self.assertFalse(one.is_all)

    def test_all_waits_for_names(self) -> None:
        """Who wants all waits for whoever holds one."""
        hold = self.take(["b"])
        everything = self.set.acquire(ALL)
        self.assertNoResult(everything)
        hold.release()
        self.turn()
        self.successResultOf(everything)

    def test_all_skips_vanished(self) -> None:
        """A name that vanishes while one waits for all is skipped."""
        hold = self.take(["b"])
        everything = self.set.acquire(ALL)
        self.set.drop(["b"])
        hold.release()
        self.turn()
        self.assertEqual(self.successResultOf(everything).names, {"a", "c"})

    def test_vanished(self) -> None:
        """A name that vanishes fails those who wait for it by name."""
        hold = self.take(["b"])
        d = self.set.acquire(["a", "b"])
        self.set.drop(["b"])
        self.assertNoResult(d)
        hold.release()
        self.turn()
        error = self.failureResultOf(d, LockDeleted).value
        self.assertEqual(str(error), "lock instance/b was removed")
        self.assertEqual((self.set.names(), self.busy()), ({"a", "c"}, []))

    def test_remove(self) -> None:
        """Removing waits for the lock; its other waiters fail."""
        hold = self.take(["b"])
        removed, waiting = self.set.remove("b"), self.set.acquire(["b"])
        hold.release()
        self.turn()
        self.successResultOf(removed)
        self.failureResultOf(waiting, LockDeleted)
        self.failureResultOf(self.set.remove("b"), LockDeleted)

    def test_drop_unused(self) -> None:
        """A name that nobody holds is gone at once; dropping again is harmless."""
        self.set.drop(["a"])
        self.set.drop(["a"])
        self.assertEqual(self.set.names(), {"b", "c"})

    def test_add_existing(self) -> None:
        """A name that is there cannot be added, nor those with it."""
        d = self.set.add(["d", "a"])
        self.failureResultOf(d, AlreadyExists)
        self.assertNotIn("d", self.set)
        self.assertEqual(self.busy(), [])

    def test_creates(self) -> None:
        """A name in the making is held exclusively, and gone when nobody keeps it."""
        hold = self.take(["a"], creates=["z"])
        self.assertEqual(hold.names, {"a", "z"})
        self.assertNoResult(self.set.acquire(["z"], True))
        hold.release()
        self.assertNotIn("z", self.set)

    def test_created_and_kept(self) -> None:
        """A name that was kept while it was held stays."""
        hold = self.take([], creates=["z"])
        self.set.keep(["z"])
        hold.release()
        self.take(["z"])

    def test_creators_compete(self) -> None:
        """Who waits to create a name gets it, whatever became of the first try."""
        first = self.take([], creates=["z"])
        second = self.set.acquire([], creates=["z"])
        first.release()
        self.turn()
        self.successResultOf(second).release()
        self.assertEqual(self.set.names(), {"a", "b", "c"})

    def test_creator_gives_up(self) -> None:
        """A name that its creator gave up before having it leaves no trace."""
        hold = self.take(["a"])
        d = self.set.acquire(["a"], creates=["z"], timeout=1)
        self.assertIn("z", self.set)
        self.clock.advance(1)
        self.failureResultOf(d, LockTimeout)
        self.assertNotIn("z", self.set)
        hold.release()

    def test_creates_existing(self) -> None:
        """A name to be created may be there already; it is waited for and stays."""
        hold = self.take(["a"])
        d = self.set.acquire([], creates=["a"])
        hold.release()
        self.turn()
        self.successResultOf(d).release()
        self.assertIn("a", self.set)

    def test_awaited(self) -> None:
        """The set knows which lock an owner waits for."""
        self.take(["b"])
        d = self.set.acquire(["a", "b"], owner="job 2")
        state = self.set.awaited_by("job 2")
        self.assertEqual(state and state.name, "instance/b")
        d.cancel()
        self.failureResultOf(d, CancelledError)
        self.assertIsNone(self.set.awaited_by("job 2"))

    def test_many_names(self) -> None:
        """Taking very many names leaves the reactor its turn."""
        self.set.keep(map(str, range(1000)))
        clock = self.clock

        def seconds() -> float:
            clock.rightNow += 0.001
            return float(clock.rightNow)

        clock.seconds = seconds  # type: ignore[method-assign]
        d: Deferred[SetHold] = self.set.acquire(ALL)
        self.assertNoResult(d)
        while not d.called:
            clock.advance(0)
        self.assertEqual(len(self.successResultOf(d).names), 1003)
