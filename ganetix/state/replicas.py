"""Between the store and those who must have its batches, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ganetix.interfaces import IStateEngine
from ganetix.state.rows import Batch, Row


class Writer(Protocol):
    """The store, as the replicator sees it."""

    def confirm(self, revision: int) -> None:
        """Writers up to this revision may be told."""

    def record(self, rows: Sequence[Row]) -> None:
        """Write rows as a group of their own, before all that waits."""

    def go_on(self) -> None:
        """Perhaps writing may go on; see ``obstacle``."""

    def give_up(self, why: str) -> None:
        """Nothing is ever confirmed again."""


class Replicas(Protocol):
    """Who else must have a batch; see ``ganetix.state.replicate.Replicator``."""

    @property
    def obstacle(self) -> str | None:
        """Why nothing may be written now; None if it may."""

    def attach(self, writer: Writer) -> None:
        """Serve this store."""

    async def open(self, engine: IStateEngine, revision: int) -> int:
        """Find out where the store stands; its last revision."""

    def prepared(self, batches: Sequence[Batch], last: int) -> Sequence[Batch]:
        """What is to be written for these batches, up to revision ``last``."""

    def written(self, last: int, is_record: bool) -> None:
        """What was prepared is durable here: ``confirm`` it when it is elsewhere."""

    def not_written(self, is_record: bool) -> None:
        """What was prepared is not in the store."""


class Alone:
    """No replicas: what is durable here is confirmed."""

    obstacle: str | None = None

    def attach(self, writer: Writer) -> None:
        """Serve this store."""
        self._writer = writer

    async def open(self, engine: IStateEngine, revision: int) -> int:
        """Nothing to find out."""
        return revision

    def prepared(self, batches: Sequence[Batch], last: int) -> Sequence[Batch]:
        """The batches themselves."""
        return batches

    def written(self, last: int, is_record: bool) -> None:
        """Confirm it."""
        self._writer.confirm(last)

    def not_written(self, is_record: bool) -> None:
        """Nothing is to be taken back."""
