"""The configuration in the state store: the durable snapshot, and commits to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.config.apply import applied, is_empty
from ganetix.config.rows import (
    KINDS,
    VERSION_KEY,
    initial_rows,
    snapshot_of,
    upgraded_rows,
)
from ganetix.config.snapshot import Change, Snapshot
from ganetix.errors import Bug, GanetixError, StateFault, WrongState
from ganetix.objects.upgrade import VERSION
from ganetix.state.rows import Row
from ganetix.state.store import StateStore

__all__ = ["ConfigStore", "Listener", "initial_rows"]

Listener = Callable[[Snapshot, Snapshot], None]


class _Commit:
    """A commit on its way: what will be, and who is told when it is."""

    def __init__(self, snapshot: Snapshot, is_change: bool) -> None:
        self.snapshot = snapshot
        self.is_change = is_change
        self.write: Deferred[None] | None = None
        self.told: list[Deferred[Snapshot]] = []

    def wait(self) -> Deferred[Snapshot]:
        """A Deferred of the caller's own; cancelling it stops nothing."""
        told: Deferred[Snapshot] = Deferred()
        self.told.append(told)
        return told


class ConfigStore:
    """The configuration: everybody reads snapshots, changes are pure functions.

    A change sees the newest state, durable or on its way to be; what is read by
    ``snapshot()`` is durable. If a write fails, so does all that was built upon it.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, store: StateStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        self._durable: Snapshot | None = None
        self._under_way: list[_Commit] = []
        self._listeners: list[Listener] = []

    async def load(self) -> None:
        """Read the configuration from the open store, upgrading older versions.

        Fails with ``WrongState`` if there is none, ``StateFault`` if it is unreadable.
        """
        rows = await self._store.load(KINDS)
        version = await self._version()
        if version != VERSION and rows:
            written = upgraded_rows(rows, version)
            self._log.info(
                "configuration goes from version {old} to {new}",
                old=version,
                new=VERSION,
            )
            await self._store.write(written)
            rows = await self._store.load(KINDS)
        snapshot = snapshot_of(rows, self._store.revision)
        if snapshot is None:
            raise WrongState("this node is no master: no cluster here")
        self._durable = snapshot

    def snapshot(self) -> Snapshot:
        """The configuration as it is durable; it never changes under its holder."""
        if self._durable is None:
            raise Bug("the configuration is not loaded")
        return self._durable

    def commit(self, change: Change, extra: Sequence[Row] = ()) -> Deferred[Snapshot]:
        """Apply a change to the newest state at once, write it with ``extra`` rows.

        Fires with the durable snapshot that has it, in the order of commits. Fails with
        what the change raises, with ``ConfigConflict``, ``AlreadyExists``,
        ``NotFound`` or ``WrongState`` if it does not fit, with ``StateFault`` if it
        cannot be written; then nothing of it is in the store, ``extra`` neither.
        Cancelling stops nothing: a commit that was begun is finished.
        """
        head = self._under_way[-1].snapshot if self._under_way else self.snapshot()
        try:
            edits = change(head)
            after, rows = applied(head, edits, self._clock.seconds())
            _check_extra(extra)
        except GanetixError as error:
            return fail(error)
        except Exception:  # noqa: BLE001 (the seam hands on what the change raised)
            return fail(Failure())
        if is_empty(edits) and not extra:
            # What it decided upon may still be on its way, and may fail.
            return self._under_way[-1].wait() if self._under_way else succeed(head)
        return self._begin(_Commit(after, bool(rows)), (*rows, *extra))

    def on_change(self, listener: Listener) -> None:
        """Call with the old and the new snapshot after each durable change.

        Listeners are called before the committer is told, in the order they came.
        """
        self._listeners.append(listener)

    async def _version(self) -> int:
        found = await self._store.get([VERSION_KEY])
        if not found:
            return VERSION
        try:
            return int(found[0].data or b"")
        except ValueError as error:
            message = f"state store: {VERSION_KEY.key} is {found[0].data!r}, no number"
            raise StateFault(message) from error

    def _begin(self, commit: _Commit, rows: Sequence[Row]) -> Deferred[Snapshot]:
        told = commit.wait()
        self._under_way.append(commit)
        commit.write = self._store.write(rows).addCallbacks(
            lambda revision: self._written(commit, revision),
            lambda failure: self._failed(commit, failure),
        )
        return told

    def _written(self, commit: _Commit, revision: int) -> None:
        del self._under_way[0]
        old = self.snapshot()
        new = commit.snapshot.changed(revision=revision) if commit.is_change else old
        self._durable = new
        if commit.is_change:
            self._tell_listeners(old, new)
        for told in commit.told:
            told.callback(new)

    def _tell_listeners(self, old: Snapshot, new: Snapshot) -> None:
        for listener in self._listeners:
            try:
                listener(old, new)
            except Exception:  # noqa: BLE001 (a listener must not harm the commit)
                self._log.failure("a listener to configuration changes failed")

    def _failed(self, commit: _Commit, failure: Failure) -> None:
        if commit not in self._under_way:
            # Withdrawn with an earlier one, whose failure told all.
            return
        at = self._under_way.index(commit)
        lost = self._under_way[at:]
        del self._under_way[at:]
        for other in lost[1:]:
            # Not yet handed to the engine: it would build on what is not there.
            if other.write is not None:
                other.write.cancel()
        for other in lost:
            for told in other.told:
                told.errback(StateFault(str(failure.value)))


def _check_extra(extra: Sequence[Row]) -> None:
    for row in extra:
        if row.kind in KINDS or row[:2] == VERSION_KEY:
            raise Bug(f"row {row.kind} {row.key} must be written by a change")
