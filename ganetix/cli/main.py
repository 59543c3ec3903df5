"""Entry points of the ``gnt-*`` commands: parse, run, exit status, one-line errors.

Twisted is imported only when a command has to run: ``--help`` and completion are
answered without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from ganetix.cli.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    Failure,
    UsageError,
)
from ganetix.cli.parser import Options, Parser
from ganetix.cli.streams import Streams, one_line

PROGRAMS = {
    "gnt-cluster": "ganetix.cli.cluster",
    "gnt-node": "ganetix.cli.node",
    "gnt-group": "ganetix.cli.group",
    "gnt-os": "ganetix.cli.os",
    "gnt-instance": "ganetix.cli.instance",
    "gnt-job": "ganetix.cli.job",
    "gnt-debug": "ganetix.cli.debug",
    "gnt-capacity": "ganetix.cli.capacity.program",
    "ganetix-node": "ganetix.cli.join",
    "ganetix-allocator": "ganetix.cli.capacity.allocator",
}


def parser_of(program: str) -> Parser:
    """The parser of one program, with all its commands."""
    parser: Parser = import_module(PROGRAMS[program]).program().parser
    return parser


def parse(program: str, arguments: Sequence[str]) -> Options:
    """The options; ``UsageError`` if they are wrong, ``SystemExit`` after --help."""
    parser = parser_of(program)
    options, unknown = parser.parse_known_args(arguments)
    if getattr(options, "run", None) is None:
        parser.error("which command?")
    if unknown:
        command = f"{program} {getattr(options, 'command', '')}".strip()
        raise UsageError(
            f"unknown arguments: {' '.join(unknown)} (see '{command} --help')"
        )
    return options


def main(program: str) -> int:
    """Run a program with the process's arguments; its exit status."""
    arguments = sys.argv[1:]
    streams = Streams.real()
    if arguments[:1] == ["_complete"]:
        from ganetix.cli.complete import complete

        return complete(program, arguments[1:], streams)
    try:
        return _run(program, arguments, streams)
    except BrokenPipeError:
        return _broken_pipe()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(program: str, arguments: Sequence[str], streams: Streams) -> int:
    try:
        options = parse(program, arguments)
    except UsageError as error:
        return report(program, error, streams)
    if not options.needs_reactor:
        from ganetix.cli.asking import run_at_once

        return run_at_once(program, options, streams)
    if not options.dials_nodes:
        # Twisted's AMP loads all of TLS where it finds it, which takes as long as
        # the rest of a command; the master's UNIX socket needs none.
        sys.modules.setdefault("OpenSSL", None)  # type: ignore[arg-type]
    from ganetix.cli.react import run_in_reactor

    return run_in_reactor(program, options, streams)


def report(
    program: str,
    error: BaseException,
    streams: Streams,
    by_option: Callable[[str], str] = str,
) -> int:
    """Print what went wrong in one line; the exit status it means.

    :param by_option: puts the name of an option for that of what it sets
    """
    from ganetix.errors import GanetixError

    def tell(reason: str, status: int = EXIT_FAILED) -> int:
        streams.note(f"{program}: error: {one_line(reason)}")
        return status

    match error:
        case PermissionError():
            place = f"{error.filename}: " if error.filename else ""
            return tell(f"{place}permission denied (are you root?)")
        case UsageError():
            return tell(by_option(str(error)), EXIT_USAGE)
        case Failure() | GanetixError():
            return tell(by_option(str(error))) if str(error) else EXIT_FAILED
        case OSError(strerror=str(reason)):
            place = f"{error.filename}: " if error.filename else ""
            return tell(f"{place}{reason}")
        case _:
            if streams.environ.get("GANETIX_DEBUG"):
                import traceback

                traceback.print_exception(error, file=streams.stderr)
            kind = type(error).__name__
            streams.note(
                f"{program}: internal error: {kind}: {one_line(str(error))}"
                " (set GANETIX_DEBUG=1 for details)"
            )
            return EXIT_FAILED


def _broken_pipe() -> int:
    """Whoever read our output has gone: end quietly, as programs in pipes do."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return EXIT_FAILED


def gnt_cluster() -> int:
    """``gnt-cluster``."""
    return main("gnt-cluster")


def gnt_node() -> int:
    """``gnt-node``."""
    return main("gnt-node")


def gnt_group() -> int:
    """``gnt-group``."""
    return main("gnt-group")


def gnt_os() -> int:
    """``gnt-os``."""
    return main("gnt-os")


def gnt_instance() -> int:
    """``gnt-instance``."""
    return main("gnt-instance")


def gnt_job() -> int:
    """``gnt-job``."""
    return main("gnt-job")


def gnt_debug() -> int:
    """``gnt-debug``."""
    return main("gnt-debug")


def gnt_capacity() -> int:
    """``gnt-capacity``."""
    return main("gnt-capacity")


def ganetix_allocator() -> int:
    """``ganetix-allocator``."""
    return main("ganetix-allocator")


def ganetix_node() -> int:
    """``ganetix-node``."""
    return main("ganetix-node")
