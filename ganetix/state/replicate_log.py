"""The batches of late, for candidates that lag: in memory, and beside the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ganetix.objects.replica import Group
from ganetix.state.replicate_rows import no_recent_row, recent_in, recent_row
from ganetix.state.rows import Batch, Row

MOST_BYTES = 16 << 20
MOST_GROUPS = 2000
KEPT_STRETCH = 8
"""So many times larger the log may be while somebody gets a snapshot."""


class RecentLog:
    """A run of groups without gaps, up to the store's head; the oldest are dropped.

    What is added is written to the store together with the group's own rows, so that
    after a restart the log is there as far as the store is.
    """

    def __init__(
        self, most_bytes: int = MOST_BYTES, most_groups: int = MOST_GROUPS
    ) -> None:
        self._groups: deque[Group] = deque()
        self._bytes = 0
        self._most_bytes = most_bytes
        self._most_groups = most_groups

    def __len__(self) -> int:
        return len(self._groups)

    def load(self, rows: Sequence[Row], head: int) -> list[Row]:
        """Take over what the store has kept; the rows that are of no use any more."""
        useless: list[Row] = []
        expected = head
        for group in reversed(recent_in(rows)):
            if group.last == expected:
                self._groups.appendleft(group)
                self._bytes += len(group.data)
                expected = group.first - 1
            else:
                useless.append(no_recent_row(group))
        return useless

    def add(self, group: Group, keep_after: int | None = None) -> list[Row]:
        """Add the newest group; what must be written to keep the log as it is now.

        :param keep_after: keep what follows this revision, within larger bounds
        """
        rows = [recent_row(group)]
        self._groups.append(group)
        self._bytes += len(group.data)
        while len(self._groups) > 1:
            is_kept = keep_after is not None and self._groups[0].last > keep_after
            stretch = KEPT_STRETCH if is_kept else 1
            if (
                self._bytes <= self._most_bytes * stretch
                and len(self._groups) <= self._most_groups * stretch
            ):
                break
            dropped = self._groups.popleft()
            self._bytes -= len(dropped.data)
            rows.append(no_recent_row(dropped))
        return rows

    def take_back(self) -> None:
        """The newest group was not written after all."""
        self._bytes -= len(self._groups.pop().data)

    def clear(self) -> list[Row]:
        """Forget all; what removes them from the store."""
        rows = [no_recent_row(group) for group in self._groups]
        self._groups.clear()
        self._bytes = 0
        return rows

    def after(self, revision: int, head: int, most_bytes: int) -> list[Group] | None:
        """Groups that follow a revision, up to ``head``; at least one if there are any.

        None if the log does not reach back so far, or the revision is within a group.
        """
        if revision >= head:
            return []
        found: list[Group] = []
        for group in reversed(self._groups):
            if group.last <= revision:
                break
            if group.last <= head:
                found.append(group)
        found.reverse()
        if not found or found[0].first != revision + 1:
            return None
        taken, size = [found[0]], len(found[0].data)
        for group in found[1:]:
            size += len(group.data)
            if size > most_bytes:
                break
            taken.append(group)
        return taken


def journaled(batches: Sequence[Batch], rows: Sequence[Row]) -> list[Batch]:
    """The batches with rows of the log in the last: written all together or not."""
    *first, last = batches
    return [*first, Batch(rows=(*last.rows, *rows))]
