"""Commands run in the test's process, against a served fake master."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorUNIX

from ganetix.api.types import Cell, FieldInfo, QueryRequest, QueryResult, QueryRow
from ganetix.cli.errors import UsageError
from ganetix.cli.main import parse, report
from ganetix.cli.react import run_command
from ganetix.cli.session import Session
from ganetix.cli.streams import Streams
from ganetix.opcodes import AnyOpcode
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

    @property
    def submitted(self) -> list[AnyOpcode]:
        """All opcodes submitted so far, whatever their jobs."""
        return [op for request in self.master.submitted for op in request.ops]

    def asked(self) -> AnyOpcode:
        """The one opcode that was submitted."""
        (op,) = self.submitted
        return op

    async def refused(self, line: str, text: str) -> None:
        """A command line that is wrong: one line says why, and nothing is sent."""
        self.assertEqual(await self.run_line(line), 2, line)
        *_, message = self.err.splitlines()
        self.assertIn(text, message)
        self.assertEqual(self.master.submitted, [])


class QueriedTestCase(CommandTestCase):
    """Queries are kept, and answered by kind as ``answers`` says."""

    async def setUp(self) -> None:  # type: ignore[override]
        """No answers yet."""
        await super().setUp()
        self.requests: list[QueryRequest] = []
        self.answers: dict[str, Callable[[QueryRequest], QueryResult]] = {}

        def answer(request: QueryRequest) -> Deferred[QueryResult]:
            self.requests.append(request)
            return maybeDeferred(self.answers[request.kind], request)

        self.master.queries = answer


def table(names: str, *rows: tuple[Cell, ...]) -> QueryResult:
    """A result with plain text columns."""
    fields = tuple(
        FieldInfo(name=name, title=name.capitalize(), doc=name)
        for name in names.split()
    )
    return QueryResult(
        fields=fields, rows=tuple(QueryRow(cells=cells) for cells in rows)
    )
