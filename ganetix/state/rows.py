"""Rows and batches, the values that state engines keep."""

from __future__ import annotations

from typing import NamedTuple

from ganetix.objects.base import Value


class RowKey(NamedTuple):
    """Where a row is: its kind, and a key unique within it."""

    kind: str
    key: str


class Row(NamedTuple):
    """A row as stored; ``data`` is JSON, None in a batch deletes the row."""

    kind: str
    key: str
    data: bytes | None


class Batch(Value, frozen=True, kw_only=True):
    """Rows that become durable together or not at all; later rows win."""

    rows: tuple[Row, ...]
