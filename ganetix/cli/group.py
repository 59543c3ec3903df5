"""``gnt-group``: node groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganetix.cli.cluster_modify import add_serial_option
from ganetix.cli.errors import checked
from ganetix.cli.evacuate import add_group_evacuate
from ganetix.cli.listing import print_info, print_list
from ganetix.cli.options import add_job_options, add_json_option, add_list_options
from ganetix.cli.parser import Options, Parser, Program, completes
from ganetix.cli.settings import add_setting_options, settings_of
from ganetix.cli.tags import add_tag_commands

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session
    from ganetix.opcodes import OpGroupAdd, OpGroupModify

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
    add_tag_commands(made, "group")
    return made


def add_group_commands(made: Program, prefix: str = "") -> None:
    """All of ``gnt-group``; in ``gnt-node`` they begin with ``group-``."""
    _add_add(made, prefix)
    add_group_evacuate(made, prefix)
    listing = made.look(
        f"{prefix}list",
        list_groups,
        "list node groups",
        "Sums of memory and disk are asked of the nodes, if they are wanted.",
        examples=[
            f"{prefix}list",
            f"{prefix}list -o +node_list,mfree,dfree",
            f"{prefix}list --no-headers --separator=: -o name,uuid",
        ],
    )
    add_name_argument(listing)
    add_list_options(listing, "group")
    info = made.look(
        f"{prefix}info",
        info_groups,
        "show groups in full",
        "Each parameter is shown with where its value comes from.",
        examples=[f"{prefix}info default", f"{prefix}info --json"],
    )
    add_name_argument(info)
    info.add_argument(
        "--live", action="store_true", help="ask the nodes for memory and disk"
    )
    add_json_option(info)
    _add_modify(made, prefix)
    rename = made.command(
        f"{prefix}rename",
        rename_group,
        "give a group another name",
        examples=[f"{prefix}rename rack2 row1"],
    )
    _add_name(rename)
    rename.add_argument("new_name", metavar="NEW_NAME", help="its new name")
    add_job_options(rename)
    remove = made.command(
        f"{prefix}remove",
        remove_group,
        "remove a group that has no nodes",
        "The default group stays, and so does one that nodes are about to join.",
        examples=[f"{prefix}remove rack2"],
        aliases=[f"{prefix}del"] if prefix else [],
    )
    _add_name(remove)
    add_job_options(remove)
    _add_assign(made, prefix)


def _add_add(made: Program, prefix: str) -> None:
    add = made.command(
        f"{prefix}add",
        add_group,
        "add an empty node group",
        "Nodes come into it with 'gnt-node add -g GROUP' or 'gnt-group assign-nodes'.",
        examples=[
            f"{prefix}add rack2",
            f"{prefix}add --alloc-policy unallocable -B memory=1G old",
        ],
    )
    add.add_argument("name", metavar="NAME", help="the group's name")
    _add_policy(add, "preferred", 0)
    add_setting_options(add, "its instances")
    add_job_options(add)


def _add_modify(made: Program, prefix: str) -> None:
    modify = made.command(
        f"{prefix}modify",
        modify_group,
        "change parameters of a group",
        "What is not named stays as it is. Prints what changed.",
        examples=[
            f"{prefix}modify --alloc-policy last_resort rack2",
            f"{prefix}modify --min-candidates 1 rack2",
            f"{prefix}modify -B memory=2G -H kvm:accel=tcg rack2",
            f"{prefix}modify --max-cpu-ratio 8 --max-inst-spec default rack2",
        ],
    )
    _add_name(modify)
    _add_policy(modify, None, None)
    add_setting_options(modify, "its instances")
    add_serial_option(modify)
    add_job_options(modify)


def _add_assign(made: Program, prefix: str) -> None:
    assign = made.command(
        f"{prefix}assign-nodes",
        assign_nodes,
        "move nodes into a group",
        "Their instances go with them. Refused if a mirrored instance would then have"
        " its nodes in two groups.",
        examples=[f"{prefix}assign-nodes rack2 node3 node4"],
    )
    _add_name(assign)
    completes(
        assign.add_argument("nodes", metavar="NODE", nargs="+", help="which nodes"),
        "node",
    )
    assign.add_argument(
        "--force", action="store_true", help="split mirrored instances if need be"
    )
    add_job_options(assign)


def _add_policy(parser: Parser, policy: str | None, candidates: int | None) -> None:
    parser.add_argument(
        "--alloc-policy",
        choices=POLICIES,
        default=policy,
        help="whether instances that name no group may be placed here",
    )
    parser.add_argument(
        "--min-candidates",
        metavar="N",
        type=int,
        default=candidates,
        help="how many of its nodes are to be master candidates at least",
    )


def _add_name(parser: Parser) -> None:
    completes(parser.add_argument("name", metavar="GROUP", help="its name"), "group")


def add_name_argument(parser: Parser) -> None:
    """Names of groups, all if there are none."""
    completes(
        parser.add_argument("names", metavar="GROUP", nargs="*", help="default: all"),
        "group",
    )


def add_request(options: Options) -> OpGroupAdd:
    """The opcode; ``ValueError`` names the option that is wrong."""
    from ganetix.opcodes import OpGroupAdd

    return OpGroupAdd(
        name=options.name,
        alloc_policy=options.alloc_policy,
        min_candidates=options.min_candidates,
        **settings_of(options),
    )


def modify_request(options: Options) -> OpGroupModify:
    """The opcode; ``ValueError`` names the option that is wrong."""
    from ganetix.opcodes import OpGroupModify

    return OpGroupModify(
        name=options.name,
        alloc_policy=options.alloc_policy,
        min_candidates=options.min_candidates,
        expected_serial=options.expected_serial,
        **settings_of(options),
    )


async def add_group(session: Session, options: Options) -> None:
    """Add a group."""
    await session.run_job(checked(add_request, options), options)


async def modify_group(session: Session, options: Options) -> None:
    """Change a group."""
    from ganetix.cli.changes import print_changes

    job = await session.run_job(checked(modify_request, options), options)
    if job is not None:
        print_changes(session.streams, job, f"group {options.name}")


async def rename_group(session: Session, options: Options) -> None:
    """Rename a group."""
    from ganetix.opcodes import OpGroupRename

    op = checked(OpGroupRename, name=options.name, new_name=options.new_name)
    await session.run_job(op, options)


async def remove_group(session: Session, options: Options) -> None:
    """Remove a group."""
    from ganetix.opcodes import OpGroupRemove

    await session.run_job(OpGroupRemove(name=options.name), options)


async def assign_nodes(session: Session, options: Options) -> None:
    """Move nodes into a group."""
    from ganetix.opcodes import OpGroupAssignNodes

    op = OpGroupAssignNodes(
        name=options.name, nodes=tuple(options.nodes), force=options.force
    )
    job = await session.run_job(op, options)
    if job is not None:
        result: Any = job.ops[0].result
        if not result["moved"]:
            session.streams.note(
                f"all of them are in group {options.name} already: nothing was changed"
            )


async def list_groups(session: Asking, options: Options) -> None:
    """List groups."""
    await print_list(session, options, "group", options.names)


async def info_groups(session: Asking, options: Options) -> None:
    """Show groups."""
    await print_info(session, options, "group", options.names, live=options.live)
