"""Command lines: programs, their commands, options that many commands share.

Imports nothing heavy: ``--help`` and shell completion must be quick.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ganetix.cli.errors import UsageError
from ganetix.cli.quantities import parse_mib, parse_seconds

if TYPE_CHECKING:
    from ganetix.cli.asking import Ask
    from ganetix.cli.session import Run

T = TypeVar("T")
Options = argparse.Namespace
FINAL_STATUSES = ("success", "error", "canceled")
PRIORITIES = {"low": 10, "normal": 0, "high": -10}
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_OF_JOB = re.compile(r"job [0-9]+: ")
_PLAIN_TYPES: dict[Any, str] = {int: "a whole number", float: "a number"}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ``UsageError`` instead of ending the process.

    Its messages are one line: the option, the value, and what would be right.
    """

    def error(self, message: str) -> NoReturn:
        """Wrong usage."""
        raise UsageError(
            f"{message.removeprefix('argument ')} (see '{self.prog} --help')"
        )

    def by_option(self, message: str) -> str:
        """A message about a field of a request, by the option that sets the field.

        These have the field's name as ``dest``. ``capacity: max_cpu_ratio: …`` is
        ``--max-cpu-ratio: …`` then.
        """
        job = _OF_JOB.match(message)
        start = job.end() if job else 0
        options = {
            action.dest: action.option_strings[0]
            for action in self._actions
            if action.option_strings
        }
        fields = message[start:].split(": ")[:-1]
        for number, field in enumerate(fields):
            if not _FIELD.fullmatch(field):
                break
            if field in options:
                rest = message[start:].split(": ", number + 1)[-1]
                return f"{message[:start]}{options[field]}: {rest}"
        return message

    def _get_value(self, action: argparse.Action, text: str) -> Any:
        kind = _PLAIN_TYPES.get(action.type)
        try:
            return super()._get_value(action, text)
        except argparse.ArgumentError:
            if kind is None:
                raise
            raise argparse.ArgumentError(action, f"{text!r} is not {kind}") from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, _not_among(value, action.choices))


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Help with commands and what they do side by side."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=80)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        # The base class forgets that commands are indented once more.
        self._action_max_length += 2


class Program:
    """One ``gnt-*`` command with its subcommands."""

    def __init__(self, name: str, summary: str, description: str) -> None:
        self.parser = Parser(
            prog=name,
            description=_paragraphs(f"{summary}\n\n{description}"),
            formatter_class=_Layout,
            epilog="'%(prog)s COMMAND --help' explains a command, with examples.",
            allow_abbrev=False,
        )
        self.parser.add_argument("--version", action="version", version=_version())
        _add_root(self.parser)
        self._commands = self.parser.add_subparsers(
            title="commands", metavar="COMMAND", dest="command", parser_class=Parser
        )

    def look(
        self,
        name: str,
        run: Ask,
        summary: str,
        description: str = "",
        examples: Sequence[str] = (),
    ) -> Parser:
        """Add a subcommand that asks and prints only: it needs no reactor."""
        made = self.command(name, run, summary, description, examples)
        made.set_defaults(needs_reactor=False)
        return made

    def command(
        self,
        name: str,
        run: Run,
        summary: str,
        description: str = "",
        examples: Sequence[str] = (),
        aliases: Sequence[str] = (),
    ) -> Parser:
        """Add a subcommand; ``examples`` are command lines without the program."""
        lines = [f"  {self.parser.prog} {example}" for example in examples]
        made: Parser = self._commands.add_parser(
            name,
            help=summary,
            aliases=list(aliases),
            description=_paragraphs(
                f"{summary[0].upper()}{summary[1:]}.\n\n{description}"
            ),
            epilog="\n".join(["examples:", *lines]) if lines else None,
            formatter_class=_Layout,
            allow_abbrev=False,
        )
        made.set_defaults(
            run=run, needs_reactor=True, dials_nodes=False, by_option=made.by_option
        )
        _add_root(made)
        return made


class Tool:
    """A program without subcommands, and without a master to ask."""

    def __init__(
        self,
        name: str,
        run: Ask,
        summary: str,
        description: str,
        examples: Sequence[str],
    ) -> None:
        lines = [f"  {name} {example}" for example in examples]
        self.parser = Parser(
            prog=name,
            description=_paragraphs(f"{summary}\n\n{description}"),
            formatter_class=_Layout,
            epilog="\n".join(["examples:", *lines]),
            allow_abbrev=False,
        )
        self.parser.add_argument("--version", action="version", version=_version())
        self.parser.set_defaults(
            run=run, needs_reactor=False, by_option=self.parser.by_option
        )


def completes(action: argparse.Action, kind: str) -> argparse.Action:
    """Say what a value names (``node``, ``instance`` …), for shell completion.

    Files and directories are known by their ``metavar``: ``FILE`` and ``DIR``.
    """
    action.completes = kind  # type: ignore[attr-defined]
    return action


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


def add_list_options(parser: Parser, *, fields: bool = True) -> None:
    """Options of every command that prints a table."""
    group = parser.add_argument_group("output options")
    if fields:
        group.add_argument(
            "-o",
            "--output",
            metavar="FIELDS",
            default="",
            help="fields to show, with commas between; +FIELD,… adds to the usual ones",
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


def _not_among(value: object, known: Iterable[object]) -> str:
    """What a word is not; the nearest of many, or all of few."""
    every = [str(each) for each in known]
    from difflib import get_close_matches

    if close := get_close_matches(str(value), every, 3):
        hint = f"did you mean {' or '.join(close)}?"
        return f"{value!r} is not known; {hint}"
    return f"{value!r} is not one of {', '.join(every)}"


def _add_root(parser: Parser) -> None:
    parser.add_argument(
        "--root",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="the installation's root directory (default: $GANETIX_ROOT, else /)",
    )


def _version() -> str:
    from ganetix import __version__

    return f"%(prog)s (ganetix {__version__})"


def _paragraphs(text: str) -> str:
    """Wrapped paragraphs; indented lines stay as they are."""
    blocks = textwrap.dedent(text).strip().split("\n\n")
    return "\n\n".join(
        block if block.startswith(" ") else textwrap.fill(" ".join(block.split()), 78)
        for block in blocks
        if block.strip()
    )
