"""``gnt-cluster master-failover`` and ``master-ping``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.options import add_json_option
from ganetix.cli.parser import Options, Program
from ganetix.cli.streams import printable

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session


def add_master_failover(made: Program) -> None:
    """``master-failover``."""
    failover = made.command(
        "master-failover",
        take_over,
        "make this master candidate the master",
        "Run it on the candidate that is to be master; no master is needed, but the"
        " node daemon here. All nodes are asked whom they take for the master, all"
        " candidates what they hold. Nothing is done unless most nodes answer, and"
        " unless enough candidates do to be sure that no acknowledged change is lost."
        " A master daemon that still runs is asked to end first, so that nothing at all"
        " is lost. Start ganetix-master here afterwards. An old master that cannot be"
        " asked stands down by itself as soon as it hears of this.",
        examples=[
            "master-failover --dry-run",
            "master-failover",
            "master-failover --no-voting",
            "master-failover --accept-loss",
        ],
    )
    failover.add_argument(
        "--dry-run",
        action="store_true",
        help="say what each candidate holds and what would be done; change nothing",
    )
    failover.add_argument(
        "--no-voting",
        action="store_true",
        help="go on though most nodes do not answer: your word that the old master is"
        " down. For clusters of two nodes",
    )
    failover.add_argument(
        "--accept-loss",
        action="store_true",
        help="go on though changes may be lost that only candidates out of reach hold;"
        " these are candidates no longer",
    )
    add_json_option(failover)
    failover.set_defaults(dials_nodes=True)


def add_master_ping(made: Program) -> None:
    """``master-ping``."""
    made.look(
        "master-ping",
        ping_master,
        "see whether the master daemon of this node is up and answers",
        "The exit status is 0 if it does, 1 if not.",
        examples=["master-ping"],
    )


async def take_over(session: Session, options: Options) -> None:
    """Make this node the master."""
    import msgspec

    from ganetix.bootstrap.failover_here import take_over_here
    from ganetix.cli.output import print_json
    from ganetix.plan.failover import Words

    words = Words(no_voting=options.no_voting, accept_loss=options.accept_loss)
    outcome = await take_over_here(
        session.reactor,
        session.paths,
        words,
        rehearse=options.dry_run,
        say=lambda line: session.streams.note(printable(line)),
    )
    if options.json:
        print_json(session.streams, msgspec.to_builtins(outcome))
        return
    if outcome.is_rehearsal:
        session.streams.out(
            f"{outcome.master} would be master from revision {outcome.revision}, in"
            f" epoch {outcome.epoch}; nothing was changed"
        )
        return
    for name in outcome.behind:
        session.streams.note(
            f"{name} did not take the new ssconf; the master brings it"
        )
    session.streams.out(
        f"{outcome.master} is master from revision {outcome.revision}, in epoch"
        f" {outcome.epoch}; now start ganetix-master here"
    )


async def ping_master(session: Asking, options: Options) -> None:
    """Ask the master for a sign of life; fails if it gives none."""
    info = await (await session.client()).cluster_info()
    session.streams.out(f"the master on {info.master_node} answers")
