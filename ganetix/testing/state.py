"""State engines for tests: in memory, failing, crashing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Literal, NoReturn, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

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
