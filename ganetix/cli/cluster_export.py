"""``gnt-cluster export-htools``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ganetix.cli.errors import Failure, UsageError
from ganetix.cli.options import add_groups_option, add_job_options
from ganetix.cli.parser import Options, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session

STDOUT = "-"


def add_export(made: Program) -> None:
    """``export-htools``."""
    export = made.command(
        "export-htools",
        export_htools,
        "write the running cluster in the text format of htools",
        "hspace, hbal and gnt-capacity read it with -t. Nodes are asked; one that does"
        " not answer counts as offline. The policies let everything pass but what the"
        " CPU ratio forbids, and spindles play no role.",
        examples=[
            "export-htools /tmp/cluster.data",
            "export-htools -g rack2 - | gnt-capacity -t -",
        ],
    )
    add_groups_option(export)
    completes(
        export.add_argument("file", metavar="FILE", help="where to; - is stdout"),
        "file",
    )
    add_job_options(export)


async def export_htools(session: Session, options: Options) -> None:
    """Have it described, and write it."""
    from ganetix.opcodes import OpClusterExport

    if options.submit:
        raise UsageError("--submit: the text has to be waited for")
    job = await session.run_job(
        OpClusterExport(groups=tuple(options.node_group)), options
    )
    if job is None:
        return
    text = str(cast("dict[str, Any]", job.ops[0].result)["text"])
    if options.file == STDOUT:
        session.streams.stdout.write(text)
        return
    try:
        with open(options.file, "w", encoding="utf-8") as file:  # noqa: ASYNC230
            file.write(text)
    except OSError as error:
        raise Failure(f"{options.file} cannot be written: {error.strerror}") from error
