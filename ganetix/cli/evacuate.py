"""Moving all instances away from nodes or groups: who goes, and in which way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError, checked
from ganetix.cli.instance_jobs import add_force, add_stop_timeout
from ganetix.cli.options import (
    add_allocator_option,
    add_group_option,
    add_job_options,
    add_json_option,
)
from ganetix.cli.parser import Options, Parser, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.evacuation import Planned
    from ganetix.cli.session import Session
    from ganetix.opcodes import OpInstanceMigrate

DISKS = (
    "An allocator is asked once for all of them, then there is a job for each."
    " Instances whose disks are on their node only stay, and are named, as those that"
    " find no place; so the exit status is 1."
)


def add_node_moves(made: Program) -> None:
    """``evacuate``, ``migrate`` and ``failover`` of ``gnt-node``."""
    evacuate = made.command(
        "evacuate",
        evacuate_nodes,
        "move all instances away from nodes",
        "Those that run are migrated, those that do not get another node; from an"
        f" offline node they are started elsewhere. {DISKS}",
        examples=[
            "evacuate node2",
            "evacuate --dry-run --json node2",
            "evacuate -f -I hail node2",
            "evacuate -n node5 -f node2 node3",
        ],
    )
    which = evacuate.add_mutually_exclusive_group()
    which.add_argument(
        "-p",
        "--primary-only",
        action="store_true",
        help="only instances that have it as primary node",
    )
    which.add_argument(
        "-s",
        "--secondary-only",
        action="store_true",
        help="only instances that have it as secondary node",
    )
    which.add_argument("-a", "--all", action="store_true", help="both (the default)")
    _add_nodes(evacuate)
    migrate = made.command(
        "migrate",
        migrate_nodes,
        "migrate all running instances away from nodes",
        f"Instances that do not run stay. {DISKS}",
        examples=["migrate node2", "migrate --submit -f -n node5 node2"],
    )
    _add_nodes(migrate)
    failover = made.command(
        "failover",
        fail_over_nodes,
        "stop all instances of nodes, and start them elsewhere",
        "A node that does not answer must be offline: 'gnt-node modify --offline yes'"
        f" says that it is dead for sure. {DISKS}",
        examples=["failover node2", "failover --timeout 30s -f node2"],
    )
    add_stop_timeout(failover, "each guest")
    failover.add_argument(
        "--ignore-consistency",
        action="store_true",
        help="although the instances may still run where nobody answers",
    )
    _add_nodes(failover)


def add_group_evacuate(made: Program, prefix: str = "") -> None:
    """``gnt-group evacuate``."""
    evacuate = made.command(
        f"{prefix}evacuate",
        evacuate_groups,
        "move all instances of groups to another group",
        f"As 'gnt-node evacuate' does for nodes. {DISKS}",
        examples=[f"{prefix}evacuate --to rack3 rack2"],
    )
    completes(
        evacuate.add_argument("names", metavar="GROUP", nargs="+", help="which ones"),
        "group",
    )
    completes(
        evacuate.add_argument(
            "--to", metavar="GROUP", required=True, help="where they go"
        ),
        "group",
    )
    _add_how(evacuate)


def _add_nodes(parser: Parser) -> None:
    completes(
        parser.add_argument("names", metavar="NODE", nargs="+", help="which ones"),
        "node",
    )
    completes(
        parser.add_argument(
            "-n",
            "--target-node",
            metavar="NODE",
            help="where they go (default: an allocator chooses a node for each)",
        ),
        "node",
    )
    add_group_option(parser, "the group in which nodes are chosen (default: its own)")
    _add_how(parser)


def _add_how(parser: Parser) -> None:
    add_allocator_option(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="tell who would go where, and who stays"
    )
    add_force(parser, "do not ask first")
    add_json_option(parser)
    add_job_options(parser)


async def evacuate_nodes(session: Session, options: Options) -> int:
    """Move whatever is there."""
    homes = await _instances_of(session, options)
    if options.secondary_only:
        session.streams.note(
            f"{session.program}: no instance has a secondary node; nothing to do"
        )
        return 0
    return await _migrate(session, options, homes, allow_failover=True)


async def migrate_nodes(session: Session, options: Options) -> int:
    """Migrate what runs."""
    homes = await _instances_of(session, options)
    running = await _running(session, list(homes))
    if stopped := len(homes) - len(running):
        verb = (
            "instance that does not run stays"
            if stopped == 1
            else ("instances that do not run stay")
        )
        session.streams.note(f"{session.program}: {stopped} {verb}")
    going = {name: homes[name] for name in running}
    return await _migrate(session, options, going, allow_failover=False)


async def fail_over_nodes(session: Session, options: Options) -> int:
    """Stop and start elsewhere."""
    from ganetix.cli.evacuation import carry_out
    from ganetix.opcodes import OpInstanceFailover

    homes = await _instances_of(session, options)
    plan = await _plan(session, options, homes)
    ops = [
        checked(
            OpInstanceFailover,
            name=move.instance,
            node=move.target,
            group=options.node_group,
            timeout=options.timeout,
            ignore_consistency=options.ignore_consistency,
        )
        for move in plan.moves
    ]
    return await carry_out(session, options, plan, ops)


async def evacuate_groups(session: Session, options: Options) -> int:
    """Move all instances of groups."""
    from ganetix.api.types import QueryRequest
    from ganetix.cli.evacuation import carry_out, planned

    if options.to in options.names:
        raise UsageError(f"--to: group {options.to} is one that is to be evacuated")
    await session.query(
        QueryRequest(kind="group", fields=("name",), names=(options.to,))
    )
    names: list[str] = []
    for group in dict.fromkeys(options.names):
        request = QueryRequest(kind="instance", fields=("name",), group=group)
        names += (str(row.cells[0]) for row in (await session.query(request)).rows)
    plan = await planned(session, options, names, options.to)
    ops = _migrations(plan, options.to, allow_failover=True)
    return await carry_out(session, options, plan, ops)


async def _instances_of(session: Session, options: Options) -> dict[str, str]:
    """The primary instances of the nodes, with their node."""
    from ganetix.api.types import QueryRequest

    target = options.target_node
    if target is not None and options.iallocator is not None:
        raise UsageError("-I: a node is named already; give one of both")
    if target in options.names:
        raise UsageError(f"-n: node {target} is one that the instances are to leave")
    if target is not None:
        await session.query(
            QueryRequest(kind="node", fields=("name",), names=(target,))
        )
    names = tuple(dict.fromkeys(options.names))
    request = QueryRequest(kind="node", fields=("name", "pinst_list"), names=names)
    return {
        str(instance): str(row.cells[0])
        for row in (await session.query(request)).rows
        if isinstance(row.cells[1], list)
        for instance in row.cells[1]
    }


async def _running(session: Session, names: Sequence[str]) -> list[str]:
    from ganetix.api.types import QueryRequest

    if not names:
        return []
    request = QueryRequest(
        kind="instance", fields=("name", "status"), names=tuple(names)
    )
    rows = (await session.query(request)).rows
    # Of one whose node does not answer the job says why it stays.
    down = ("ADMIN_down", "USER_down", "ERROR_down", "ADMIN_offline")
    return [str(row.cells[0]) for row in rows if row.cells[1] not in down]


async def _plan(session: Session, options: Options, homes: dict[str, str]) -> Planned:
    from ganetix.cli.evacuation import named_target, planned, would_be

    if options.target_node is not None:
        plan = named_target(homes, options.target_node)
        if options.dry_run:
            return await would_be(session, plan, options.target_node)
        return plan
    left = tuple(dict.fromkeys(options.names))
    return await planned(session, options, list(homes), options.node_group, left)


async def _migrate(
    session: Session, options: Options, homes: dict[str, str], *, allow_failover: bool
) -> int:
    from ganetix.cli.evacuation import carry_out

    plan = await _plan(session, options, homes)
    ops = _migrations(plan, options.node_group, allow_failover=allow_failover)
    return await carry_out(session, options, plan, ops)


def _migrations(
    plan: Planned, group: str | None, *, allow_failover: bool
) -> list[OpInstanceMigrate]:
    from ganetix.opcodes import OpInstanceMigrate

    return [
        OpInstanceMigrate(
            name=move.instance,
            node=move.target,
            group=group,
            allow_failover=allow_failover,
        )
        for move in plan.moves
    ]
