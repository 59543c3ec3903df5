"""Tests of commands as processes that are sent signals."""

from __future__ import annotations

import os
import sys

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ganetix.test.cli.support import CommandTestCase

RUN = "import sys; from ganetix.cli.main import main; sys.exit(main('gnt-debug'))"


class Ended(ProcessProtocol):
    """What a process wrote to standard error, and its exit status."""

    def __init__(self) -> None:
        self.err = b""
        self.status: Deferred[int | None] = Deferred()

    def errReceived(self, data: bytes) -> None:
        """Keep it."""
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        """Tell."""
        match reason.value:
            case ProcessTerminated(exitCode=int(status)):
                self.status.callback(status)
            case _:
                self.status.callback(None)


class SignalTests(CommandTestCase):
    """A signal interrupts the command; the job that it follows goes on."""

    async def check(self, signal: str) -> None:
        """Send a signal while a job is followed."""
        self.master.automatic = False
        process = Ended()
        arguments = [sys.executable, "-c", RUN, "--root", str(self.root), "delay", "5"]
        transport = IReactorProcess(reactor).spawnProcess(
            process, sys.executable, arguments, env=dict(os.environ)
        )
        await self.until(lambda: self.master.watches)
        await self.until(lambda: self.master.watches[0]._wake)
        transport.signalProcess(signal)
        self.assertEqual(await process.status, 130)
        self.assertIn(b"gnt-debug: interrupted; job 1 goes on", process.err)

    async def test_interrupt(self) -> None:
        """SIGINT, as Ctrl-C sends it."""
        await self.check("INT")

    async def test_terminate(self) -> None:
        """SIGTERM, as time-outs and service managers send it."""
        await self.check("TERM")
