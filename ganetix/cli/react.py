"""Runs one command in the reactor until it has its exit status."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react

from ganetix.cli.errors import EXIT_INTERRUPTED
from ganetix.cli.main import report
from ganetix.cli.parser import Options
from ganetix.cli.session import Session
from ganetix.cli.streams import Streams
from ganetix.paths import Paths


async def run_command(session: Session, options: Options) -> int:
    """Run the command that was parsed; every error becomes a line and a status."""
    try:
        status: int | None = await options.run(session, options)
    except CancelledError:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - printed: users see no traceback
        return report(session.program, error, session.streams, options.by_option)
    finally:
        session.close()
    return status or 0


def run_in_reactor(program: str, options: Options, streams: Streams) -> int:
    """Run a command in the process's reactor; SIGINT and SIGTERM interrupt it."""
    paths = Paths.from_environment(getattr(options, "root", None), streams.environ)
    outcome: list[int] = []
    broken: list[BrokenPipeError] = []

    async def run(reactor: Any) -> None:
        session = Session(program, reactor, streams, paths)

        def interrupt(number: int, frame: FrameType | None) -> None:
            reactor.callFromThread(lambda: command.cancel())

        def listen() -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, interrupt)

        # Once more when it runs: a reactor that starts puts its own handler of SIGTERM.
        listen()
        reactor.callWhenRunning(listen)
        command = Deferred.fromCoroutine(run_command(session, options))
        try:
            outcome.append(await command)
        except BrokenPipeError as error:
            broken.append(error)

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as ended:
        if broken:
            raise broken[0] from None
        return outcome[0] if outcome else int(ended.code or 1)
    return outcome[0]
