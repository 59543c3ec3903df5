"""What the job queue asks of the state store and of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from ganetix.config.snapshot import Change, Snapshot
from ganetix.state.rows import Row, RowKey


class Rows(Protocol):
    """The state store, as jobs see it; see ``ganetix.state.store.StateStore``."""

    @property
    def fault(self) -> str | None:
        """What is wrong with the medium."""

    def write(self, rows: Sequence[Row], withdrawable: bool = True) -> Deferred[int]:
        """Write rows as one batch."""

    def load(self, kinds: Sequence[str]) -> Deferred[Sequence[Row]]:
        """All rows of these kinds."""

    def get(self, keys: Sequence[RowKey]) -> Deferred[Sequence[Row]]:
        """The rows of these keys that exist."""

    def scan(
        self, kind: str, after: str, limit: int, backwards: bool = False
    ) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows beyond a key."""


class Config(Protocol):
    """The configuration; see ``ganetix.config.store.ConfigStore``."""

    def snapshot(self) -> Snapshot:
        """The configuration as it is durable."""

    def commit(self, change: Change, extra: Sequence[Row] = ()) -> Deferred[Snapshot]:
        """Apply a change; ``extra`` rows are written with it or not at all."""

    def on_change(self, listener: Callable[[Snapshot, Snapshot], None]) -> None:
        """Call with the old and the new snapshot after each change."""
