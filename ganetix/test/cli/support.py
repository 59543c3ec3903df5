"""Commands run in the test's process, against a served fake master."""

from __future__ import annotations

import io
from collections.abc import Mapping

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorUNIX

from ganetix.cli.errors import UsageError
from ganetix.cli.main import parse, report
from ganetix.cli.react import run_command
from ganetix.cli.session import Session
from ganetix.cli.streams import Streams
from ganetix.paths import Paths
from ganetix.test.api.support import ServedMasterTestCase


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


class CommandTestCase(ServedMasterTestCase):
    """Runs commands; ``out`` and ``err`` are what the last one printed."""

    is_terminal = False

    def streams(self, stdin: str, environ: Mapping[str, str]) -> Streams:
        """Captured streams."""
        kind = Terminal if self.is_terminal else io.StringIO
        return Streams(
            stdin=kind(stdin), stdout=io.StringIO(), stderr=kind(), environ=environ
        )

    async def run_line(self, line: str, stdin: str = "") -> int:
        """Run a command line (split at spaces); its exit status."""
        return await self.start(line, stdin)

    def start(self, line: str, stdin: str = "") -> Deferred[int]:
        """A command under way; cancelling is what Ctrl-C does."""
        program, *arguments = line.split()
        streams = self.streams(stdin, {})
        self._last = streams
        try:
            options = parse(program, arguments)
        except UsageError as error:
            status: Deferred[int] = Deferred()
            status.callback(report(program, error, streams))
            return status
        session = Session(program, IReactorUNIX(reactor), streams, Paths(self.root))
        return Deferred.fromCoroutine(run_command(session, options))

    @property
    def out(self) -> str:
        """Standard output of the last command."""
        assert isinstance(self._last.stdout, io.StringIO)
        return self._last.stdout.getvalue()

    @property
    def err(self) -> str:
        """Standard error of the last command."""
        assert isinstance(self._last.stderr, io.StringIO)
        return self._last.stderr.getvalue()
