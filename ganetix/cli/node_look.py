"""What ``gnt-node`` shows of nodes: lists, disks, storage, health, reservations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError
from ganetix.cli.listing import print_info, print_list
from ganetix.cli.options import add_group_option, add_json_option, add_list_options
from ganetix.cli.parser import Options, Parser, Program, completes

if TYPE_CHECKING:
    from ganetix.api.types import QueryKind
    from ganetix.cli.asking import Asking

SILENT = (
    "All nodes are asked at the same time; '?' is one that did not answer, '*' one that"
    " is marked offline and was not asked."
)
BAD = ("error", "unreachable")


def add_look_commands(made: Program) -> None:
    """Add all commands that only show something."""
    listing = made.look(
        "list",
        list_nodes,
        "list nodes",
        f"{SILENT} --reserved lists nodes that were promised a place and have not"
        " joined yet, with their tokens' expiry.",
        examples=[
            "list",
            "list -g rack2 -o name,role,pip",
            "list --separator=: --no-headers -o name,mfree",
            "list --reserved",
        ],
    )
    _add_choice(listing)
    listing.add_argument(
        "--reserved", action="store_true", help="list reservations instead"
    )
    add_list_options(listing, "node")
    info = made.look(
        "info",
        info_nodes,
        "show nodes in full",
        "A node that is reserved and has not joined can be named as well.",
        examples=["info node2", "info -g rack2 --json"],
    )
    _add_choice(info)
    add_json_option(info)
    volumes = made.look(
        "volumes",
        list_volumes,
        "list the disks on nodes",
        SILENT,
        examples=["volumes", "volumes -g rack2 -o node,instance,size", "volumes node2"],
    )
    _add_choice(volumes)
    add_list_options(volumes, "volume")
    storage = made.look(
        "list-storage",
        list_storage,
        "list the space for disks on nodes",
        f"A line for each node and disk template that takes space. {SILENT}",
        examples=["list-storage", "list-storage --units g node2"],
    )
    _add_choice(storage)
    add_list_options(storage, "storage")
    health = made.look(
        "health",
        check_health,
        "check that nodes are well",
        "A line a node: whether its daemon answers, its version, how far its clock is"
        " off, for how long its certificate is good, memory and disk. The exit status"
        " is 1 if one has an error or does not answer; offline ones do not count.",
        examples=["health", "health -g rack2", "health --json node2"],
    )
    _add_choice(health)
    add_list_options(health, "health")


def _add_choice(parser: Parser) -> None:
    completes(
        parser.add_argument("names", metavar="NODE", nargs="*", help="default: all"),
        "node",
    )
    add_group_option(parser, "only nodes of this group")


async def list_nodes(session: Asking, options: Options) -> None:
    """List nodes or reservations."""
    kind: QueryKind = "reservation" if options.reserved else "node"
    await print_list(session, options, kind, options.names, options.node_group)


async def list_volumes(session: Asking, options: Options) -> None:
    """List disks."""
    await print_list(session, options, "volume", options.names, options.node_group)


async def list_storage(session: Asking, options: Options) -> None:
    """List storage."""
    await print_list(session, options, "storage", options.names, options.node_group)


async def check_health(session: Asking, options: Options) -> int:
    """List health; the worst makes the exit status."""
    from msgspec.structs import replace

    from ganetix.api.types import QueryRequest
    from ganetix.cli.listing import field_names
    from ganetix.cli.output import print_query

    if options.help_fields:
        await print_list(session, options, "health")
        return 0
    asked = field_names(options)
    request = QueryRequest(
        kind="health",
        fields=(*asked, "status") if asked else (),
        names=tuple(options.names),
        group=options.node_group,
    )
    result = await session.query(request)
    fields = [field.name for field in result.fields]
    status = len(fields) - 1 if asked else fields.index("status")
    is_bad = any(row.cells[status] in BAD for row in result.rows)
    if asked:
        rows = tuple(replace(row, cells=row.cells[:-1]) for row in result.rows)
        result = replace(result, fields=result.fields[:-1], rows=rows)
    print_query(session.streams, result, options)
    return int(is_bad)


async def info_nodes(session: Asking, options: Options) -> None:
    """Show nodes, and those that are reserved if they are named."""
    reserved = await _reserved(session, options.names) if options.names else []
    members = [name for name in options.names if name not in reserved]
    if reserved and members:
        raise UsageError(
            f"{', '.join(reserved)}: reserved nodes are shown apart from members"
        )
    if reserved:
        await print_info(session, options, "reservation", reserved, options.node_group)
    else:
        await print_info(session, options, "node", members, options.node_group)


async def _reserved(session: Asking, names: Sequence[str]) -> list[str]:
    """Those of the names that are of reservations, and of no member."""
    from ganetix.api.types import QueryRequest

    request = QueryRequest(kind="reservation", fields=("name", "uuid", "readd"))
    known: set[str] = set()
    for row in (await session.query(request)).rows:
        name, uuid, is_member = row.cells
        if not is_member:
            known |= {str(name), str(uuid)}
    return [name for name in names if name in known]
