"""The contracts of state engines, and of engines of a replica, as tests."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from ganetix.errors import StateFault
from ganetix.interfaces import IReplicaEngine, IStateEngine
from ganetix.state.rows import Batch, Row, RowKey
from ganetix.testing.state import put


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
