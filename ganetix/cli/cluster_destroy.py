"""``gnt-cluster destroy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError
from ganetix.cli.options import add_job_options
from ganetix.cli.parser import Options, Program

if TYPE_CHECKING:
    from ganetix.cli.session import Session


def add_destroy(made: Program) -> None:
    """``destroy``."""
    destroy = made.command(
        "destroy",
        destroy_cluster,
        "end a cluster that has no instances and no node but the master",
        examples=["destroy --yes-do-it"],
    )
    destroy.add_argument(
        "--yes-do-it", action="store_true", help="needed: there is no way back"
    )
    add_job_options(destroy)


async def destroy_cluster(session: Session, options: Options) -> None:
    """End the cluster."""
    from ganetix.opcodes import OpClusterDestroy

    if not options.yes_do_it:
        raise UsageError("destroying a cluster is final: give --yes-do-it")
    job = await session.run_job(OpClusterDestroy(), options)
    if job is not None:
        session.streams.note("the cluster is no more; stop its daemons")
