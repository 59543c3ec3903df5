"""``gnt-job``: jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError
from ganetix.cli.listing import print_info, print_list
from ganetix.cli.options import PRIORITIES, add_json_option, add_list_options, duration
from ganetix.cli.parser import Options, Parser, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session


def program() -> Program:
    """The parser of ``gnt-job``."""
    made = Program(
        "gnt-job",
        "Shows, follows, cancels and archives jobs.",
        "Everything that changes the cluster is a job. A job goes on when the command"
        " that submitted it is interrupted.",
    )
    listing = made.look(
        "list",
        list_jobs,
        "list jobs",
        "States: queued, waiting (for locks), running, canceling, success, error,"
        " canceled.",
        examples=[
            "list",
            "list --limit 20 -o id,status,why",
            "list 17 18",
            "list --archived -o +archived,end_ts",
        ],
    )
    _add_ids(listing, "*")
    listing.add_argument(
        "--limit", type=_count, metavar="N", help="only the newest N jobs"
    )
    listing.add_argument("--archived", action="store_true", help="archived jobs, too")
    add_list_options(listing, "job")
    info = made.look(
        "info",
        info_jobs,
        "show jobs with their logs",
        "Archived jobs are found as well.",
        examples=["info 17"],
    )
    _add_ids(info, "+")
    add_json_option(info)
    watch = made.command(
        "watch",
        watch_jobs,
        "follow jobs until they end, showing their logs from the beginning",
        "The exit status is 1 if one of them did not succeed.",
        examples=["watch 17"],
    )
    _add_ids(watch, "+")
    wait = made.command(
        "wait",
        wait_jobs,
        "wait for jobs to end, silently",
        "Prints number and status of each. The exit status is 1 if one of them did"
        " not succeed.",
        examples=["wait 17 18", "wait $(gnt-instance start --submit web1)"],
    )
    _add_ids(wait, "+")
    add_json_option(wait)
    cancel = made.command(
        "cancel",
        cancel_jobs,
        "cancel jobs",
        "A job that waits is cancelled at once, one that runs at its next safe point.",
        examples=["cancel 17"],
    )
    _add_ids(cancel, "+")
    why = made.command(
        "why",
        why_jobs,
        "say what jobs wait for",
        "For another job, for a lock, and who holds it since when, or for a slot, and"
        " how many are before it.",
        examples=["why 17"],
    )
    _add_ids(why, "+")
    add_json_option(why)
    _add_change_priority(made)
    _add_archive(made)
    return made


def _add_change_priority(made: Program) -> None:
    change = made.command(
        "change-priority",
        change_priority,
        "give what is left of jobs another priority",
        "A job that runs keeps its slot and its locks;"
        " the priority counts for its next opcode.",
        examples=["change-priority high 17", "change-priority -10 17 18"],
    )
    change.add_argument(
        "priority",
        metavar="PRIORITY",
        choices=(*PRIORITIES, *map(str, PRIORITIES.values())),
        help="low, normal or high, or their numbers 10, 0 and -10",
    )
    _add_ids(change, "+")


def _add_archive(made: Program) -> None:
    archive = made.command(
        "archive",
        archive_jobs,
        "archive jobs that have ended",
        "Archived jobs are not listed unless --archived asks for them. The master"
        " archives by itself what ended some hours ago.",
        examples=["archive 17 18", "archive --all", "archive --older-than 2d"],
    )
    _add_ids(archive, "*")
    archive.add_argument("--all", action="store_true", help="all that have ended")
    archive.add_argument(
        "--older-than",
        metavar="AGE",
        type=duration,
        help="all that ended so long ago, as in 90, 30m, 6h, 2d",
    )


def _add_ids(parser: Parser, how_many: str) -> None:
    completes(
        parser.add_argument(
            "ids", metavar="JOB", nargs=how_many, type=_count, help="a job's number"
        ),
        "job",
    )


def _count(text: str) -> int:
    """A positive number."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        import argparse

        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


async def list_jobs(session: Asking, options: Options) -> None:
    """List jobs."""
    names = [str(job_id) for job_id in options.ids]
    await print_list(
        session,
        options,
        "job",
        names,
        limit=options.limit,
        archived=options.archived,
    )


async def info_jobs(session: Asking, options: Options) -> None:
    """Show jobs."""
    await print_info(session, options, "job", [str(n) for n in options.ids])


async def watch_jobs(session: Session, options: Options) -> None:
    """Follow jobs."""
    ids = list(dict.fromkeys(options.ids))
    session.require_success(await session.follow(ids))


async def wait_jobs(session: Session, options: Options) -> int:
    """Wait for jobs."""
    from ganetix.cli.output import print_json

    client = await session.client()
    ids = list(dict.fromkeys(options.ids))
    jobs = await client.follow_many(ids, ends_only=True)
    if options.json:
        answer = []
        for job in jobs:
            error = job.error
            answer.append(
                {
                    "id": job.id,
                    "status": job.status,
                    "error": error.message if error else None,
                }
            )
        print_json(session.streams, answer)
    else:
        for job in jobs:
            session.streams.out(f"{job.id} {job.status}")
    return int(any(job.status != "success" for job in jobs))


async def cancel_jobs(session: Session, options: Options) -> int:
    """Cancel jobs."""
    client = await session.client()
    return await _tell_each(session, options, client.cancel)


async def change_priority(session: Session, options: Options) -> int:
    """Change priorities."""
    client = await session.client()
    priority = PRIORITIES.get(options.priority)
    if priority is None:
        priority = int(options.priority)

    def change(job_id: int) -> Awaitable[tuple[bool, str]]:
        return client.change_priority(job_id, priority)

    return await _tell_each(session, options, change)


async def why_jobs(session: Session, options: Options) -> None:
    """Say what jobs wait for."""
    from ganetix.api.types import QueryRequest
    from ganetix.cli.output import print_json, row_object
    from ganetix.cli.streams import printable

    names = tuple(str(job_id) for job_id in dict.fromkeys(options.ids))
    fields = ("id", "status", "summary", "why")
    result = await session.query(QueryRequest(kind="job", names=names, fields=fields))
    if options.json:
        print_json(session.streams, [row_object(result, row) for row in result.rows])
        return
    for row in result.rows:
        job_id, status, summary, why = row.cells
        text = why or "waits for nothing"
        line = f"job {job_id}, {summary}: {status}, {text}"
        session.streams.out(printable(line))


async def archive_jobs(session: Session, options: Options) -> int:
    """Archive jobs."""
    given = [bool(options.ids), options.all, options.older_than is not None]
    if sum(given) != 1:
        raise UsageError("which jobs? Give numbers, or --all, or --older-than AGE")
    client = await session.client()
    if options.ids:
        told = await client.archive(list(dict.fromkeys(options.ids)))
        return int(sum(_tell(session, *each) for each in told) > 0)
    count = await client.archive_older(0.0 if options.all else options.older_than)
    session.streams.out(f"archived {count} {'job' if count == 1 else 'jobs'}")
    return 0


async def _tell_each(
    session: Session,
    options: Options,
    act: Callable[[int], Awaitable[tuple[bool, str]]],
) -> int:
    refused = 0
    for job_id in dict.fromkeys(options.ids):
        refused += _tell(session, *await act(job_id))
    return int(refused > 0)


def _tell(session: Session, is_done: bool, text: str) -> bool:
    """Print what became of a job; whether that is an error."""
    if is_done:
        session.streams.out(text)
    else:
        session.streams.note(f"{session.program}: error: {text}")
    return not is_done
