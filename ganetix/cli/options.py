"""Options that many commands share, and the types of their values.

Imports nothing heavy: ``--help`` and shell completion must be quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from ganetix.cli.parser import Parser, completes
from ganetix.cli.quantities import parse_mib, parse_seconds

T = TypeVar("T")

FINAL_STATUSES = ("success", "error", "canceled")
PRIORITIES = {"low": 10, "normal": 0, "high": -10}


def add_job_options(parser: Parser) -> None:
    """Options of every command that submits jobs."""
    group = parser.add_argument_group("job options")
    group.add_argument(
        "--submit",
        action="store_true",
        help="print the job's number and return, without waiting for it",
    )
    group.add_argument(
        "--priority",
        choices=tuple(PRIORITIES),
        default="normal",
        help="the job's place in the queue (default: normal)",
    )
    completes(
        group.add_argument(
            "--depends",
            metavar="JOB[:STATUS+…]",
            type=dependency,
            action="append",
            default=[],
            help="begin only when that job has ended as success, or as one of these:"
            " success, error, canceled, or any; may be repeated",
        ),
        "job",
    )
    group.add_argument("--reason", default="", help="a text that the job keeps")


def add_list_options(parser: Parser, kind: str = "") -> None:
    """Options of every command that prints a table.

    :param kind: what it lists, whose fields may be chosen; empty if they may not
    """
    group = parser.add_argument_group("output options")
    if kind:
        completes(
            group.add_argument(
                "-o",
                "--output",
                metavar="FIELDS",
                default="",
                help="fields to show, with commas between; +FIELD,… adds to the usual"
                " ones",
            ),
            f"fields:{kind}",
        )
        group.add_argument(
            "--help-fields", action="store_true", help="list all fields and return"
        )
    group.add_argument("--no-headers", action="store_true", help="leave out the titles")
    group.add_argument(
        "--separator",
        metavar="TEXT",
        help="put this between columns instead of aligning them",
    )
    group.add_argument(
        "--units",
        choices=("h", "m", "g", "t"),
        help="sizes in MiB, GiB, TiB, or with the unit that fits (h, the default;"
        " with --separator the default is m)",
    )
    add_json_option(group)


def add_json_option(parser: argparse._ActionsContainer) -> None:
    """``--json``: for scripts."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_group_option(parser: argparse._ActionsContainer, help_text: str) -> None:
    """``-g GROUP``."""
    completes(
        parser.add_argument("-g", "--node-group", metavar="GROUP", help=help_text),
        "group",
    )


def add_groups_option(parser: Parser) -> None:
    """``-g GROUP``, any number of them; all groups if there is none."""
    completes(
        parser.add_argument(
            "-g",
            "--node-group",
            metavar="GROUP",
            action="append",
            default=[],
            help="only this group; may be repeated",
        ),
        "group",
    )


def add_allocator_option(
    parser: argparse._ActionsContainer, what: str = "the allocator that chooses nodes"
) -> None:
    """``-I NAME``."""
    parser.add_argument(
        "-I",
        "--iallocator",
        metavar="NAME",
        help=f"{what}; builtin is our own, . the cluster's default (which is the"
        " default here)",
    )


def size(text: str) -> int:
    """An argument type: MiB."""
    return _checked(parse_mib, text)


def duration(text: str) -> float:
    """An argument type: seconds."""
    return _checked(parse_seconds, text)


def dependency(text: str) -> tuple[int, tuple[str, ...]]:
    """An argument type: a job's number, and the statuses that will do; none is any."""
    return _checked(_dependency, text)


def _dependency(text: str) -> tuple[int, tuple[str, ...]]:
    number, colon, rest = text.partition(":")
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise ValueError(f"{text!r}: {number!r} is not the number of a job")
    statuses = tuple(rest.split("+")) if colon else ("success",)
    if statuses == ("any",):
        return int(number), ()
    for status in statuses:
        if status not in FINAL_STATUSES:
            allowed = ", ".join(FINAL_STATUSES)
            raise ValueError(f"{text!r}: {status!r} is not one of {allowed}, or any")
    return int(number), statuses


def _checked(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
