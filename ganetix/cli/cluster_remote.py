"""``gnt-cluster command`` and ``copyfile``: to all nodes, without SSH."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, cast

from ganetix.cli.errors import Failure, UsageError, checked
from ganetix.cli.parser import (
    Options,
    Parser,
    Program,
    add_group_option,
    add_json_option,
    completes,
    duration,
)
from ganetix.cli.streams import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganetix.cli.session import Session
    from ganetix.jobs.model import Job
    from ganetix.jobs.values import JobUpdate
    from ganetix.opcodes.remote import OpNodesCommand, OpNodesCopyFile


def add_command(made: Program) -> None:
    """``command``."""
    command = made.command(
        "command",
        run_command,
        "run a shell command on nodes",
        "Runs on all nodes that are not offline, through their daemons; no SSH is"
        " needed. It runs in / with umask 022. Output comes as it is written, each"
        " line behind its node's name; what went wrong goes to standard error. The exit"
        " status is the highest of all nodes', 255 for a node that could not be asked.",
        examples=[
            "command uptime",
            "command -g rack2 apt-get -q update",
            "command -n node2 -n node3 --parallel 1 'systemctl restart ntp'",
        ],
    )
    _add_targets(command)
    command.add_argument(
        "--timeout",
        metavar="DURATION",
        type=duration,
        default=3600.0,
        help="end it on a node where it takes longer (default: 1h)",
    )
    add_json_option(command)
    command.add_argument(
        "words",
        metavar="COMMAND",
        nargs=argparse.REMAINDER,
        help="a line for the shell; several words are joined by spaces",
    )


def add_copyfile(made: Program) -> None:
    """``copyfile``."""
    copy = made.command(
        "copyfile",
        copy_file,
        "copy a file of this node to the same path on others",
        "Contents, mode and owner are kept, and each node has the old file or the"
        " whole new one. A copy that was cut off goes on where it stopped. Nodes that"
        " have the file already are left alone.",
        examples=["copyfile /etc/hosts", "copyfile -g rack2 /etc/ntp.conf"],
    )
    _add_targets(copy)
    add_json_option(copy)
    copy.add_argument("path", metavar="FILE", help="an absolute path")


def _add_targets(parser: Parser) -> None:
    choice = parser.add_mutually_exclusive_group()
    add_group_option(choice, "only nodes of this group")
    completes(
        choice.add_argument(
            "-n",
            "--node",
            metavar="NODE",
            action="append",
            default=[],
            help="only this node; may be repeated",
        ),
        "node",
    )
    parser.add_argument(
        "--parallel",
        metavar="N",
        type=int,
        default=16,
        help="so many nodes at a time (default: %(default)s)",
    )


async def run_command(session: Session, options: Options) -> int:
    """Run a command on nodes."""
    from ganetix.opcodes.remote import OpNodesCommand

    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    op = checked(
        OpNodesCommand,
        command=" ".join(words),
        nodes=tuple(options.node),
        group=options.node_group,
        parallel=options.parallel,
        timeout_seconds=options.timeout,
    )
    return await _carry(session, options, op)


async def copy_file(session: Session, options: Options) -> int:
    """Copy a file to nodes."""
    from ganetix.opcodes.remote import OpNodesCopyFile

    op = checked(
        OpNodesCopyFile,
        path=options.path,
        nodes=tuple(options.node),
        group=options.node_group,
        parallel=options.parallel,
    )
    return await _carry(session, options, op)


async def _carry(
    session: Session, options: Options, op: OpNodesCommand | OpNodesCopyFile
) -> int:
    from twisted.internet.defer import CancelledError

    from ganetix.cli.output import print_json
    from ganetix.jobs.values import SubmitRequest

    client = await session.client()
    (job_id,) = await client.submit([SubmitRequest(ops=(op,))])
    output: dict[str, list[str]] = {}

    def tell(update: JobUpdate) -> None:
        for line in update.lines:
            text = printable(line.text)
            if line.level == "warning":
                session.streams.note(text)
            elif options.json:
                node, _, written = line.text.partition(": ")
                output.setdefault(node, []).append(written)
            else:
                session.streams.out(text)
        session.streams.stdout.flush()

    try:
        job = await client.follow(job_id, tell)
    except CancelledError:
        await client.cancel(job_id)
        session.streams.note(f"{session.program}: interrupted; no more nodes begin")
        raise
    ends = _ends(job)
    if options.json:
        nodes = [{**end, "output": output.get(end["node"], [])} for end in ends]
        print_json(session.streams, {"job": job_id, "nodes": nodes})
    return max((int(end["status"]) for end in ends), default=0)


def _ends(job: Job) -> Sequence[dict[str, Any]]:
    if job.status != "success":
        reason = job.error.message if job.error else f"it was {job.status}"
        raise Failure(f"job {job.id}: {reason}")
    result = cast("dict[str, Any]", job.ops[0].result)
    ends: Sequence[dict[str, Any]] = result["nodes"]
    if not ends:
        raise UsageError(
            "no node is meant: none but offline ones, and the master for a copy of its"
            " own file"
        )
    return ends
