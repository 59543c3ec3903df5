"""The state store's group commit: order, revisions, faults."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import StateFault
from ganetix.flow.outbox import SLICE_SECONDS
from ganetix.state.medium import PROBE_SECONDS
from ganetix.state.rows import Row, RowKey
from ganetix.state.store import StateStore
from ganetix.testing.state import (
    CrashingEngine,
    FailingEngine,
    HeldOffload,
    MemoryEngine,
    put,
)


class StateStoreTests(SynchronousTestCase):
    """A store on an engine that writes when the test says so."""

    def setUp(self) -> None:
        """An open store."""
        self.clock = Clock()
        self.held = HeldOffload()
        self.memory = MemoryEngine(offload=self.held)
        self.engine = FailingEngine(self.memory)
        self.store = self.opened(StateStore(self.engine, self.clock))

    def opened(self, store: StateStore) -> StateStore:
        """The store, open."""
        opening = Deferred.fromCoroutine(store.open())
        self.held.release_all()
        self.successResultOf(opening)
        return store

    def keys(self) -> list[str]:
        """The keys of all rows of kind ``k``."""
        loading = self.store.load(["k"])
        self.held.release_all()
        return [row.key for row in self.successResultOf(loading)]

    def test_not_before_durable(self) -> None:
        """A writer is told only after the engine has written."""
        write = self.store.write([put("k", "a")])
        self.assertNoResult(write)
        self.assertEqual(self.store.revision, 0)
        self.held.release()
        self.assertEqual(self.successResultOf(write), 1)
        self.assertEqual(self.store.revision, 1)

    def test_groups(self) -> None:
        """Batches that come during a write share the next one, a revision each."""
        writes = [self.store.write([put("k", str(n))]) for n in range(4)]
        self.held.release()
        self.assertEqual(self.successResultOf(writes[0]), 1)
        self.assertNoResult(writes[1])
        self.held.release()
        self.assertEqual([self.successResultOf(w) for w in writes[1:]], [2, 3, 4])
        self.assertEqual(len(self.held), 0)

    def test_order_within_group(self) -> None:
        """Within a group the later batch has the last word on a row."""
        writes = [self.store.write([put("k", "a", b"%d" % n)]) for n in range(4)]
        self.held.release_all()
        for write in writes:
            self.successResultOf(write)
        self.assertEqual(self.memory.medium[RowKey("k", "a")], b"3")

    def test_failed_group(self) -> None:
        """A failing write fails all of its group, and nothing of it is there."""
        first = self.store.write([put("k", "a")])
        group = [self.store.write([put("k", key)]) for key in "bc"]
        self.held.release()
        self.successResultOf(first)
        self.engine.fault = "the disk is full"
        # The group was handed to the engine before the disk filled up: it is written.
        self.held.release()
        self.assertEqual([self.successResultOf(w) for w in group], [2, 3])
        group = [self.store.write([put("k", key)]) for key in "def"]
        self.held.release_all()
        for write in group:
            error = self.failureResultOf(write, StateFault).value
            self.assertEqual(str(error), "the disk is full")
        self.assertEqual(self.keys(), ["a", "b", "c"])
        self.assertEqual(self.store.revision, 3)

    def test_fault(self) -> None:
        """The fault stands until a write succeeds, and both are logged once."""
        self.engine.fault = "the disk is full"
        with capturedLogs() as events:
            for _ in range(3):
                write = self.store.write([put("k", "a")])
                self.held.release_all()
                self.failureResultOf(write, StateFault)
            self.assertEqual(self.store.fault, "the disk is full")
            self.engine.fault = None
            write = self.store.write([put("k", "a")])
            self.held.release_all()
        self.assertEqual(self.successResultOf(write), 1)
        self.assertIsNone(self.store.fault)
        levels = [event["log_level"] for event in events]
        self.assertEqual(levels, [LogLevel.error, LogLevel.info])

    def test_fault_is_over_by_itself(self) -> None:
        """A medium that was full is tried until it is well, though nobody writes."""
        self.engine.fault = "disk full"
        write = self.store.write([put("k", "a")])
        self.held.release_all()
        self.failureResultOf(write, StateFault)
        for fault in ("disk full", "disk full", None):
            self.engine.fault = fault
            self.clock.advance(PROBE_SECONDS)
            self.held.release_all()
            self.assertEqual(self.store.fault, fault)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.keys(), [])

    def test_close_ends_probing(self) -> None:
        """A store that is closed tries nothing any more."""
        self.engine.fault = "disk full"
        write = self.store.write([put("k", "a")])
        self.held.release_all()
        self.failureResultOf(write, StateFault)
        closing = Deferred.fromCoroutine(self.store.close())
        self.held.release_all()
        self.successResultOf(closing)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_write_when_told(self) -> None:
        """A writer that writes again when told joins the next group, in order."""
        order: list[int] = []

        def again(revision: int) -> Deferred[None]:
            order.append(revision)
            return self.store.write([put("k", "again")]).addCallback(order.append)

        chain = self.store.write([put("k", "a")]).addCallback(again)
        other = self.store.write([put("k", "b")]).addCallback(order.append)
        self.held.release_all()
        self.successResultOf(chain)
        self.successResultOf(other)
        self.assertEqual(order, [1, 2, 3])

    def test_crowd(self) -> None:
        """Thousands who write again as soon as they are told do not pile up a stack."""
        told: list[int] = []
        for _ in range(5000):
            write = self.store.write([put("k", "a")])
            _ = write.addCallback(lambda _: self.store.write([put("k", "b")]))
            _ = write.addCallback(told.append)
        self.held.release_all()
        self.assertEqual(told, list(range(5001, 10001)))

    def test_long_tellings_are_sliced(self) -> None:
        """Writers with much to do when told leave the reactor its turn, good or bad."""
        for fault in (None, "disk full"):
            self.engine.fault = fault
            told: list[object] = []

            def work(outcome: object, told: list[object] = told) -> None:
                told.append(outcome)
                self.clock.rightNow += SLICE_SECONDS

            first = self.store.write([put("k", "first")])
            for n in range(3):
                _ = self.store.write([put("k", str(n))]).addBoth(work)
            self.held.release_all()
            _ = first.addErrback(lambda _: None)
            self.assertEqual(len(told), 1)
            for _ in range(3):
                self.clock.advance(0)
            self.assertEqual(len(told), 3)

    def test_withdraw(self) -> None:
        """A batch that is cancelled while it waits is not written."""
        writes = [self.store.write([put("k", key)]) for key in "abc"]
        writes[1].cancel()
        self.held.release_all()
        self.failureResultOf(writes[1], CancelledError)
        self.assertEqual(self.successResultOf(writes[2]), 2)
        self.assertEqual(self.keys(), ["a", "c"])

    def test_too_late_to_withdraw(self) -> None:
        """A batch that is cancelled while it is being written is written."""
        write = self.store.write([put("k", "a")])
        write.cancel()
        self.failureResultOf(write, CancelledError)
        self.assertEqual(self.keys(), ["a"])
        self.assertEqual(self.store.revision, 1)

    def test_not_open(self) -> None:
        """A store that is not open refuses writes."""
        store = StateStore(self.engine, self.clock)
        self.failureResultOf(store.write([put("k", "a")]), StateFault)

    def test_open_fails(self) -> None:
        """What keeps the engine shut is what opening the store fails with."""

        class Shut(FailingEngine):
            def open(self) -> Deferred[int]:
                return Deferred.fromCoroutine(self._shut())

            async def _shut(self) -> int:
                raise StateFault("in use by another process")

        store = StateStore(Shut(self.memory), self.clock)
        self.failureResultOf(Deferred.fromCoroutine(store.open()), StateFault)
        self.failureResultOf(store.write([]), StateFault)

    def test_close(self) -> None:
        """Closing writes what came before, refuses what comes after."""
        writes = [self.store.write([put("k", key)]) for key in "ab"]
        closing = Deferred.fromCoroutine(self.store.close())
        self.failureResultOf(self.store.write([put("k", "c")]), StateFault)
        self.held.release_all()
        self.successResultOf(closing)
        self.assertEqual([self.successResultOf(w) for w in writes], [1, 2])
        self.successResultOf(Deferred.fromCoroutine(self.store.close()))

    def test_unexpected_error(self) -> None:
        """A broken engine fails the writers and is logged with its traceback."""

        class Broken(FailingEngine):
            def commit(self, batches: object) -> Deferred[int]:
                raise ZeroDivisionError("broken")

        store = self.opened(StateStore(Broken(self.memory), self.clock))
        self.failureResultOf(store.write([put("k", "a")]), StateFault)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_slow_medium(self) -> None:
        """A write that takes long is warned of, with how long it took."""
        with capturedLogs() as events:
            write = self.store.write([put("k", "a")])
            self.clock.advance(2.5)
            self.held.release()
        self.successResultOf(write)
        self.assertEqual([event["seconds"] for event in events], [2.5])

    def test_scan_and_get(self) -> None:
        """Reads see durable rows only."""
        durable = self.store.write([put("k", "a")])
        self.held.release_all()
        self.successResultOf(durable)
        self.engine.fault = "the disk is full"
        refused = self.store.write([put("k", "b")])
        got = self.store.get([RowKey("k", "b"), RowKey("k", "a")])
        scanned = self.store.scan("k", "", 10, backwards=True)
        self.held.release_all()
        self.failureResultOf(refused, StateFault)
        self.assertEqual(self.successResultOf(got), [put("k", "a")])
        self.assertEqual(self.successResultOf(scanned), [put("k", "a")])

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("write"), st.sampled_from("abc")),
                st.tuples(st.just("delete"), st.sampled_from("abc")),
                st.sampled_from([("release", ""), ("fault", ""), ("mend", "")]),
            ),
            max_size=40,
        )
    )
    def test_any_history(self, moves: list[tuple[str, str]]) -> None:
        """Whatever comes: told in order, revisions without a gap, and no ghost rows."""
        self.setUp()
        told: list[tuple[int, int]] = []
        batches: list[tuple[str, bytes | None]] = []
        for move, key in moves:
            if move == "release" and self.held:
                self.held.release()
            elif move in ("fault", "mend"):
                self.engine.fault = "full" if move == "fault" else None
            elif key:
                number = len(batches)
                data = None if move == "delete" else b"%d" % number
                batches.append((key, data))
                write = self.store.write([Row("k", key, data)])
                _ = write.addCallbacks(
                    lambda revision, number=number: told.append((number, revision)),
                    lambda failure: failure.trap(StateFault),
                )
        self.held.release_all()
        self.assertEqual([number for number, _ in told], sorted(n for n, _ in told))
        self.assertEqual([rev for _, rev in told], list(range(1, len(told) + 1)))
        model: dict[str, bytes] = {}
        for number, _ in told:
            key, data = batches[number]
            if data is None:
                model.pop(key, None)
            else:
                model[key] = data
        found = {k.key: data for k, data in self.memory.medium.items() if k.kind}
        self.assertEqual(found, model)


class CrashingEngineTests(SynchronousTestCase):
    """The engine by which crash tests end a master at a chosen write."""

    def run_until(self, after: int, when: str) -> tuple[list[str], list[int], int]:
        """Write five batches: keys that are durable, revisions told, crashes."""
        medium: dict[RowKey, bytes] = {}
        crashes: list[None] = []
        engine = CrashingEngine(
            MemoryEngine(medium),
            after,
            lambda: crashes.append(None),
            "before" if when == "before" else "behind",
        )
        store = StateStore(engine, Clock())
        self.successResultOf(Deferred.fromCoroutine(store.open()))
        told: list[int] = []
        for key in "abcde":
            _ = store.write([put("k", key)]).addCallback(told.append)
        return sorted(k.key for k in medium if k.kind), told, len(crashes)

    def test_no_crash(self) -> None:
        """Without a number it counts commits and lets all through."""
        self.assertEqual(self.run_until(0, "before")[1:], ([1, 2, 3, 4, 5], 0))

    def test_before(self) -> None:
        """Nothing of the commit is durable, and nobody is told from then on."""
        self.assertEqual(self.run_until(3, "before"), (["a", "b"], [1, 2], 1))

    def test_behind(self) -> None:
        """The commit is durable though nobody was told."""
        self.assertEqual(self.run_until(3, "behind"), (["a", "b", "c"], [1, 2], 1))
