"""State engines for tests: in memory, failing, crashing; and their contract."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Literal, NoReturn, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ganetix.errors import StateFault
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import IReplicaEngine, IStateEngine, Offload
from ganetix.state.rows import Batch, Row, RowKey

T = TypeVar("T")

REVISION = RowKey("", "revision")
"""Where a ``MemoryEngine`` keeps its revision among its rows."""


class HeldOffload:
    """Work waits until the test lets it run."""

    def __init__(self) -> None:
        self._held: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """A Deferred that fires when the test releases this piece of work."""
        done: Deferred[T] = Deferred()

        def run() -> None:
            _ = inline_offload(work).chainDeferred(done)

        self._held.append(run)
        return done

    def __len__(self) -> int:
        """How many pieces of work are waiting."""
        return len(self._held)

    def release(self) -> None:
        """Run the oldest piece of work."""
        self._held.pop(0)()

    def release_all(self) -> None:
        """Run all work, and what comes of it, until none waits."""
        while self._held:
            self.release()


@implementer(IReplicaEngine)
class MemoryEngine:
    """Keeps rows in a dictionary: another engine with the same one goes on from it."""

    def __init__(
        self,
        medium: dict[RowKey, bytes] | None = None,
        offload: Offload = inline_offload,
    ) -> None:
        self.medium = {} if medium is None else medium
        self._offload = offload
        self._is_open = False
        self._staged: dict[RowKey, bytes] = {}

    def open(self) -> Deferred[int]:
        """Open the store; the last revision."""
        return self._offload(self._open)

    def load(self, kinds: Sequence[str]) -> Deferred[Sequence[Row]]:
        """All rows of these kinds, by kind and key."""
        return self._offload(lambda: self._rows(lambda key: key.kind in kinds))

    def get(self, keys: Sequence[RowKey]) -> Deferred[Sequence[Row]]:
        """The rows of these keys that exist, in the order asked."""
        return self._offload(lambda: self._get(keys))

    def scan(
        self, kind: str, after: str, limit: int, backwards: bool
    ) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows of a kind beyond key ``after``, in key order."""

        def is_beyond(key: RowKey) -> bool:
            beyond = key.key < after if backwards else key.key > after
            return key.kind == kind and (not after or beyond)

        step = -1 if backwards else 1
        return self._offload(lambda: self._rows(is_beyond)[::step][: max(limit, 0)])

    def page(self, after: RowKey, limit: int) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows of whatever kind beyond a key, by kind and key."""
        return self._offload(
            lambda: self._rows(lambda key: key > after and key != REVISION)[:limit]
        )

    def commit(self, batches: Sequence[Batch]) -> Deferred[int]:
        """Write batches, a revision each; the last revision."""
        return self._offload(lambda: self._commit(batches))

    def note(self, rows: Sequence[Row]) -> Deferred[None]:
        """Write rows without a revision."""
        return self._offload(lambda: self._put(self.medium, rows))

    def stage(self, rows: Sequence[Row], anew: bool) -> Deferred[None]:
        """Put rows aside."""
        return self._offload(lambda: self._stage(rows, anew))

    def adopt(self, revision: int, keep: str) -> Deferred[None]:
        """Replace all rows but those of kind ``keep`` by those put aside."""
        return self._offload(lambda: self._adopt(revision, keep))

    def close(self) -> Deferred[None]:
        """Close the store."""
        return self._offload(self._close)

    def _open(self) -> int:
        self._is_open = True
        return int(self.medium.get(REVISION, b"0"))

    def _close(self) -> None:
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise StateFault("state store in memory: not open")

    def _rows(self, is_wanted: Callable[[RowKey], bool]) -> list[Row]:
        self._check_open()
        return [
            Row(*key, data)
            for key, data in sorted(self.medium.items())
            if is_wanted(key)
        ]

    def _get(self, keys: Sequence[RowKey]) -> list[Row]:
        self._check_open()
        return [Row(*key, self.medium[key]) for key in keys if key in self.medium]

    def _commit(self, batches: Sequence[Batch]) -> int:
        for batch in batches:
            self._put(self.medium, batch.rows)
        self._check_open()
        revision = int(self.medium.get(REVISION, b"0")) + len(batches)
        self.medium[REVISION] = b"%d" % revision
        return revision

    def _put(self, rows: dict[RowKey, bytes], put: Sequence[Row]) -> None:
        self._check_open()
        for row in put:
            key = RowKey(row.kind, row.key)
            if row.data is None:
                rows.pop(key, None)
            else:
                rows[key] = row.data

    def _stage(self, rows: Sequence[Row], anew: bool) -> None:
        if anew:
            self._staged = {}
        self._put(self._staged, rows)

    def _adopt(self, revision: int, keep: str) -> None:
        self._check_open()
        kept = {key: data for key, data in self.medium.items() if key.kind == keep}
        staged, self._staged = self._staged, {}
        # In place: the next engine with this dictionary goes on from it.
        self.medium.clear()
        self.medium.update(staged | kept)
        self.medium[REVISION] = b"%d" % revision


@implementer(IStateEngine)
class _EngineAround:
    """Hands everything on to another engine."""

    def __init__(self, engine: IStateEngine) -> None:
        self._engine = engine

    def open(self) -> Deferred[int]:
        """Hand on."""
        return self._engine.open()

    def load(self, kinds: Sequence[str]) -> Deferred[Sequence[Row]]:
        """Hand on."""
        return self._engine.load(kinds)

    def get(self, keys: Sequence[RowKey]) -> Deferred[Sequence[Row]]:
        """Hand on."""
        return self._engine.get(keys)

    def scan(
        self, kind: str, after: str, limit: int, backwards: bool
    ) -> Deferred[Sequence[Row]]:
        """Hand on."""
        return self._engine.scan(kind, after, limit, backwards)

    def page(self, after: RowKey, limit: int) -> Deferred[Sequence[Row]]:
        """Hand on."""
        return self._engine.page(after, limit)

    def commit(self, batches: Sequence[Batch]) -> Deferred[int]:
        """Hand on."""
        return self._engine.commit(batches)

    def note(self, rows: Sequence[Row]) -> Deferred[None]:
        """Hand on."""
        return self._engine.note(rows)

    def close(self) -> Deferred[None]:
        """Hand on."""
        return self._engine.close()


class FailingEngine(_EngineAround):
    """An engine whose medium refuses every write while ``fault`` says why.

    The refusal takes as long as the offload of the engine around which it is.
    """

    def __init__(self, engine: IStateEngine, fault: str | None = None) -> None:
        super().__init__(engine)
        self.fault = fault

    def commit(self, batches: Sequence[Batch]) -> Deferred[int]:
        """Write, or fail with ``fault`` and write nothing."""
        if self.fault is None:
            return self._engine.commit(batches)
        error = StateFault(self.fault)

        def refuse(_: object) -> NoReturn:
            raise error

        return self._engine.get(()).addCallback(refuse)


class CrashingEngine(_EngineAround):
    """An engine that calls ``crash()`` at its ``after``-th commit, counted from 1.

    ``before`` that commit nothing of it is durable, ``behind`` it all is, though
    nobody was told. If ``crash()`` returns, this engine never answers again, as is the
    way of the dead. ``commits`` counts those begun, so that a first run without a
    crash (``after`` 0) tells how many points there are.
    """

    def __init__(
        self,
        engine: IStateEngine,
        after: int,
        crash: Callable[[], None],
        when: Literal["before", "behind"] = "before",
    ) -> None:
        super().__init__(engine)
        self._crash = crash
        self.arm(after, when)

    def arm(self, after: int, when: Literal["before", "behind"] = "before") -> None:
        """Crash there instead, counted from now."""
        self.commits = 0
        self._after = after
        self._when = when

    def commit(self, batches: Sequence[Batch]) -> Deferred[int]:
        """Write, or crash."""
        self.commits += 1
        if self._after == 0 or self.commits < self._after:
            return self._engine.commit(batches)
        if self.commits > self._after:
            return Deferred()
        if self._when == "before":
            self._crash()
            return Deferred()
        silence: Deferred[int] = Deferred()
        committed = self._engine.commit(batches)
        _ = committed.addCallbacks(lambda _: self._crash(), silence.errback)
        return silence


def kill_this_process() -> NoReturn:
    """End this process as ``kill -9`` does: nothing is flushed, nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def put(kind: str, key: str, data: bytes = b"{}") -> Row:
    """A row to write."""
    return Row(kind, key, data)


def make_istateengine_tests(
    factory: Callable[[TestCase], Callable[[], IStateEngine]],
) -> type[TestCase]:
    """What every state engine must pass.

    :param factory: prepares an empty medium for a test (and its clean-up), and returns
        what makes an engine on that medium, as often as it is called
    """

    class StateEngineTests(TestCase):
        """The contract of ``IStateEngine``."""

        async def setUp(self) -> None:  # type: ignore[override]  # trial awaits it
            self.make_engine = factory(self)
            self.engine = self.make_engine()
            await self.engine.open()
            self.addCleanup(lambda: self.engine.close())

        async def commit(self, *rows: Row) -> int:
            return await self.engine.commit([Batch(rows=rows)])

        async def reopen(self) -> int:
            await self.engine.close()
            self.engine = self.make_engine()
            return await self.engine.open()

        def test_interface(self) -> None:
            """The engine provides what the interface declares."""
            self.assertTrue(verifyObject(IStateEngine, self.engine))

        async def test_empty(self) -> None:
            """A new store is at revision 0 and holds nothing."""
            self.assertEqual(await self.reopen(), 0)
            self.assertEqual(list(await self.engine.load(["node"])), [])

        async def test_revisions(self) -> None:
            """Each batch of a commit takes one revision."""
            batches = [Batch(rows=(put("node", str(n)),)) for n in range(3)]
            self.assertEqual(await self.engine.commit(batches), 3)
            self.assertEqual(await self.commit(put("node", "x")), 4)

        async def test_survives(self) -> None:
            """Rows and the revision are there after the store is reopened."""
            await self.commit(put("node", "a", b'{"x":1}'))
            self.assertEqual(await self.reopen(), 1)
            self.assertEqual(
                list(await self.engine.load(["node"])), [Row("node", "a", b'{"x":1}')]
            )

        async def test_load_order(self) -> None:
            """Load gives the kinds asked for, by kind and key, and no others."""
            await self.commit(
                put("node", "b"), put("job", "2"), put("node", "a"), put("x", "x")
            )
            found = await self.engine.load(["node", "job"])
            self.assertEqual(
                [row[:2] for row in found], [("job", "2"), ("node", "a"), ("node", "b")]
            )

        async def test_overwrite(self) -> None:
            """A row that is put again holds the new data only."""
            await self.commit(put("node", "a", b"1"))
            await self.commit(put("node", "a", b"2"))
            self.assertEqual(
                list(await self.engine.load(["node"])), [Row("node", "a", b"2")]
            )

        async def test_later_rows_win(self) -> None:
            """Within a commit the last word on a key counts, across its batches."""
            await self.engine.commit(
                [
                    Batch(rows=(put("n", "a", b"1"), put("n", "a", b"2"))),
                    Batch(rows=(put("n", "b"), Row("n", "c", None))),
                    Batch(rows=(Row("n", "b", None), put("n", "c", b"3"))),
                ]
            )
            self.assertEqual(
                list(await self.engine.load(["n"])),
                [Row("n", "a", b"2"), Row("n", "c", b"3")],
            )

        async def test_delete(self) -> None:
            """A row without data is deleted; one that is not there does not matter."""
            await self.commit(put("node", "a"), put("node", "b"))
            await self.commit(Row("node", "a", None), Row("node", "z", None))
            self.assertEqual(
                [row.key for row in await self.engine.load(["node"])], ["b"]
            )

        async def test_get(self) -> None:
            """Get gives the rows that exist, in the order asked."""
            await self.commit(put("node", "a"), put("node", "b"), put("job", "a"))
            keys = [RowKey("node", "b"), RowKey("node", "z"), RowKey("job", "a")]
            found = await self.engine.get(keys)
            self.assertEqual([row[:2] for row in found], [("node", "b"), ("job", "a")])

        async def test_scan(self) -> None:
            """A scan gives a bounded run of keys beyond the one named."""
            await self.commit(*(put("j", f"{n:03}") for n in range(9)), put("k", "004"))

            async def keys(after: str, limit: int, backwards: bool) -> list[str]:
                found = await self.engine.scan("j", after, limit, backwards)
                return [row.key for row in found]

            self.assertEqual(await keys("", 2, False), ["000", "001"])
            self.assertEqual(await keys("001", 2, False), ["002", "003"])
            self.assertEqual(await keys("007", 5, False), ["008"])
            self.assertEqual(await keys("", 2, True), ["008", "007"])
            self.assertEqual(await keys("001", 5, True), ["000"])
            self.assertEqual(await keys("0015", 1, False), ["002"])
            self.assertEqual(await keys("", 0, False), [])

        async def test_page(self) -> None:
            """A page goes over rows of all kinds, by kind and key, beyond a key."""
            await self.commit(put("b", "1"), put("a", "2"), put("a", "1"))

            async def keys(after: RowKey, limit: int) -> list[tuple[str, str]]:
                return [row[:2] for row in await self.engine.page(after, limit)]

            self.assertEqual(await keys(RowKey("", ""), 2), [("a", "1"), ("a", "2")])
            self.assertEqual(await keys(RowKey("a", "2"), 2), [("b", "1")])
            self.assertEqual(await keys(RowKey("b", "1"), 2), [])

        async def test_note(self) -> None:
            """A note is kept, and leaves the revision as it was."""
            await self.commit(put("node", "a"))
            await self.engine.note([put("local", "a", b"1"), put("local", "b")])
            await self.engine.note([Row("local", "b", None)])
            self.assertEqual(await self.reopen(), 1)
            self.assertEqual(
                list(await self.engine.load(["local"])), [Row("local", "a", b"1")]
            )

        async def test_text_and_bytes(self) -> None:
            """Keys of any letters and data of any bytes come back as they were."""
            row = Row("kind é", "ключ '\"; --/%_", bytes(range(256)))
            await self.commit(row)
            self.assertEqual(list(await self.engine.load(["kind é"])), [row])

        async def test_no_batches(self) -> None:
            """A commit of nothing changes nothing and says the revision."""
            await self.commit(put("node", "a"))
            self.assertEqual(await self.engine.commit([]), 1)

        async def test_closed(self) -> None:
            """A closed store fails with a state fault, and closes again in peace."""
            await self.engine.close()
            await self.engine.close()
            with self.assertRaises(StateFault):
                await self.engine.load(["node"])
            with self.assertRaises(StateFault):
                await self.commit(put("node", "a"))

        async def test_open_twice(self) -> None:
            """Opening an open engine again says the revision and keeps it open."""
            await self.commit(put("node", "a"))
            self.assertEqual(await self.engine.open(), 1)
            self.assertEqual(len(await self.engine.load(["node"])), 1)

    return StateEngineTests


def make_ireplicaengine_tests(
    factory: Callable[[TestCase], Callable[[], IReplicaEngine]],
) -> type[TestCase]:
    """What every engine of a replica must pass beside the contract of state engines.

    :param factory: as that of ``make_istateengine_tests``
    """

    class ReplicaEngineTests(TestCase):
        """The contract of ``IReplicaEngine``."""

        async def setUp(self) -> None:  # type: ignore[override]  # trial awaits it
            self.make_engine = factory(self)
            self.engine = self.make_engine()
            await self.engine.open()
            self.addCleanup(lambda: self.engine.close())

        async def rows(self) -> list[Row]:
            return list(await self.engine.page(RowKey("", ""), 100))

        def test_interface(self) -> None:
            """The engine provides what the interface declares."""
            self.assertTrue(verifyObject(IReplicaEngine, self.engine))

        async def test_staged_is_not_there(self) -> None:
            """What is put aside is not in the store."""
            await self.engine.stage([put("a", "1")], True)
            self.assertEqual(await self.rows(), [])

        async def test_adopt(self) -> None:
            """What was put aside is all there is then, at the revision given."""
            await self.engine.commit([Batch(rows=(put("a", "1"), put("a", "2")))])
            await self.engine.stage([put("a", "2", b"new"), put("b", "1")], True)
            await self.engine.stage([Row("b", "1", None), put("c", "1")], False)
            await self.engine.adopt(70, "local")
            expected = [put("a", "2", b"new"), put("c", "1")]
            self.assertEqual(await self.rows(), expected)
            await self.engine.close()
            self.engine = self.make_engine()
            self.assertEqual(await self.engine.open(), 70)
            self.assertEqual(await self.rows(), expected)
            revision = await self.engine.commit([Batch(rows=(put("a", "3"),))])
            self.assertEqual(revision, 71)

        async def test_adopt_keeps(self) -> None:
            """Rows of the kind to keep stay as they are."""
            await self.engine.note([put("local", "mine", b"1")])
            await self.engine.stage([put("local", "mine", b"2"), put("a", "1")], True)
            await self.engine.adopt(5, "local")
            self.assertEqual(
                await self.rows(), [put("a", "1"), put("local", "mine", b"1")]
            )

        async def test_anew(self) -> None:
            """Putting aside anew forgets what was put aside before."""
            await self.engine.stage([put("a", "1")], True)
            await self.engine.stage([put("a", "2")], True)
            await self.engine.adopt(1, "local")
            self.assertEqual(await self.rows(), [put("a", "2")])

    return ReplicaEngineTests
