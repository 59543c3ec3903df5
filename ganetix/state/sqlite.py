"""The state engine on SQLite: one file, one writer, every commit on the disk."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ganetix.errors import StateFault
from ganetix.interfaces import IStateEngine, Offload
from ganetix.state.rows import Batch, Row, RowKey

T = TypeVar("T")

APPLICATION_ID = 0x676E7478
FORMAT = 1
BUSY_SECONDS = 5.0
LOCK_ATTEMPTS = 3
LOCK_PAUSE_SECONDS = 0.05

_SCHEMA = (
    "CREATE TABLE rows (kind TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('revision', 0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
_PUT = (
    "INSERT INTO rows VALUES {}"
    " ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data"
)
_DELETE = "DELETE FROM rows WHERE kind = ? AND key IN ({})"
_MOST_AT_ONCE = 256
_GET = "SELECT kind, key, data FROM rows WHERE kind = ? AND key = ?"
_LOAD = "SELECT kind, key, data FROM rows WHERE kind = ? ORDER BY key"
_SCAN = (
    "SELECT kind, key, data FROM rows WHERE kind = ? AND key > ? ORDER BY key LIMIT ?"
)
_PAGE = (
    "SELECT kind, key, data FROM rows WHERE (kind, key) > (?, ?)"
    " ORDER BY kind, key LIMIT ?"
)
_SCAN_LAST = "SELECT kind, key, data FROM rows WHERE kind = ? ORDER BY key DESC LIMIT ?"
_SCAN_BACK = (
    "SELECT kind, key, data FROM rows WHERE kind = ? AND key < ?"
    " ORDER BY key DESC LIMIT ?"
)

_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a state store",
    sqlite3.SQLITE_BUSY: "another process holds a lock on it",
    sqlite3.SQLITE_LOCKED: "another process holds a lock on it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "input or output failed",
}


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun by word."""
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def is_open_elsewhere(path: Path) -> bool:
    """Whether somebody has the store open. Blocking."""
    try:
        lock = os.open(_lock_path(path), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StateFault(f"state store {path}: {error.strerror or error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@implementer(IStateEngine)
class SqliteEngine:
    """Keeps rows in one SQLite file, mode 0600, readable while it is in use.

    All work runs behind ``offload``, which must do one thing at a time, in order.
    A lock file beside the store keeps a second process from opening it.

    :param connect: makes the connection; other ones serve to try out bad media
    """

    def __init__(
        self,
        path: Path,
        offload: Offload,
        connect: Callable[[Path], sqlite3.Connection] = connect,
    ) -> None:
        self._path = path
        self._offload = offload
        self._connect = connect
        self._open: tuple[sqlite3.Connection, int] | None = None

    def open(self) -> Deferred[int]:
        """Open or create the file, in an existing directory; the last revision."""
        return self._offload(self._do_open)

    def load(self, kinds: Sequence[str]) -> Deferred[Sequence[Row]]:
        """All rows of these kinds, by kind and key."""
        return self._offload(lambda: self._select(_LOAD, [(k,) for k in sorted(kinds)]))

    def get(self, keys: Sequence[RowKey]) -> Deferred[Sequence[Row]]:
        """The rows of these keys that exist, in the order asked."""
        return self._offload(lambda: self._select(_GET, keys))

    def scan(
        self, kind: str, after: str, limit: int, backwards: bool
    ) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows of a kind beyond key ``after``, in key order."""
        at_most = max(limit, 0)
        if backwards and not after:
            return self._offload(lambda: self._select(_SCAN_LAST, [(kind, at_most)]))
        statement = _SCAN_BACK if backwards else _SCAN
        arguments = [(kind, after, at_most)]
        return self._offload(lambda: self._select(statement, arguments))

    def page(self, after: RowKey, limit: int) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows of whatever kind beyond a key, by kind and key."""
        return self._offload(lambda: self._select(_PAGE, [(*after, max(limit, 0))]))

    def commit(self, batches: Sequence[Batch]) -> Deferred[int]:
        """Write batches in one transaction, a revision each; the last revision."""
        return self._offload(lambda: self._do_commit(batches, len(batches)))

    def note(self, rows: Sequence[Row]) -> Deferred[None]:
        """Write rows that are this store's own affair: the revision stays."""
        batch = Batch(rows=tuple(rows))
        return self._offload(lambda: self._do_commit([batch], 0)).addCallback(
            lambda _: None
        )

    def close(self) -> Deferred[None]:
        """Close the file, after all that was asked before, and give up its lock."""
        return self._offload(self._do_close)

    def _do_open(self) -> int:
        if self._open is None:
            with self._faults():
                lock = self._take_lock()
                try:
                    self._open = (self._opened(), lock)
                except BaseException:
                    os.close(lock)
                    raise
        with self._faults():
            return _revision(self._connection())

    def _take_lock(self) -> int:
        lock = os.open(
            _lock_path(self._path),
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
            0o600,
        )
        try:
            _flock(lock)
        except BlockingIOError as error:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise StateFault(
                f"state store {self._path}: in use by another process"
                f" (pid {holder or 'unknown'}); only one master can open it"
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        return lock

    def _opened(self) -> sqlite3.Connection:
        _create_private(self._path)
        connection = self._connect(self._path)
        try:
            self._check_format(connection)
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StateFault(
                    f"state store {self._path}: this file system cannot hold it"
                    f" (journal mode {mode!r}, needed: 'wal')"
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_format(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application == 0 and tables == 0:
            with transaction(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
            return
        if application != APPLICATION_ID:
            raise StateFault(f"state store {self._path}: the file is not a state store")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found != FORMAT:
            raise StateFault(
                f"state store {self._path}: it has format {found},"
                f" this version of ganetix reads format {FORMAT}"
            )

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            raise StateFault(f"state store {self._path}: not open")
        return self._open[0]

    def _select(
        self, statement: str, arguments: Sequence[tuple[object, ...]]
    ) -> list[Row]:
        with self._faults():
            execute = self._connection().execute
            return [
                Row._make(found)
                for values in arguments
                for found in execute(statement, values)
            ]

    def _do_commit(self, batches: Sequence[Batch], revisions: int) -> int:
        # Only the last word on a key counts within one transaction.
        final = {row[:2]: row.data for batch in batches for row in batch.rows}
        puts = [(*key, data) for key, data in final.items() if data is not None]
        deletes: dict[str, list[str]] = {}
        for (kind, row_key), data in final.items():
            if data is None:
                deletes.setdefault(kind, []).append(row_key)
        with self._faults():
            connection = self._connection()
            if not batches:
                return _revision(connection)
            with transaction(connection):
                for rows in _portions(puts):
                    marks = ", ".join(["(?, ?, ?)"] * len(rows))
                    connection.execute(_PUT.format(marks), [*chain(*rows)])
                for kind, row_keys in deletes.items():
                    for keys in _portions(row_keys):
                        marks = ", ".join("?" * len(keys))
                        connection.execute(_DELETE.format(marks), (kind, *keys))
                revision = _revision(connection) + revisions
                connection.execute(
                    "UPDATE meta SET value = ? WHERE name = 'revision'", (revision,)
                )
            return revision

    def _do_close(self) -> None:
        if self._open is None:
            return
        (connection, lock), self._open = self._open, None
        try:
            with self._faults():
                connection.close()
        finally:
            os.close(lock)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", -1) & 0xFF
            reason = _REASONS.get(code, str(error))
            raise StateFault(f"state store {self._path}: {reason}") from error
        except OSError as error:
            raise StateFault(
                f"state store {self._path}: {error.strerror or error}"
            ) from error


def _flock(lock: int) -> None:
    """Take the lock. Whoever only asks who has it, has it for a moment."""
    for _ in range(LOCK_ATTEMPTS - 1):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Items in portions of few different lengths, the statements for which are kept.

    A statement for many rows at once leaves the interpreter to the reactor's thread
    while it works; one a row would ask to have it back after each.
    """
    at, length = 0, _MOST_AT_ONCE
    while at < len(items):
        while length > len(items) - at:
            length //= 2
        yield items[at : at + length]
        at += length


def _revision(connection: sqlite3.Connection) -> int:
    query = "SELECT value FROM meta WHERE name = 'revision'"
    return int(connection.execute(query).fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, a full disk for one.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _create_private(path: Path) -> None:
    """Make the file if there is none, for its owner only, and its name durable."""
    is_new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(file, 0o600)
    finally:
        os.close(file)
    if is_new:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
