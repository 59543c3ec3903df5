"""The state engine of a replica: SQLite, and all of it replaced when that is needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ganetix.errors import StateFault
from ganetix.interfaces import IReplicaEngine
from ganetix.state.rows import Row
from ganetix.state.sqlite import SqliteEngine, transaction

_STAGED = (
    "CREATE TABLE IF NOT EXISTS staged (kind TEXT NOT NULL, key TEXT NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
)


@implementer(IReplicaEngine)
class SqliteReplica(SqliteEngine):
    """Rows that are put aside stand in a table of their own in the same file."""

    def stage(self, rows: Sequence[Row], anew: bool) -> Deferred[None]:
        """Put rows aside, for ``adopt``; ``anew``: after dropping those there are."""
        return self._offload(lambda: self._do_stage(rows, anew))

    def adopt(self, revision: int, keep: str) -> Deferred[None]:
        """Replace all rows but those of kind ``keep`` by what was put aside."""
        return self._offload(lambda: self._do_adopt(revision, keep))

    def _do_stage(self, rows: Sequence[Row], anew: bool) -> None:
        puts = [row for row in rows if row.data is not None]
        gone = [row[:2] for row in rows if row.data is None]
        with self._faults():
            connection = self._connection()
            with transaction(connection):
                if anew:
                    connection.execute("DROP TABLE IF EXISTS staged")
                connection.execute(_STAGED)
                connection.executemany(
                    "DELETE FROM staged WHERE kind = ? AND key = ?", gone
                )
                connection.executemany(
                    "INSERT OR REPLACE INTO staged VALUES (?, ?, ?)", puts
                )

    def _do_adopt(self, revision: int, keep: str) -> None:
        with self._faults():
            connection = self._connection()
            with transaction(connection):
                connection.execute(_STAGED)
                connection.execute(
                    "INSERT OR REPLACE INTO staged SELECT * FROM rows WHERE kind = ?",
                    (keep,),
                )
                connection.execute("DROP TABLE rows")
                connection.execute("ALTER TABLE staged RENAME TO rows")
                connection.execute(
                    "UPDATE meta SET value = ? WHERE name = 'revision'", (revision,)
                )


class Peeked:
    """What stands in a store that another process may have open: revision and rows."""

    def __init__(self, revision: int, rows: Sequence[Row]) -> None:
        self.revision = revision
        self.rows = rows


def peek(path: Path, kinds: Sequence[str]) -> Peeked | None:
    """Rows of these kinds, and the revision, of a store that is left alone.

    None if there is no store. Blocking; fails with ``StateFault``.
    """
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=5.0,
        )
        try:
            connection.execute("BEGIN")
            revision = connection.execute(
                "SELECT value FROM meta WHERE name = 'revision'"
            ).fetchone()
            rows = [
                Row._make(found)
                for kind in sorted(kinds)
                for found in connection.execute(
                    "SELECT kind, key, data FROM rows WHERE kind = ? ORDER BY key",
                    (kind,),
                )
            ]
            return Peeked(int(revision[0]) if revision else 0, rows)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StateFault(f"state store {path} cannot be read: {error}") from error
