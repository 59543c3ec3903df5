"""Command lines: programs, their commands, and how wrong ones are answered.

Imports nothing heavy: ``--help`` and shell completion must be quick.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ganetix.cli.errors import UsageError

if TYPE_CHECKING:
    from ganetix.cli.asking import Ask
    from ganetix.cli.session import Run

Options = argparse.Namespace
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_MASKED = str.maketrans(" []()", "\x00\x01\x02\x03\x04")
"""What argparse takes for the ends of options when it breaks usage lines."""
_UNMASKED = str.maketrans("\x00\x01\x02\x03\x04", " []()")
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
    """Help with commands and what they do side by side; names are kept whole."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=80)
        self._in_usage = False

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(text, width)

    def _format_usage(self, *args: Any, **kwargs: Any) -> str:
        """Lines that break between options only, whatever their values look like."""
        self._in_usage = True
        try:
            return super()._format_usage(*args, **kwargs).translate(_UNMASKED)
        finally:
            self._in_usage = False

    def _format_actions_usage(self, actions: Any, groups: Any) -> str:
        text: str = super()._format_actions_usage(actions, groups)
        for action in actions:
            if action.required and action.option_strings:
                option = f"{action.option_strings[0]} "
                text = text.replace(option, option.translate(_MASKED))
        return text

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == argparse.REMAINDER:
            return f"{action.metavar or default_metavar} ..."
        text = super()._format_args(action, default_metavar)
        is_masked = self._in_usage and action.option_strings
        return text.translate(_MASKED) if is_masked else text

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
        block if block.startswith(" ") else "\n".join(_wrapped(block, 78))
        for block in blocks
        if block.strip()
    )


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of words; a name such as ``gnt-cluster`` is not broken at its hyphen."""
    return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)
