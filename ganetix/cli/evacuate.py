"""Moving all instances away from nodes or groups: a job for each, and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganetix.cli.errors import Failure, UsageError
from ganetix.cli.parser import (
    Options,
    Parser,
    Program,
    add_group_option,
    add_job_options,
    completes,
    duration,
)

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.jobs.model import Job
    from ganetix.opcodes import AnyOpcode, OpInstanceMigrate

STOP_TIMEOUT = 120.0
DISKS = (
    "Instances whose disks are on their node only stay, and are named; so the exit"
    " status is 1."
)


def add_node_moves(made: Program) -> None:
    """``evacuate``, ``migrate`` and ``failover`` of ``gnt-node``."""
    evacuate = made.command(
        "evacuate",
        evacuate_nodes,
        "move all instances away from nodes",
        "Those that run are migrated, those that do not get another node; from an"
        f" offline node they are started elsewhere. {DISKS}",
        examples=["evacuate node2", "evacuate -n node5 -f node2 node3"],
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
    failover.add_argument(
        "--timeout",
        metavar="DURATION",
        type=duration,
        default=STOP_TIMEOUT,
        help="how long each guest may take to power off (default: 2m)",
    )
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
    _add_force(evacuate)
    add_job_options(evacuate)


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
            help="where they go (default: a node is chosen for each)",
        ),
        "node",
    )
    add_group_option(parser, "the group in which nodes are chosen (default: its own)")
    _add_force(parser)
    add_job_options(parser)


def _add_force(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="do not ask first")


async def evacuate_nodes(session: Session, options: Options) -> int:
    """Move whatever is there."""
    if options.secondary_only:
        session.streams.note(
            f"{session.program}: no instance has a secondary node; nothing to do"
        )
        return 0
    names = await _instances_of(session, options.names, options.target_node)
    return await _move(session, options, names, _migrations(options, names, True))


async def migrate_nodes(session: Session, options: Options) -> int:
    """Migrate what runs."""
    names = await _instances_of(session, options.names, options.target_node)
    running = await _running(session, names)
    if stopped := len(names) - len(running):
        verb = (
            "instance that does not run stays"
            if stopped == 1
            else ("instances that do not run stay")
        )
        session.streams.note(f"{session.program}: {stopped} {verb}")
    ops = _migrations(options, running, False)
    return await _move(session, options, running, ops)


async def fail_over_nodes(session: Session, options: Options) -> int:
    """Stop and start elsewhere."""
    from ganetix.cli.errors import checked
    from ganetix.opcodes import OpInstanceFailover

    names = await _instances_of(session, options.names, options.target_node)
    ops = [
        checked(
            OpInstanceFailover,
            name=name,
            node=options.target_node,
            group=options.node_group,
            timeout=options.timeout,
            ignore_consistency=options.ignore_consistency,
        )
        for name in names
    ]
    return await _move(session, options, names, ops)


async def evacuate_groups(session: Session, options: Options) -> int:
    """Move all instances of groups."""
    from ganetix.api.types import QueryRequest
    from ganetix.opcodes import OpInstanceMigrate

    if options.to in options.names:
        raise UsageError(f"--to: group {options.to} is one that is to be evacuated")
    await session.query(
        QueryRequest(kind="group", fields=("name",), names=(options.to,))
    )
    names: list[str] = []
    for group in dict.fromkeys(options.names):
        request = QueryRequest(kind="instance", fields=("name",), group=group)
        names += (str(row.cells[0]) for row in (await session.query(request)).rows)
    ops = [
        OpInstanceMigrate(name=name, group=options.to, allow_failover=True)
        for name in names
    ]
    return await _move(session, options, names, ops)


async def _instances_of(
    session: Session, nodes: Sequence[str], target: str | None
) -> list[str]:
    """The primary instances of nodes; ``UsageError`` if one of these is the target."""
    from ganetix.api.types import QueryRequest

    if target in nodes:
        raise UsageError(f"-n: node {target} is one that the instances are to leave")
    request = QueryRequest(kind="node", fields=("pinst_list",), names=tuple(nodes))
    rows = (await session.query(request)).rows
    lists = (row.cells[0] for row in rows)
    return [name for names in lists if isinstance(names, list) for name in names]


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


def _migrations(
    options: Options, names: Sequence[str], allow_failover: bool
) -> list[OpInstanceMigrate]:
    from ganetix.opcodes import OpInstanceMigrate

    return [
        OpInstanceMigrate(
            name=name,
            node=options.target_node,
            group=options.node_group,
            allow_failover=allow_failover,
        )
        for name in names
    ]


async def _move(
    session: Session, options: Options, names: Sequence[str], ops: Sequence[AnyOpcode]
) -> int:
    """Submit all in one call, follow them, say what became of each."""
    from ganetix.cli.verify import count

    if not names:
        session.streams.note(f"{session.program}: there are no instances to move")
        return 0
    if not options.force:
        session.confirm(f"Move {count(len(names), 'instance')}: {', '.join(names)}?")
    jobs = await session.end_jobs(ops, options)
    if not jobs:
        return 0
    failed = [job for job in jobs if job.status != "success"]
    for name, job in zip(names, jobs, strict=True):
        session.streams.out(f"{name}: {_outcome(job)}")
    session.streams.out(
        f"{count(len(jobs) - len(failed), 'instance')} moved, {len(failed)} not"
    )
    if failed:
        raise Failure("")
    return 0


def _outcome(job: Job) -> str:
    if job.status != "success":
        return job.error.message if job.error else f"the job was {job.status}"
    result = job.ops[-1].result
    if not isinstance(result, dict):
        return "moved"
    return f"{result.get('from')} -> {result.get('to')} ({result.get('how')})"
