"""``gnt-instance failover`` and ``gnt-instance migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.instance_jobs import (
    add_force,
    add_names,
    add_stop_timeout,
    run_for_named,
)
from ganetix.cli.options import add_allocator_option, add_group_option, add_job_options
from ganetix.cli.parser import Options, Parser, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session

DISKS = (
    "An instance whose disks are on its node only cannot be moved. A move that is cut"
    " short is finished or taken back by itself."
)


def add_move_commands(made: Program) -> None:
    """Add both commands."""
    failover = made.command(
        "failover",
        fail_over,
        "stop instances, and start them on another node",
        "The node that an instance leaves must confirm that it stopped, or be marked"
        f" offline. One that should be down stays down. {DISKS}",
        examples=["failover web1", "failover -f -n node3 --timeout 30s web1 web2"],
    )
    add_stop_timeout(failover)
    failover.add_argument(
        "--ignore-consistency",
        action="store_true",
        help="although it may still run where nobody answers: it may then run twice",
    )
    add_force(failover, "do not ask first")
    _add_target(failover)
    migrate = made.command(
        "migrate",
        migrate_instances,
        "move running instances to another node",
        f"The guest goes on without a stop. {DISKS} 'gnt-job cancel' calls it back.",
        examples=[
            "migrate web1",
            "migrate -n node3 web1",
            "migrate --allow-failover db1",
        ],
    )
    migrate.add_argument(
        "--allow-failover",
        action="store_true",
        help="move one that does not run as 'failover' does",
    )
    _add_target(migrate)


def _add_target(parser: Parser) -> None:
    add_names(parser, "+", "which ones")
    completes(
        parser.add_argument(
            "-n",
            "--node",
            metavar="NODE",
            help="where it goes (default: an allocator chooses a node of its group)",
        ),
        "node",
    )
    add_group_option(parser, "the node group that it goes to (default: its own)")
    add_allocator_option(parser, "the allocator that chooses the node")
    add_job_options(parser)


async def fail_over(session: Session, options: Options) -> None:
    """Stop and start elsewhere."""
    from ganetix.opcodes import OpInstanceFailover

    await run_for_named(
        session,
        options,
        lambda name: OpInstanceFailover(
            name=name,
            node=options.node,
            group=options.node_group,
            iallocator=options.iallocator,
            timeout=options.timeout,
            ignore_consistency=options.ignore_consistency,
        ),
        ask="Stop {names} and start elsewhere?",
    )


async def migrate_instances(session: Session, options: Options) -> None:
    """Move while it runs."""
    from ganetix.opcodes import OpInstanceMigrate

    await run_for_named(
        session,
        options,
        lambda name: OpInstanceMigrate(
            name=name,
            node=options.node,
            group=options.node_group,
            iallocator=options.iallocator,
            allow_failover=options.allow_failover,
        ),
    )
