"""``gnt-debug``: tools to look under the hood and to try things out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ganetix.cli.errors import checked
from ganetix.cli.options import add_job_options, add_list_options, duration
from ganetix.cli.parser import Options, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session
    from ganetix.jobs.values import LockInfo


def program() -> Program:
    """The parser of ``gnt-debug``."""
    made = Program("gnt-debug", "Looks under the hood, and tries things out.", "")
    delay = made.command(
        "delay",
        delay_job,
        "run a job that only waits",
        "Waits on the master, and with -n on nodes as well, by RPC to them.",
        examples=["delay 10", "delay --no-master -n node2 -n node3 30s"],
    )
    delay.add_argument(
        "duration", metavar="DURATION", type=duration, help="as in 10, 30s, 5m"
    )
    delay.add_argument(
        "--no-master", action="store_true", help="do not wait on the master"
    )
    completes(
        delay.add_argument(
            "-n",
            "--node",
            metavar="NODE",
            action="append",
            default=[],
            help="wait on this node, too; may be repeated",
        ),
        "node",
    )
    delay.add_argument("--fail", action="store_true", help="fail after the wait")
    add_job_options(delay)
    locks = made.look(
        "locks",
        list_locks,
        "list the locks that are held or waited for",
        "Shows who holds a lock and who waits for it, in the order of the queue, with"
        " mode, priority and since when.",
        examples=["locks", "locks --json"],
    )
    add_list_options(locks)
    return made


async def delay_job(session: Session, options: Options) -> None:
    """Wait."""
    from ganetix.opcodes import OpTestDelay

    op = checked(
        OpTestDelay,
        duration=options.duration,
        on_master=not options.no_master,
        on_nodes=tuple(options.node),
        fail=options.fail,
    )
    await session.run_job(op, options)


async def list_locks(session: Asking, options: Options) -> None:
    """List locks."""
    import msgspec

    from ganetix.cli.output import print_json, print_table

    locks = await (await session.client()).locks()
    if options.json:
        print_json(session.streams, msgspec.to_builtins(locks))
        return
    rows = [_lock_row(lock) for lock in locks]
    titles = ("Level", "Name", "Mode", "Held by", "Pending")
    print_table(session.streams, titles, rows, options)


def _lock_row(lock: LockInfo) -> tuple[str, ...]:
    from ganetix.cli.quantities import show_seconds

    now = time.time()
    owners = []
    for owner in lock.owners:
        age = f" {show_seconds(now - owner.since)}" if owner.since else ""
        owners.append(f"{owner.name}{age}")
    pending = []
    for waiter in lock.pending:
        age = f" {show_seconds(now - waiter.since)}" if waiter.since else ""
        pending.append(f"{waiter.name} {waiter.mode} {waiter.priority:+d}{age}")
    return (
        lock.level,
        lock.name,
        lock.mode or "-",
        ", ".join(owners) or "-",
        ", ".join(pending) or "-",
    )
