"""``gnt-group``: node groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.errors import checked
from ganetix.cli.listing import print_info, print_list
from ganetix.cli.parser import (
    Options,
    Parser,
    Program,
    add_job_options,
    add_json_option,
    add_list_options,
    completes,
)

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session

POLICIES = ("preferred", "last_resort", "unallocable")


def program() -> Program:
    """The parser of ``gnt-group``."""
    made = Program(
        "gnt-group",
        "Manages node groups.",
        "A node group is a set of nodes that are well connected to each other. Each"
        " node is in exactly one; an instance lives on the nodes of one.",
    )
    add_group_commands(made)
    info = made.look(
        "info",
        info_groups,
        "show groups in full",
        examples=["info default", "info --json"],
    )
    add_name_argument(info)
    add_json_option(info)
    return made


def add_group_commands(made: Program, prefix: str = "") -> None:
    """``add`` and ``list``; ``gnt-node`` has them as ``group-add``, ``group-list``."""
    add = made.command(
        f"{prefix}add",
        add_group,
        "add an empty node group",
        "Nodes come into it with 'gnt-node add -g GROUP'.",
        examples=[f"{prefix}add rack2", f"{prefix}add --alloc-policy unallocable old"],
    )
    add.add_argument("name", metavar="NAME", help="the group's name")
    add.add_argument(
        "--alloc-policy",
        choices=POLICIES,
        default="preferred",
        help="whether instances that name no group may be placed here",
    )
    add_job_options(add)
    listing = made.look(
        f"{prefix}list",
        list_groups,
        "list node groups",
        examples=[
            f"{prefix}list",
            f"{prefix}list -o +node_list",
            f"{prefix}list --no-headers --separator=: -o name,uuid",
        ],
    )
    add_name_argument(listing)
    add_list_options(listing)


def add_name_argument(parser: Parser) -> None:
    """Names of groups, all if there are none."""
    completes(
        parser.add_argument("names", metavar="GROUP", nargs="*", help="default: all"),
        "group",
    )


async def add_group(session: Session, options: Options) -> None:
    """Add a group."""
    from ganetix.opcodes import OpGroupAdd

    op = checked(OpGroupAdd, name=options.name, alloc_policy=options.alloc_policy)
    await session.run_job(op, options)


async def list_groups(session: Asking, options: Options) -> None:
    """List groups."""
    await print_list(session, options, "group", options.names)


async def info_groups(session: Asking, options: Options) -> None:
    """Show groups."""
    await print_info(session, options, "group", options.names)
