"""Columns that all configuration objects have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ganetix.objects import ConfigObject
from ganetix.query.table import Column, column

S = TypeVar("S")


def object_columns(get: Callable[[S], ConfigObject]) -> tuple[Column[S], ...]:
    """``uuid``, times, serial number and tags of the object behind a subject."""
    return (
        column("uuid", "UUID", "Its UUID", lambda s: get(s).uuid),
        column("ctime", "CTime", "When it was made", lambda s: get(s).ctime, "time"),
        column("mtime", "MTime", "Last change", lambda s: get(s).mtime, "time"),
        column(
            "serial_no",
            "SerialNo",
            "Grows with each change",
            lambda s: get(s).serial_no,
            "number",
        ),
        column("tags", "Tags", "Its tags", lambda s: list(get(s).tags), "list"),
    )
