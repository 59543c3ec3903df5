"""Tests of the client that blocks, over a real UNIX socket."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThread

from ganetix.api.quick import QuickClient
from ganetix.api.types import FieldInfo, QueryRequest, QueryResult, QueryRow
from ganetix.api.words import no_connection
from ganetix.cli.asking import run_at_once
from ganetix.cli.main import parse
from ganetix.errors import BadParameter, GanetixError, NotFound, Unavailable
from ganetix.paths import Paths
from ganetix.test.cli.support import CommandTestCase

T = TypeVar("T")


def wide_result(length: int) -> QueryResult:
    """A result with one long cell."""
    field = FieldInfo(name="name", title="Name", doc="A name")
    return QueryResult(fields=(field,), rows=(QueryRow(cells=("x" * length,)),))


class QuickTests(CommandTestCase):
    """What blocks must do so in a thread of its own here: the master is in this one."""

    def ask(self, question: Callable[[QuickClient], T]) -> Deferred[T]:
        """The outcome of a question to a fresh client."""

        def work() -> T:
            client = QuickClient(self.socket_path, "node1")
            try:
                return question(client)
            finally:
                client.close()

        return deferToThread(work)

    def run_quickly(self, line: str) -> Deferred[int]:
        """Run a command that only looks, as its program does."""
        program, *arguments = line.split()
        self._last = self.streams("", {"GANETIX_ROOT": str(self.root)})
        options = parse(program, arguments)
        return deferToThread(run_at_once, program, options, self._last)

    async def test_long_answer(self) -> None:
        """An answer of many chunks arrives whole."""
        self.master.queries = lambda request: succeed(wide_result(300_000))
        request = QueryRequest(kind="node")
        result = await self.ask(lambda client: answer_of(client.query(request)))
        self.assertEqual(result, wide_result(300_000))

    async def test_error(self) -> None:
        """What the master refuses, the client raises with the same words."""
        error = NotFound("node n9 is not there")
        self.master.queries = lambda request: fail(error)
        request = QueryRequest(kind="node", names=("n9",))
        asked = self.ask(lambda client: answer_of(client.query(request)))
        raised = await self.assertFailure(asked, NotFound)
        self.assertEqual(str(raised), "node n9 is not there")

    async def test_nobody_there(self) -> None:
        """Where no master runs, one line says what to do."""
        await self.stop_listening()
        asked = self.ask(lambda client: client)
        error = await self.assertFailure(asked, Unavailable)
        self.assertIn("run this on the master node node1", str(error))
        await self.listen()

    async def test_how_to_start(self) -> None:
        """An installed master is a unit; one of another root is started as a daemon."""
        installed = no_connection(Paths().master_socket, "node1", errno.ENOENT)
        self.assertIn("'systemctl start ganetix-master'", str(installed))
        demo = no_connection(
            Paths(Path("/srv/n1")).master_socket, "node1", errno.ENOENT
        )
        self.assertIn("'twistd ganetix-master'", str(demo))

    async def test_too_long_path(self) -> None:
        """A socket path that the system cannot take is refused by name."""
        long = self.root / ("x" * 120)
        error = self.assertRaises(BadParameter, QuickClient, long)
        self.assertIn("use a shorter root", str(error))

    async def test_master_goes_away(self) -> None:
        """A master that hangs up before it answers is no traceback but an error."""
        never: Deferred[QueryResult] = Deferred()

        def hang_up(request: QueryRequest) -> Deferred[QueryResult]:
            self.factory.hang_up()
            return never

        self.master.queries = hang_up
        request = QueryRequest(kind="node")
        asked = self.ask(lambda client: answer_of(client.query(request)))
        error = await self.assertFailure(asked, GanetixError)
        self.assertIsInstance(error, Unavailable)

    async def test_same_output_both_ways(self) -> None:
        """A list without a reactor prints what it prints with one."""
        self.master.queries = lambda request: succeed(wide_result(30))
        status = await self.run_line("gnt-node list")
        expected = (status, self.out, self.err)
        status = await self.run_quickly("gnt-node list")
        self.assertEqual((status, self.out, self.err), expected)
        self.assertIn("x" * 30, self.out)

    async def test_error_line(self) -> None:
        """A command that is refused says so in one line, and fails."""
        error = NotFound("node n9 is not there")
        self.master.queries = lambda request: fail(error)
        self.assertEqual(await self.run_quickly("gnt-node info n9"), 1)
        self.assertEqual(self.err, "gnt-node: error: node n9 is not there\n")

    def test_imports_no_twisted(self) -> None:
        """What only looks loads no Twisted: that is most of a quick command's time."""
        code = (
            "import sys, ganetix.api.quick, ganetix.cli.asking, ganetix.cli.output;"
            "from ganetix.cli.main import PROGRAMS, parser_of;"
            "[parser_of(name) for name in PROGRAMS];"
            "sys.exit('twisted' in sys.modules)"
        )
        ended = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603
        self.assertEqual(ended.returncode, 0)


def answer_of(coroutine: object) -> QueryResult:
    """What a coroutine that never waits returns."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration as ended:
        result: QueryResult = ended.value
        return result
    raise AssertionError("it waits")
