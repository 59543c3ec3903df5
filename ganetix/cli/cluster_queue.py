"""``gnt-cluster queue``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError
from ganetix.cli.options import add_json_option
from ganetix.cli.parser import Options, Program
from ganetix.cli.streams import printable

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.jobs.values import Drain


def add_queue(made: Program) -> None:
    """``queue``."""
    queue = made.command(
        "queue",
        control_queue,
        "stop and start taking jobs, or show the job queue",
        "drain lets no new jobs in, until undrain; jobs that are there go on, and the"
        " master still cleans up after itself. It holds over restarts of the master."
        " To drain again with another reason changes the reason; without one it stays.",
        examples=["queue info", "queue drain --reason upgrade", "queue undrain"],
    )
    queue.add_argument(
        "action",
        metavar="ACTION",
        choices=("drain", "undrain", "info"),
        help="drain, undrain or info",
    )
    queue.add_argument(
        "--reason", default="", help="with drain: what those hear whose jobs it refuses"
    )
    add_json_option(queue)


async def control_queue(session: Session, options: Options) -> None:
    """Drain the queue, or show it."""
    import msgspec

    from ganetix.cli.output import print_json

    if options.reason and options.action != "drain":
        raise UsageError("--reason goes with drain only")
    client = await session.client()
    if options.action == "info":
        info = await client.queue_info()
    else:
        info = await client.drain(options.action == "drain", options.reason)
    if options.json:
        print_json(session.streams, msgspec.to_builtins(info))
        return
    if options.action == "drain" and info.drain and info.drain.reason != options.reason:
        session.streams.note("it was drained before: the earlier reason stays")
    state = "takes jobs" if info.drain is None else drain_text(info.drain)
    session.streams.out(printable(f"Queue: {state}"))
    session.streams.out(
        f"Jobs: {info.running} running, {info.waiting} waiting for locks,"
        f" {info.queued} queued; {info.slots} slots"
    )


def drain_text(drain: Drain) -> str:
    """Since when the queue is drained, and why."""
    from ganetix.cli.output import show_time

    reason = f": {drain.reason}" if drain.reason else ""
    return f"drained since {show_time(drain.since)}{reason}"
