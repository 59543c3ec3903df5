"""The ``list`` and ``info`` commands that most programs have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganetix.api.types import QueryKind, QueryResult
    from ganetix.cli.asking import Asking
    from ganetix.cli.parser import Options

FAMILIES = ("hv/", "be/", "disk/", "nic/", "nd/", "capacity/")
"""What the names of parameters begin with."""


def field_names(options: Options) -> tuple[str, ...]:
    """What ``-o`` says."""
    text: str = options.output
    return tuple(name.strip() for name in text.split(",") if name.strip())


async def print_list(
    session: Asking,
    options: Options,
    kind: QueryKind,
    names: Sequence[str] = (),
    group: str | None = None,
    limit: int | None = None,
    archived: bool = False,
) -> None:
    """Query and print a table, or the fields there are with ``--help-fields``."""
    from ganetix.api.types import QueryRequest
    from ganetix.cli.output import print_fields, print_query

    if options.help_fields:
        client = await session.client()
        print_fields(session.streams, await client.fields(kind))
        return
    request = QueryRequest(
        kind=kind,
        fields=field_names(options),
        names=tuple(names),
        group=group,
        limit=limit,
        archived=archived,
    )
    result = await session.query(request)
    print_query(session.streams, result, options)
    note_silent_nodes(session, result)


async def print_info(
    session: Asking,
    options: Options,
    kind: QueryKind,
    names: Sequence[str],
    group: str | None = None,
    live: bool = True,
) -> None:
    """All fields of some objects, as records; live ones only if that is wanted."""
    from ganetix.api.types import QueryRequest
    from ganetix.cli.output import print_records

    client = await session.client()
    every = await client.fields(kind)
    # All parameters stand together under params already, with their origins.
    fields = tuple(
        field.name
        for field in every
        if not field.name.startswith(FAMILIES)
        and (live or not field.live)
        and (options.json or field.name != "hvparams")
    )
    request = QueryRequest(kind=kind, fields=fields, names=tuple(names), group=group)
    result = await session.query(request)
    print_records(session.streams, result, options)


def note_silent_nodes(session: Asking, result: QueryResult) -> None:
    """Say on stderr that some values are missing because nodes did not answer."""
    silent = sum(row.source == "unreachable" for row in result.rows)
    if silent:
        rows = "row" if silent == 1 else "rows"
        session.streams.note(
            f"{session.program}: warning: a node did not answer for {silent} {rows}"
            " (shown as ?)"
        )
