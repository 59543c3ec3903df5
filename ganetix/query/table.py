"""Tables of fields: which there are, which are asked for, and their cells."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from ganetix.api.types import Cell, FieldInfo, FieldKind, QueryKind
from ganetix.errors import BadParameter
from ganetix.objects.base import Value

S = TypeVar("S")


class Column(Value, Generic[S], frozen=True, kw_only=True):
    """A field, and how its cell is got from a subject."""

    info: FieldInfo
    get: Callable[[S], Cell]


def column(
    name: str,
    title: str,
    doc: str,
    get: Callable[[S], Cell],
    kind: FieldKind = "text",
    *,
    live: bool = False,
    default: bool = False,
) -> Column[S]:
    """A column in one line."""
    info = FieldInfo(
        name=name, title=title, kind=kind, doc=doc, live=live, default=default
    )
    return Column(info=info, get=get)


class Table(Generic[S]):
    """The columns of one kind."""

    def __init__(self, kind: QueryKind, columns: Iterable[Column[S]]) -> None:
        self.kind = kind
        self._columns = {column.info.name: column for column in columns}

    @property
    def fields(self) -> tuple[FieldInfo, ...]:
        """All fields, in the order of the documentation."""
        return tuple(column.info for column in self._columns.values())

    def pick(self, names: Sequence[str]) -> tuple[Column[S], ...]:
        """The columns of these names; none: the default ones, ``+name``: added.

        ``BadParameter`` names an unknown field and those close to it.
        """
        defaults = [info.name for info in self.fields if info.default]
        if not names:
            names = defaults
        elif names[0].startswith("+"):
            names = [*defaults, *(name.removeprefix("+") for name in names)]
        return tuple(self._column(name) for name in names)

    def _column(self, name: str) -> Column[S]:
        if found := self._columns.get(name):
            return found
        close = difflib.get_close_matches(name, self._columns, 3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise BadParameter(
            f"fields: {self.kind}s have no field {name!r}{hint} (see --help-fields)"
        )


def by_name(name: str) -> list[tuple[str, int]]:
    """A sort key that puts ``node2`` before ``node10``."""
    parts = re.findall(r"(\D*)(\d*)", name)
    return [(text, int(digits or -1)) for text, digits in parts]
