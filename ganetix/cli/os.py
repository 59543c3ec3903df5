"""``gnt-os``: OS definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.listing import field_names
from ganetix.cli.options import add_group_option, add_list_options
from ganetix.cli.parser import Options, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking


def program() -> Program:
    """The parser of ``gnt-os``."""
    made = Program(
        "gnt-os",
        "Shows OS definitions.",
        "An OS definition is a directory of scripts on the nodes that fills the disks"
        " of a new instance.",
    )
    listing = made.look(
        "list",
        list_oses,
        "list OS definitions",
        "Asks the nodes of one group, the default one if none is named. A definition"
        " is valid if each node that answered has it in order.",
        examples=["list", "list -g rack2 -o name,nodes", "list --all-groups --json"],
    )
    completes(
        listing.add_argument("names", metavar="OS", nargs="*", help="default: all"),
        "os",
    )
    choice = listing.add_mutually_exclusive_group()
    add_group_option(choice, "the group whose nodes are asked")
    choice.add_argument("--all-groups", action="store_true", help="ask every group")
    add_list_options(listing, "os")
    return made


async def list_oses(session: Asking, options: Options) -> None:
    """List OS definitions of one group or of all."""
    from msgspec.structs import replace

    from ganetix.api.types import QueryRequest
    from ganetix.cli.output import print_fields, print_query

    if options.help_fields:
        print_fields(session.streams, await (await session.client()).fields("os"))
        return
    groups: list[str | None] = [options.node_group]
    if options.all_groups:
        every = QueryRequest(kind="group", fields=("name", "node_cnt"))
        rows = (await session.query(every)).rows
        groups = [str(row.cells[0]) for row in rows if row.cells[1]]
    results = [
        await session.query(
            QueryRequest(
                kind="os",
                fields=field_names(options),
                names=tuple(options.names),
                group=group,
            )
        )
        for group in groups
    ]
    rows = tuple(row for result in results for row in result.rows)
    if results:
        print_query(session.streams, replace(results[0], rows=rows), options)
