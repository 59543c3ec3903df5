"""An instance's serial console on the user's terminal."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure as TwistedFailure
from zope.interface import implementer

from ganetix.api.link import ConsoleClient
from ganetix.cli.errors import Failure
from ganetix.cli.session import Session
from ganetix.cli.streams import without_controls
from ganetix.errors import GanetixError

ESCAPE = b"\x1d"
"""Ctrl-]: leaves the console."""

_READ = 4096


async def print_log(session: Session, name: str, lines: int) -> None:
    """The last lines of what the guest has written."""
    text = await (await session.client()).console_tail(name, lines)
    if text:
        session.streams.out(without_controls(text).rstrip("\n"))
        session.streams.stdout.flush()


async def follow_log(session: Session, name: str) -> None:
    """What the guest writes from now on, until the user interrupts."""
    decoder = _Printer(session)
    console = await (await session.client()).console_open(name, decoder)
    await console.ended()


async def use_console(session: Session, name: str) -> None:
    """Join terminal and console until Ctrl-] or the guest's end."""
    stdin = session.streams.stdin
    if not stdin.isatty():
        raise Failure(
            "a console needs a terminal; 'gnt-instance console --log' prints its log"
        )
    client = await session.client()
    console = await client.console_open(name, _write_raw)
    session.streams.note(f"console of {name}; Ctrl-] leaves it")
    keyboard = _Keyboard(stdin.fileno(), console)
    reactor = IReactorFDSet(session.reactor)
    try:
        with _raw(stdin.fileno()):
            reactor.addReader(keyboard)
            try:
                await console.ended()
            finally:
                reactor.removeReader(keyboard)
    finally:
        session.streams.note("\nthe console is closed")


def _write_raw(data: bytes) -> None:
    """Guest output to the terminal as it is."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class _Printer:
    """Prints console bytes as text to the command's output."""

    def __init__(self, session: Session) -> None:
        import codecs

        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stdout = session.streams.stdout

    def __call__(self, data: bytes) -> None:
        self._stdout.write(without_controls(self._decoder.decode(data)))
        self._stdout.flush()


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """The terminal in raw mode; as it was afterwards."""
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@implementer(IReadDescriptor)
class _Keyboard:
    """Keys go to the console, in order, one message under way at a time."""

    def __init__(self, descriptor: int, console: ConsoleClient) -> None:
        self._descriptor = descriptor
        self._console = console
        self._waiting = bytearray()
        self._is_sending = False

    def fileno(self) -> int:
        """Standard input."""
        return self._descriptor

    def logPrefix(self) -> str:  # noqa: N802
        """How Twisted calls this in its log."""
        return "console"

    def doRead(self) -> None:  # noqa: N802
        """Keys were pressed."""
        data = os.read(self._descriptor, _READ)
        before, escape, _ = data.partition(ESCAPE)
        self._waiting += before
        if escape or not data:
            _ = self._console.close().addErrback(_is_lost)
        elif not self._is_sending:
            self._is_sending = True
            _ = Deferred.fromCoroutine(self._send()).addErrback(_is_lost)

    def connectionLost(self, reason: TwistedFailure) -> None:
        """The terminal is gone."""
        _ = self._console.close().addErrback(_is_lost)

    async def _send(self) -> None:
        try:
            while self._waiting:
                data, self._waiting = bytes(self._waiting), bytearray()
                await self._console.write(data)
        finally:
            self._is_sending = False


def _is_lost(failure: TwistedFailure) -> None:
    """The console has ended by itself; whoever awaits its end hears why."""
    failure.trap(GanetixError)
