"""Tests of the lock manager: levels, owners, and that nobody waits for ever."""

from collections.abc import Collection

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import Bug, LockOrderError, LockTimeout
from ganetix.locking import ALL, LEVELS, Level, LockManager, Names

NAMES = ("a", "b", "c")


class ManagerTests(SynchronousTestCase):
    """Owners acquire levels in order."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.locks = LockManager(self.clock)
        for level in LEVELS[1:]:
            self.locks.keep(level, NAMES)

    def take(
        self,
        owner: str,
        level: Level,
        names: Names,
        shared: bool = False,
        creates: Collection[str] = (),
    ) -> frozenset[str]:
        """Acquire what must be granted at once."""
        d = self.locks.acquire(owner, level, names, shared, creates=creates)
        return self.successResultOf(d)

    def turn(self) -> None:
        """Let what is due be done."""
        for _ in range(5):
            self.clock.advance(0)

    def test_levels_in_order(self) -> None:
        """All levels can be held, one after the other."""
        self.take("me", "cluster", ["cluster"], shared=True)
        for level in LEVELS[1:]:
            self.assertEqual(self.take("me", level, ["b", "a"]), {"a", "b"})
        self.assertEqual(set(self.locks.held("me")), set(LEVELS))

    def test_against_the_order(self) -> None:
        """A level at or before one that is held is refused at once."""
        self.take("me", "group", ["a"])
        for level in LEVELS[:3]:
            d = self.locks.acquire("me", level, ["cluster"])
            error = self.failureResultOf(d, LockOrderError).value
            self.assertIn("but holds group locks", str(error))
        self.take("me", "node", ["a"])

    def test_while_waiting(self) -> None:
        """An owner waits for one thing at a time."""
        self.take("other", "instance", ["a"])
        d = self.locks.acquire("me", "instance", ["a"])
        late = self.locks.acquire("me", "node", ["a"])
        self.failureResultOf(late, LockOrderError)
        self.assertNoResult(d)

    def test_cluster_lock_is_implied(self) -> None:
        """Whoever holds anything shares the cluster lock; its sole owner is alone."""
        self.take("me", "node", ["a"])
        alone = self.locks.acquire("boss", "cluster", ["cluster"])
        late = self.locks.acquire("late", "node", ["b"])
        self.assertNoResult(alone)
        self.locks.release_all("me")
        self.turn()
        self.successResultOf(alone)
        self.take("boss", "node", ALL)
        self.assertNoResult(late)
        self.locks.release_all("boss")
        self.turn()
        self.successResultOf(late)

    def test_timeout_covers_cluster_lock(self) -> None:
        """The time-out counts the wait for the implied lock, which is let go again."""
        self.take("boss", "cluster", ["cluster"])
        self.failureResultOf(
            self.locks.acquire("me", "node", ["a"], timeout=0), LockTimeout
        )
        d = self.locks.acquire("me", "node", ["a"], timeout=2)
        self.clock.advance(2)
        self.failureResultOf(d, LockTimeout)
        self.locks.release_all("boss")
        self.take("other", "node", ["a"])
        self.failureResultOf(
            self.locks.acquire("me", "node", ["a"], timeout=0), LockTimeout
        )
        self.assertEqual(self.locks.held("me"), {})
        self.locks.release_all("other")
        self.take("boss", "cluster", ["cluster"])

    def test_release_level(self) -> None:
        """One level can be let go alone, or some of its names."""
        self.take("me", "instance", ["a"])
        self.take("me", "node", ["a", "b"])
        self.locks.release_names("me", "node", ["a"])
        self.take("other", "node", ["a"])
        self.locks.release("me", "instance")
        self.assertEqual(self.locks.held("me"), {"cluster": {"cluster"}, "node": {"b"}})
        self.assertRaises(Bug, self.locks.release, "me", "instance")

    def test_downgrade(self) -> None:
        """What is held of a level can be shared."""
        self.take("me", "node", ["a"])
        self.locks.downgrade("me", "node")
        self.take("other", "node", ["a"], shared=True)

    def test_release_all_while_waiting(self) -> None:
        """Letting go of everything also withdraws what is waited for."""
        self.take("other", "node", ["b"])
        self.take("me", "instance", ["a"])
        d = self.locks.acquire("me", "node", ["a", "b"])
        self.locks.release_all("me")
        self.failureResultOf(d, CancelledError)
        self.assertEqual(self.locks.held("me"), {})
        self.take("third", "instance", ["a"])
        self.take("third", "node", ["a"])
        self.locks.release_all("nobody")

    def test_change_priority_while_waiting(self) -> None:
        """A new priority counts at once, for all of what is being acquired."""
        self.take("me", "instance", ["a"])
        self.take("other", "instance", ["b"])
        for owner in ("first", "late"):
            _ = self.locks.acquire(owner, "instance", ["a", "b"])
        self.locks.change_priority("late", -10)
        self.locks.change_priority("nobody", -10)
        for owner in ("me", "other"):
            self.locks.release_all(owner)
            self.turn()
        self.assertEqual(set(self.locks.held("late")), {"cluster", "instance"})
        self.assertEqual(self.locks.held("first"), {})

    def test_change_priority_of_sharer(self) -> None:
        """Who may share what others hold gets it with a priority before all others."""
        self.take("me", "instance", ["a"], shared=True)
        _ = self.locks.acquire("writer", "instance", ["a"])
        reading = self.locks.acquire("reader", "instance", ["a"], True)
        self.assertNoResult(reading)
        self.locks.change_priority("reader", -10)
        self.turn()
        self.assertEqual(self.successResultOf(reading), {"a"})

    def test_monitor(self) -> None:
        """The monitor lists all locks by level, or those in use."""
        self.take("me", "node", ["b"])
        d = self.locks.acquire("other", "node", ["b"], True, -5)
        self.assertNoResult(d)
        self.assertEqual(len(list(self.locks.monitor())), 5 + 1 + 4 * 3)
        used = {entry.lock.name: entry for entry in self.locks.monitor(busy_only=True)}
        self.assertEqual(set(used), {"cluster/cluster", "node/b"})
        lock = used["node/b"].lock
        self.assertEqual((used["node/b"].level, lock.mode), ("node", "exclusive"))
        self.assertEqual([h.owner for h in lock.holders], ["me"])
        self.assertEqual([(w.owner, w.priority) for w in lock.waiters], [("other", -5)])
        awaited = self.locks.awaited_by("other")
        self.assertEqual(awaited and awaited.name, "node/b")
        self.assertIsNone(self.locks.awaited_by("me"))


names = st.just(ALL) | st.lists(st.sampled_from(NAMES), unique=True)
new_names = st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2).map(tuple)
steps = st.fixed_dictionaries(
    {},
    optional={
        level: st.tuples(names, st.booleans(), new_names) for level in LEVELS[1:]
    },
)
workers = st.lists(
    st.tuples(steps, st.integers(-2, 2), st.none() | st.just(1)), max_size=12
)


class DeadlockTests(SynchronousTestCase):
    """Owners with any wishes, all at once."""

    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(workers, st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=8))
    def test_everybody_gets_on(
        self,
        wishes: list[
            tuple[dict[Level, tuple[Names, bool, tuple[str, ...]]], int, int | None]
        ],
        cancels: list[tuple[int, bool]],
    ) -> None:
        """All come to their end, nobody meets another, and nothing stays behind."""
        clock = Clock()
        locks = LockManager(clock)
        for level in LEVELS[1:]:
            locks.keep(level, NAMES)
        held: dict[tuple[Level, str], list[bool]] = {}

        async def work(number: int) -> None:
            plan, priority, timeout = wishes[number]
            mine: list[tuple[tuple[Level, str], bool]] = []
            try:
                for level in LEVELS:
                    if level not in plan:
                        continue
                    wanted, shared, new = plan[level]
                    got = await locks.acquire(
                        number, level, wanted, shared, priority, timeout, creates=new
                    )
                    for name in got:
                        key, is_shared = (level, name), shared and name not in new
                        others = held.setdefault(key, [])
                        assert not others or (is_shared and all(others))
                        others.append(is_shared)
                        mine.append((key, is_shared))
                    pause: Deferred[None] = Deferred()
                    clock.callLater(0.3, pause.callback, None)
                    await pause
            except (LockTimeout, CancelledError):
                pass
            finally:
                for key, is_shared in mine:
                    held[key].remove(is_shared)
                locks.release_all(number)

        running = [Deferred.fromCoroutine(work(n)) for n in range(len(wishes))]
        for number, late in cancels:
            clock.advance(0.2 if late else 0)
            if number < len(running) and not running[number].called:
                running[number].cancel()
        for _ in range(200):
            clock.advance(0.1)
        for done in running:
            self.successResultOf(done)
        self.assertEqual(list(locks.monitor(busy_only=True)), [])
        for level in LEVELS[1:]:
            self.assertEqual(locks.names(level), set(NAMES))
