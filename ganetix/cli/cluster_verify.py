"""``gnt-cluster verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.options import add_group_option, add_job_options, add_json_option
from ganetix.cli.parser import Options, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session


def add_verify(made: Program) -> None:
    """``verify``."""
    verify = made.command(
        "verify",
        verify_cluster,
        "check that nodes and instances are as they should be",
        "Checks one group, the default one if none is named, and the cluster as a"
        " whole. Only nodes of that group are contacted. Findings go to standard"
        " output, each with a code that stays the same from release to release. The"
        " exit status is 1 if one of them is an error; warnings alone give 0.",
        examples=[
            "verify",
            "verify -g rack2",
            "verify --all-groups --repair",
            "verify --error-codes --ignore-errors ENODETIME",
            "verify --list-codes",
        ],
    )
    choice = verify.add_mutually_exclusive_group()
    add_group_option(choice, "check this group")
    choice.add_argument(
        "--all-groups", action="store_true", help="check every group, a job for each"
    )
    verify.add_argument(
        "--repair", action="store_true", help="clean up what interrupted work left"
    )
    completes(
        verify.add_argument(
            "--ignore-errors",
            metavar="CODE",
            action="append",
            default=[],
            help="report errors of this code as warnings; may be repeated",
        ),
        "error-code",
    )
    form = verify.add_mutually_exclusive_group()
    form.add_argument(
        "--error-codes",
        action="store_true",
        help="print one line LEVEL:CODE:KIND:NAME:MESSAGE a finding, for scripts",
    )
    form.add_argument(
        "--list-codes",
        action="store_true",
        help="list all codes with their meanings, and return",
    )
    add_json_option(form)
    add_job_options(verify)


async def verify_cluster(session: Session, options: Options) -> int:
    """Check the cluster."""
    from msgspec.structs import replace

    from ganetix.api.types import QueryRequest
    from ganetix.cli.errors import checked
    from ganetix.cli.verify import medium_report, print_codes, print_report, report_of
    from ganetix.errors import StateFault
    from ganetix.opcodes import OpClusterVerify

    if options.list_codes:
        print_codes(session.streams)
        return 0
    first = checked(
        OpClusterVerify,
        group=options.node_group,
        repair=options.repair,
        ignore_errors=tuple(dict.fromkeys(options.ignore_errors)),
    )
    ops = [first]
    if options.all_groups:
        rows = (await session.query(QueryRequest(kind="group", fields=("name",)))).rows
        ops = [replace(first, group=str(row.cells[0])) for row in rows]
    try:
        jobs = await session.run_jobs(ops, options)
    except StateFault as error:
        # No job can say so: none was taken.
        report = medium_report(session.ssconf("cluster_name"), error)
        return print_report(session.streams, report, options)
    if options.submit:
        return 0
    return print_report(session.streams, report_of(jobs), options)
