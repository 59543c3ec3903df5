"""``gnt-job``: jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.listing import print_info, print_list
from ganetix.cli.parser import (
    Options,
    Parser,
    Program,
    add_json_option,
    add_list_options,
    completes,
)

if TYPE_CHECKING:
    from ganetix.cli.session import Session


def program() -> Program:
    """The parser of ``gnt-job``."""
    made = Program(
        "gnt-job",
        "Shows, follows and cancels jobs.",
        "Everything that changes the cluster is a job. A job goes on when the command"
        " that submitted it is interrupted.",
    )
    listing = made.command(
        "list",
        list_jobs,
        "list jobs",
        "States: queued, waiting (for locks), running, canceling, success, error,"
        " canceled.",
        examples=["list", "list --limit 20 -o id,status,why", "list 17 18"],
    )
    _add_ids(listing, "*")
    listing.add_argument(
        "--limit", type=_count, metavar="N", help="only the newest N jobs"
    )
    add_list_options(listing)
    info = made.command(
        "info", info_jobs, "show jobs with their logs", examples=["info 17"]
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
    return made


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


async def list_jobs(session: Session, options: Options) -> None:
    """List jobs."""
    names = [str(job_id) for job_id in options.ids]
    await print_list(session, options, "job", names, limit=options.limit)


async def info_jobs(session: Session, options: Options) -> None:
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
    refused = 0
    for job_id in dict.fromkeys(options.ids):
        done, text = await client.cancel(job_id)
        if done:
            session.streams.out(text)
        else:
            refused += 1
            session.streams.note(f"{session.program}: error: {text}")
    return int(refused > 0)
