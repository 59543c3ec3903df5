"""``gnt-cluster verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.parser import (
    Options,
    Program,
    add_group_option,
    add_job_options,
    add_json_option,
)

if TYPE_CHECKING:
    from ganetix.cli.session import Session


def add_verify(made: Program) -> None:
    """``verify``."""
    verify = made.command(
        "verify",
        verify_cluster,
        "check that nodes and instances are as they should be",
        "Checks one group, the default one if none is named. Findings go to standard"
        " output. The exit status is 1 if one of them is an error.",
        examples=["verify", "verify -g rack2", "verify --all-groups --repair"],
    )
    choice = verify.add_mutually_exclusive_group()
    add_group_option(choice, "check this group")
    choice.add_argument(
        "--all-groups", action="store_true", help="check every group, a job for each"
    )
    verify.add_argument(
        "--repair", action="store_true", help="clean up what interrupted work left"
    )
    add_json_option(verify)
    add_job_options(verify)


async def verify_cluster(session: Session, options: Options) -> int:
    """Check the cluster."""
    from ganetix.api.types import QueryRequest
    from ganetix.cli.verify import medium_report, print_report, report_of
    from ganetix.errors import StateFault
    from ganetix.opcodes import OpClusterVerify

    groups: list[str | None] = [options.node_group]
    if options.all_groups:
        rows = (await session.query(QueryRequest(kind="group", fields=("name",)))).rows
        groups = [str(row.cells[0]) for row in rows]
    ops = [OpClusterVerify(group=group, repair=options.repair) for group in groups]
    try:
        jobs = await session.run_jobs(ops, options)
    except StateFault as error:
        # No job can say so: none was taken.
        report = medium_report(session.ssconf("cluster_name"), error)
        return print_report(session.streams, report, options)
    if options.submit:
        return 0
    return print_report(session.streams, report_of(jobs), options)
