"""Results of queries, put together from columns and what the rows are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ganetix.api.types import QueryRequest, QueryResult, QueryRow, RowSource
from ganetix.query.table import Column, Table

S = TypeVar("S")


def result_of(
    columns: Sequence[Column[S]],
    rows: Sequence[tuple[S, RowSource]],
    age_seconds: float | None = None,
) -> QueryResult:
    """A result; ``age_seconds`` is that of live rows."""
    return QueryResult(
        fields=tuple(column.info for column in columns),
        rows=tuple(
            QueryRow(
                cells=tuple(column.get(subject) for column in columns),
                source=source,
                age_seconds=age_seconds if source == "live" else None,
            )
            for subject, source in rows
        ),
    )


def config_result(columns: Sequence[Column[S]], subjects: Sequence[S]) -> QueryResult:
    """A result for which nobody was asked."""
    return result_of(columns, [(subject, "config") for subject in subjects])


def config_rows(
    table: Table[S], request: QueryRequest, subjects: Sequence[S]
) -> QueryResult:
    """What a request wants of a table for which nobody needs to be asked."""
    return config_result(table.pick(request.fields), subjects[: request.limit])
