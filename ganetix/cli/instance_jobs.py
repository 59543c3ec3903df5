"""Commands that make a job for each of several instances: which ones, and the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError, checked
from ganetix.cli.options import add_group_option, duration
from ganetix.cli.parser import Options, Parser, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.opcodes import AnyOpcode

STOP_TIMEOUT = 120.0


def add_names(parser: Parser, how_many: str, help_text: str) -> None:
    """``INSTANCE …``, as many as argparse's ``nargs`` says."""
    completes(
        parser.add_argument(
            "names", metavar="INSTANCE", nargs=how_many, help=help_text
        ),
        "instance",
    )


def add_selection(parser: Parser) -> None:
    """Names, ``-g`` or ``--all``: what ``run_for_selected`` reads."""
    add_names(parser, "*", "which ones")
    add_group_option(parser, "all instances of this group")
    parser.add_argument("--all", action="store_true", help="all instances")


def add_stop_timeout(parser: Parser, whose: str = "the guest") -> None:
    """``--timeout DURATION``."""
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        type=duration,
        default=STOP_TIMEOUT,
        help=f"how long {whose} may take to power off (default: 2m)",
    )


def add_force(parser: Parser, help_text: str) -> None:
    """``-f``."""
    parser.add_argument("-f", "--force", action="store_true", help=help_text)


async def run_for_named(
    session: Session,
    options: Options,
    make: Callable[[str], AnyOpcode],
    ask: str = "",
) -> None:
    """Run a job for each instance that is named.

    :param make: the opcode for an instance's name
    :param ask: the question before, unless ``-f`` is given: ``{names}`` are theirs
    """
    from ganetix.objects.words import some

    names = list(dict.fromkeys(options.names))
    ops = [checked(make, name) for name in names]
    if ask and not options.force:
        session.confirm(ask.format(names=some(names)))
    await session.run_jobs(ops, options)


async def run_for_selected(
    session: Session,
    options: Options,
    make: Callable[[str], AnyOpcode],
    ask: str = "",
) -> None:
    """Run a job for each instance that is named, or that ``-g`` or ``--all`` selects.

    :param make: the opcode for an instance's name
    :param ask: the verb of the question before so many are concerned, if any
    """
    names = await _selected(session, options, ask)
    await session.run_jobs([checked(make, name) for name in names], options)


async def _selected(session: Session, options: Options, ask: str) -> list[str]:
    """The names given, or those that ``-g`` or ``--all`` selects."""
    from ganetix.api.types import QueryRequest
    from ganetix.objects.words import counted, some

    if options.names:
        if options.all:
            raise UsageError("give names or --all, not both")
        names = list(dict.fromkeys(options.names))
        if options.node_group is None:
            return names
    elif not options.all and options.node_group is None:
        raise UsageError("which instances? Give names, -g GROUP or --all")
    request = QueryRequest(
        kind="instance",
        fields=("name",),
        names=tuple(dict.fromkeys(options.names)),
        group=options.node_group,
    )
    rows = (await session.query(request)).rows
    names = [str(row.cells[0]) for row in rows]
    if not names:
        session.streams.note(f"{session.program}: there are no such instances")
    elif ask and not options.names and not options.force:
        session.confirm(f"{ask} {counted(len(names), 'instance')}: {some(names)}?")
    return names
