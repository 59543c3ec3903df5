"""State engines in memory and on SQLite: the contract, and SQLite's own faults."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ganetix.errors import StateFault
from ganetix.flow.offload import inline_offload, thread_offload
from ganetix.interfaces import IReplicaEngine, IStateEngine
from ganetix.state import sqlite
from ganetix.state.rows import Batch, Row, RowKey
from ganetix.state.sqlite import SqliteEngine
from ganetix.state.sqlite_replica import SqliteReplica, peek
from ganetix.testing.state import MemoryEngine, put
from ganetix.testing.state_contract import (
    make_ireplicaengine_tests,
    make_istateengine_tests,
)


def _in_memory(test: TestCase) -> Callable[[], IStateEngine]:
    medium: dict[RowKey, bytes] = {}
    return lambda: MemoryEngine(medium)


def _inline(test: TestCase) -> Callable[[], IStateEngine]:
    path = Path(test.mktemp())
    path.parent.mkdir(parents=True, exist_ok=True)
    return lambda: SqliteEngine(path, inline_offload)


def _threaded(test: TestCase) -> Callable[[], IStateEngine]:
    path = Path(test.mktemp())
    path.parent.mkdir(parents=True, exist_ok=True)
    pool = ThreadPool(0, 1, "state")
    pool.start()
    test.addCleanup(pool.stop)
    offload = thread_offload(IReactorFromThreads(reactor), pool)
    return lambda: SqliteEngine(path, offload)


class MemoryContractTests(make_istateengine_tests(_in_memory)):  # type: ignore[misc]
    """The contract in memory."""


class SqliteContractTests(make_istateengine_tests(_inline)):  # type: ignore[misc]
    """The contract on SQLite."""


class ThreadedSqliteContractTests(
    make_istateengine_tests(_threaded)  # type: ignore[misc]
):
    """The contract on SQLite behind a thread of its own."""


def _memory_replica(test: TestCase) -> Callable[[], IReplicaEngine]:
    medium: dict[RowKey, bytes] = {}
    return lambda: MemoryEngine(medium)


def _sqlite_replica(test: TestCase) -> Callable[[], IReplicaEngine]:
    path = Path(test.mktemp())
    path.parent.mkdir(parents=True, exist_ok=True)
    return lambda: SqliteReplica(path, inline_offload)


class MemoryReplicaTests(
    make_ireplicaengine_tests(_memory_replica)  # type: ignore[misc]
):
    """The contract of replicas in memory."""


class SqliteReplicaTests(
    make_ireplicaengine_tests(_sqlite_replica)  # type: ignore[misc]
):
    """The contract of replicas on SQLite."""


class PeekTests(SynchronousTestCase):
    """Reading a store that somebody else has open."""

    def test_no_store(self) -> None:
        """Where there is no store, nothing is seen and nothing made."""
        path = Path(self.mktemp())
        self.assertIsNone(peek(path, ["node"]))
        self.assertFalse(path.exists())

    def test_open_elsewhere(self) -> None:
        """Rows and revision are seen as of the last commit, open or closed."""
        path = Path(self.mktemp())
        engine = SqliteEngine(path, inline_offload)
        self.successResultOf(engine.open())
        row = put("node", "a")
        self.successResultOf(engine.commit([Batch(rows=(row, put("job", "1")))]))
        for _ in range(2):
            peeked = peek(path, ["node"])
            assert peeked is not None
            self.assertEqual((peeked.revision, list(peeked.rows)), (1, [row]))
            self.successResultOf(engine.close())

    def test_damaged(self) -> None:
        """A file that is no store is a state fault."""
        path = Path(self.mktemp())
        path.write_bytes(b"x" * 5000)
        with self.assertRaises(StateFault):
            peek(path, ["node"])


class SqliteEngineTests(SynchronousTestCase):
    """What SQLite's engine does beyond the contract."""

    def setUp(self) -> None:
        """A path in an empty directory."""
        self.path = Path(self.mktemp()) / "state.db"
        self.path.parent.mkdir(parents=True)

    def engine(
        self, connect: Callable[[Path], sqlite3.Connection] = sqlite.connect
    ) -> SqliteEngine:
        """An engine on the test's file, closed at the end."""
        engine = SqliteEngine(self.path, inline_offload, connect)
        self.addCleanup(engine.close)
        return engine

    def opened(
        self, connect: Callable[[Path], sqlite3.Connection] = sqlite.connect
    ) -> SqliteEngine:
        """An engine that was opened."""
        engine = self.engine(connect)
        self.successResultOf(engine.open())
        return engine

    def commit(self, engine: SqliteEngine, *rows: Row) -> int:
        """Commit one batch."""
        return self.successResultOf(engine.commit([Batch(rows=rows)]))

    def fault(self, engine: SqliteEngine) -> str:
        """Why the engine cannot be opened."""
        return str(self.failureResultOf(engine.open(), StateFault).value)

    def test_private(self) -> None:
        """The store, its log and its lock can be read by their owner only."""
        self.path.touch(0o644)
        self.path.chmod(0o644)
        self.commit(self.opened(), put("node", "a"))
        modes = {
            file.name: oct(file.stat().st_mode & 0o777)
            for file in self.path.parent.iterdir()
        }
        self.assertEqual(set(modes.values()), {"0o600"})
        self.assertLessEqual({"state.db", "state.db-wal", "state.db.lock"}, set(modes))

    def test_every_commit_is_synced(self) -> None:
        """The connection runs in WAL mode with full synchronisation."""
        connections = []

        def connect(path: Path) -> sqlite3.Connection:
            connections.append(sqlite.connect(path))
            return connections[-1]

        self.opened(connect)
        [connection] = connections
        self.assertEqual(connection.execute("PRAGMA journal_mode").fetchone(), ("wal",))
        self.assertEqual(connection.execute("PRAGMA synchronous").fetchone(), (2,))

    def test_second_opener(self) -> None:
        """A store in use is refused, with the pid of its user, and stays usable."""
        first = self.opened()
        message = self.fault(self.engine())
        self.assertIn("in use by another process", message)
        self.assertIn(f"pid {os.getpid()}", message)
        self.assertEqual(self.commit(first, put("node", "a")), 1)

    def test_other_process(self) -> None:
        """A store that another process has open is refused until that one dies."""
        code = (
            "import sys; from pathlib import Path\n"
            "from ganetix.flow.offload import inline_offload\n"
            "from ganetix.state.sqlite import SqliteEngine\n"
            "SqliteEngine(Path(sys.argv[1]), inline_offload).open()\n"
            "print('open', flush=True); sys.stdin.read()\n"
        )
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", code, str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        with child:
            assert child.stdout is not None
            self.assertEqual(child.stdout.readline(), b"open\n")
            engine = self.engine()
            self.assertIn(f"pid {child.pid}", self.fault(engine))
            child.kill()
        self.assertEqual(self.successResultOf(engine.open()), 0)

    def test_lock_given_up(self) -> None:
        """A failed opening and a close both leave the store free for another."""
        self.path.write_bytes(b"no database at all, but long enough to be one" * 99)
        self.fault(self.engine())
        self.path.unlink()
        first = self.opened()
        self.successResultOf(first.close())
        self.opened()

    def test_not_a_database(self) -> None:
        """A file of another kind is refused in plain words and left as it is."""
        data = b"no database at all, but long enough to be one" * 99
        self.path.write_bytes(data)
        self.assertEqual(
            self.fault(self.engine()),
            f"state store {self.path}: the file is not a state store",
        )
        self.assertEqual(self.path.read_bytes(), data)

    def test_foreign_database(self) -> None:
        """Another program's database is refused and not changed."""
        with sqlite3.connect(self.path) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
        data = self.path.read_bytes()
        self.assertIn("not a state store", self.fault(self.engine()))
        self.assertEqual(self.path.read_bytes(), data)

    def test_newer_format(self) -> None:
        """A store written by a newer version is refused with both numbers."""
        self.successResultOf(self.opened().close())
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA user_version = 7")
        connection.close()
        message = self.fault(self.engine())
        self.assertIn("has format 7", message)
        self.assertIn("reads format 1", message)

    def test_no_directory(self) -> None:
        """A missing directory is named, and not made."""
        self.path = self.path.parent / "missing" / "state.db"
        self.assertIn("No such file or directory", self.fault(self.engine()))

    def test_disk_full(self) -> None:
        """A full disk fails the commit wholly; after room was made it goes on."""
        connections = []

        def small(path: Path) -> sqlite3.Connection:
            connection = sqlite.connect(path)
            connection.execute("PRAGMA max_page_count = 20")
            connections.append(connection)
            return connection

        engine = self.opened(small)
        self.commit(engine, put("node", "a"))
        batch = Batch(rows=(put("node", "b"), put("node", "c", bytes(200_000))))
        error = self.failureResultOf(engine.commit([batch]), StateFault).value
        self.assertEqual(error.message, f"state store {self.path}: the disk is full")
        self.assertEqual(
            [row.key for row in self.successResultOf(engine.load(["node"]))], ["a"]
        )
        connections[0].execute("PRAGMA max_page_count = 2000")
        self.assertEqual(self.successResultOf(engine.commit([batch])), 2)

    def test_read_only(self) -> None:
        """A read-only medium is named as such."""

        def read_only(path: Path) -> sqlite3.Connection:
            connection = sqlite.connect(path)
            connection.execute("PRAGMA query_only = 1")
            return connection

        self.successResultOf(self.opened().close())
        engine = self.opened(read_only)
        refused = engine.commit([Batch(rows=(put("node", "a"),))])
        self.assertIn(
            "it is read-only", self.failureResultOf(refused, StateFault).value.message
        )

    def test_foreign_lock(self) -> None:
        """A writer of another program's that holds the file is told apart."""

        def impatient(path: Path) -> sqlite3.Connection:
            return sqlite3.connect(path, timeout=0, isolation_level=None)

        engine = self.opened(impatient)
        other = impatient(self.path)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        refused = engine.commit([Batch(rows=(put("node", "a"),))])
        self.assertIn(
            "another process holds a lock",
            self.failureResultOf(refused, StateFault).value.message,
        )
        other.execute("ROLLBACK")
        self.assertEqual(self.commit(engine, put("node", "a")), 1)

    def test_damaged(self) -> None:
        """Damage inside the file is a state fault, not a traceback."""
        engine = self.opened()
        self.commit(engine, *(put("node", f"{n:05}", bytes(500)) for n in range(500)))
        self.successResultOf(engine.close())
        with self.path.open("r+b") as file:
            file.seek(4096 * 3)
            file.write(b"\xff" * 4096 * 20)
        damaged = self.opened().load(["node"])
        self.assertIn(
            "the file is damaged",
            self.failureResultOf(damaged, StateFault).value.message,
        )

    def test_readable_in_use(self) -> None:
        """An administrator's tool can read the store while it is in use."""
        self.commit(self.opened(), put("node", "a", b'{"x":1}'))
        reader = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        self.addCleanup(reader.close)
        found = reader.execute("SELECT data FROM rows WHERE kind = 'node'").fetchall()
        self.assertEqual(found, [(b'{"x":1}',)])
