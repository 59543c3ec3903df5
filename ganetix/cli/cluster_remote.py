"""``gnt-cluster command`` and ``copyfile``: to all nodes, without SSH."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, cast

from ganetix.cli.errors import Failure, UsageError, checked
from ganetix.cli.options import add_group_option, add_json_option, duration
from ganetix.cli.parser import Options, Parser, Program, completes
from ganetix.cli.streams import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        " needed. It runs in / with umask 022. Output comes as it is written, standard"
        " error on standard error, each line behind its node's name; of a single node"
        " that is named it comes without the name. Every byte is as it was written,"
        " except on a terminal, where those that it would obey are shown. What went"
        " wrong goes to standard error. The exit status is the highest of all nodes',"
        " 255 for a node that could not be asked, or whose output is not whole: 10,000"
        " lines are kept. In JSON a node's stdout and stderr are text; stdout_base64"
        " and stderr_base64 are the bytes if they are not UTF-8, and null if they are.",
        examples=[
            "command uptime",
            "command -n node2 'tar cz /etc/network' > network.tgz",
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
    shown = command.add_mutually_exclusive_group()
    shown.add_argument(
        "--raw",
        action="store_true",
        help="output without nodes' names, and as it is also to a terminal",
    )
    add_json_option(shown)
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
    from ganetix.cli.node_output import Kept, Printed
    from ganetix.cli.output import print_json
    from ganetix.objects.output import written
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
    is_bare = options.raw or len(op.nodes) == 1
    shown = (
        Kept()
        if options.json
        else Printed(session.streams, names=not is_bare, raw=options.raw)
    )
    warnings: list[str] = []

    def tell(update: JobUpdate) -> None:
        for line in update.lines:
            if line.level == "warning" and is_bare:
                warnings.append(line.text)
            elif output := written(line.text):
                shown.take(output)
            else:
                session.streams.note(printable(line.text))
        shown.flush()

    ends: Sequence[dict[str, Any]] = ()
    try:
        job_id, ends = await _carry(session, op, tell)
    finally:
        shown.finish()
        # Standard error is the command's own, so its exit status alone is told by ours.
        known = {f"{end['node']}: exit status {end['status']}" for end in ends}
        for text in warnings:
            if text not in known:
                session.streams.note(printable(text))
    if isinstance(shown, Kept):
        nodes = [{**end, **shown.of(end["node"])} for end in ends]
        print_json(session.streams, {"job": job_id, "nodes": nodes})
    return _worst(ends)


async def copy_file(session: Session, options: Options) -> int:
    """Copy a file to nodes."""
    from ganetix.cli.output import print_json
    from ganetix.opcodes.remote import OpNodesCopyFile

    op = checked(
        OpNodesCopyFile,
        path=options.path,
        nodes=tuple(options.node),
        group=options.node_group,
        parallel=options.parallel,
    )
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

    job_id, ends = await _carry(session, op, tell)
    if options.json:
        nodes = [{**end, "output": output.get(end["node"], [])} for end in ends]
        print_json(session.streams, {"job": job_id, "nodes": nodes})
    return _worst(ends)


async def _carry(
    session: Session,
    op: OpNodesCommand | OpNodesCopyFile,
    tell: Callable[[JobUpdate], None],
) -> tuple[int, Sequence[dict[str, Any]]]:
    """Have it done; the job's number, and how it ended on each node."""
    from twisted.internet.defer import CancelledError

    from ganetix.jobs.values import SubmitRequest

    client = await session.client()
    (job_id,) = await client.submit([SubmitRequest(ops=(op,))])
    try:
        job = await client.follow(job_id, tell)
    except CancelledError:
        await client.cancel(job_id)
        session.streams.note(f"{session.program}: interrupted; no more nodes begin")
        raise
    except OSError:
        # Nobody reads on, or there is no room for it.
        await client.cancel(job_id)
        raise
    return job_id, _ends(job)


def _worst(ends: Sequence[dict[str, Any]]) -> int:
    return max(int(end["status"]) for end in ends)


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
