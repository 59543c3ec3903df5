"""Tests of requests over a real UNIX socket."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable

from msgspec import Raw
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.interfaces import IReactorUNIX
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.protocols import amp

from ganetix.api import commands
from ganetix.api.client import connect
from ganetix.api.types import FieldInfo, QueryRequest, QueryResult, QueryRow
from ganetix.api.wire import MAX_OUTSTANDING, SafeAmp
from ganetix.errors import (
    BadParameter,
    Bug,
    GanetixError,
    NotAllowed,
    NotFound,
    RemoteFailure,
    Unavailable,
    WrongState,
)
from ganetix.jobs.model import Dependency
from ganetix.jobs.values import Drain, SubmitRequest
from ganetix.opcodes import OpGroupAdd, OpTestDelay
from ganetix.test.api.support import ServedMasterTestCase
from ganetix.testing.api import CLUSTER_INFO


def wide_result(length: int) -> QueryResult:
    """A result with one long cell."""
    field = FieldInfo(name="name", title="Name", doc="A name")
    return QueryResult(fields=(field,), rows=(QueryRow(cells=("x" * length,)),))


class RequestTests(ServedMasterTestCase):
    """What clients ask, and what they hear."""

    async def test_submit(self) -> None:
        """Jobs arrive as they were sent, and their ids come back."""
        client = await self.client()
        requests = [
            SubmitRequest(ops=(OpTestDelay(duration=1.5),), priority=-10, reason="r"),
            SubmitRequest(ops=(OpGroupAdd(name="rack2"),)),
        ]
        self.assertEqual(await client.submit(requests), (1, 2))
        self.assertEqual(self.master.submitted, requests)

    async def test_depends(self) -> None:
        """Dependencies arrive as they were sent."""
        client = await self.client()
        depends = (Dependency(-1, ("success", "error")), Dependency(7, ()))
        op = OpTestDelay(duration=1)
        requests = [
            SubmitRequest(ops=(op,)),
            SubmitRequest(ops=(op,), depends=depends),
        ]
        await client.submit(requests)
        self.assertEqual(self.master.submitted, requests)

    async def test_queue(self) -> None:
        """Priorities, the archive and the drain are the master's to change."""
        self.master.automatic = False
        client = await self.client()
        await client.submit([SubmitRequest(ops=(OpTestDelay(duration=1),))])
        told = await client.change_priority(1, -10)
        self.assertEqual(told, (True, "job 1 has priority -10"))
        self.assertEqual(
            await client.archive([1]), ((False, "job 1 has not ended: it is queued"),)
        )
        self.master.advance(1, "success")
        self.assertEqual(await client.archive_older(0), 1)
        error = await self.failure(client.archive_older(-1))
        self.assertIsInstance(error, BadParameter)
        info = await client.drain(True, "moving")
        self.assertEqual(info.drain, Drain(since=self.master.now, reason="moving"))
        self.assertEqual(await client.queue_info(), info)
        self.assertIsNone((await client.drain(False, "")).drain)

    async def test_big_answer(self) -> None:
        """An answer of several MiB comes through whole."""
        self.master.queries = lambda request: succeed(wide_result(3_000_000))
        client = await self.client()
        result = await client.query(QueryRequest(kind="node"))
        self.assertEqual(len(str(result.rows[0].cells[0])), 3_000_000)

    async def test_too_big_answer(self) -> None:
        """An answer beyond the limit is an error, and the connection lives on."""
        self.master.queries = lambda request: succeed(wide_result(17 * 2**20))
        client = await self.client()
        error = await self.failure(client.query(QueryRequest(kind="node")))
        self.assertIsInstance(error, BadParameter)
        self.assertEqual(await client.why(1), ())

    async def test_too_big_request(self) -> None:
        """A request beyond the limit fails before it is sent."""
        client = await self.client()
        request = QueryRequest(kind="node", names=("x" * (17 * 2**20),))
        error = await self.failure(client.query(request))
        self.assertIn("at most 16 MiB", str(error))
        self.assertEqual(await client.why(1), ())

    async def test_refusal(self) -> None:
        """A refusal keeps its type, its text and its detail."""
        self.master.error = WrongState("web1 is up", instance="web1")
        client = await self.client()
        error = await self.failure(client.query(QueryRequest(kind="node")))
        self.assertIsInstance(error, WrongState)
        self.assertEqual(str(error), "web1 is up")
        self.assertEqual(error.detail, {"instance": "web1"})

    async def test_bug(self) -> None:
        """An unexpected exception is shown as an id, logged with it, and survived."""
        self.master.error = ZeroDivisionError("secret detail")
        client = await self.client()
        error = await self.failure(client.query(QueryRequest(kind="node")))
        self.assertIsInstance(error, Bug)
        self.assertIn(f"internal error {error.detail['id']}", str(error))
        self.assertNotIn("secret", str(error))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(await client.why(1), ())

    async def test_long_error(self) -> None:
        """An error with a text of many kilobytes is cut, not fatal."""
        self.master.error = NotFound('"\x00é' * 100_000)
        client = await self.client()
        error = await self.failure(client.query(QueryRequest(kind="node")))
        self.assertIsInstance(error, NotFound)
        self.assertTrue(str(error).endswith("… (cut)"))
        self.assertEqual(await client.why(1), ())

    async def test_bad_argument(self) -> None:
        """A value of the wrong type is refused with path and reason."""
        client = await self.client()
        answer = client.ask(commands.Query, request={"kind": "node", "limit": "x"})
        error = await self.failure(answer)
        self.assertIsInstance(error, BadParameter)
        self.assertIn("$.limit", str(error))
        self.assertEqual(await client.why(1), ())

    async def test_opcode_checks(self) -> None:
        """An opcode that breaks its own rules is refused at the door."""
        client = await self.client()
        ops = [{"OP_ID": "OP_TEST_DELAY", "duration": -1}]
        answer = client.ask(commands.SubmitJobs, requests=[{"ops": ops}])
        error = await self.failure(answer)
        self.assertIsInstance(error, BadParameter)
        self.assertIn("duration: -1 is not between", str(error))
        self.assertEqual(self.master.submitted, [])

    async def test_nested(self) -> None:
        """JSON nested without end is refused; it is no bug of ours."""
        client = await self.client()
        request = Raw(b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        error = await self.failure(client.ask(commands.Query, request=request))
        self.assertIsInstance(error, BadParameter)
        self.assertIn("nested too deeply", str(error))

    async def test_boundless_number(self) -> None:
        """A number that no float holds is refused as one that is too large."""
        client = await self.client()
        op = b'{"OP_ID":"OP_NODE_ADD","name":"a","primary_ip":"","port":%b}'
        request = Raw(b'[{"ops":[%b]}]' % (op % (b"1" * 400)))
        answer = client.ask(commands.SubmitJobs, requests=request)
        self.assertIsInstance(await self.failure(answer), BadParameter)
        self.assertEqual(self.master.submitted, [])

    async def test_messages_that_make_no_sense(self) -> None:
        """An answer that nobody asked for ends its connection, and no other."""
        client = await self.client()
        for box in (amp.Box({b"_answer": b"99"}), amp.Box({b"odd": b"1"})):
            endpoint = UNIXClientEndpoint(reactor, str(self.socket_path))
            link = await connectProtocol(endpoint, SafeAmp())
            link.transport.write(box.serialize())
            await self.until(lambda: not link.is_open)  # noqa: B023
        self.assertEqual(await client.why(1), ())

    async def test_missing_argument(self) -> None:
        """A message without its argument is refused; the connection stays."""
        endpoint = UNIXClientEndpoint(reactor, str(self.socket_path))
        link = await connectProtocol(endpoint, SafeAmp())
        error = None
        try:
            await link.callRemoteString(b"Query")
        except Exception as caught:  # noqa: BLE001 - examined below
            error = caught
        self.assertIn("missing in this message", str(error))
        self.assertEqual(await link.ask(commands.Locks), ())
        link.hang_up()

    async def test_unknown_command(self) -> None:
        """A command that the master does not know is refused, and survived."""

        class Dance(commands.Locks):
            """Not known to any master."""

            commandName = b"Dance"  # noqa: N815

        client = await self.client()
        error = await self.failure(client.ask(Dance))
        self.assertIsInstance(error, RemoteFailure)
        self.assertEqual(await client.why(1), ())

    async def test_other_protocol(self) -> None:
        """A client of another protocol version is told to use the master's."""
        client = await self.client()
        error = await self.failure(
            client.ask(commands.Hello, protocol=99, version="9.9")
        )
        self.assertIn("speaks API 99", str(error))

    async def test_many_at_once(self) -> None:
        """More requests than the limit are all answered, the limit at a time."""
        waiting: list[Deferred[QueryResult]] = []

        def queries(request: QueryRequest) -> Deferred[QueryResult]:
            waiting.append(Deferred())
            return waiting[-1]

        self.master.queries = queries
        client = await self.client()
        request = QueryRequest(kind="node", names=("x" * 60_000,))
        answers = [client.query(request) for _ in range(MAX_OUTSTANDING + 20)]
        await self.until(lambda: len(waiting) >= MAX_OUTSTANDING)
        held_back = len(answers) - len(waiting)
        answered = 0
        while answered < len(answers):
            await self.until(lambda: len(waiting) > answered)  # noqa: B023
            waiting[answered].callback(wide_result(1))
            answered += 1
        for answer in answers:
            await answer
        self.assertGreater(held_back, 0)

    async def test_client_that_does_not_read(self) -> None:
        """Who does not read answers is heard no more until he does; nothing is lost."""
        asked: list[QueryRequest] = []

        def query(request: QueryRequest) -> Deferred[QueryResult]:
            asked.append(request)
            return succeed(wide_result(1 << 20))

        self.master.queries = query
        endpoint = UNIXClientEndpoint(reactor, str(self.socket_path))
        link = await connectProtocol(endpoint, SafeAmp())
        link.transport.pauseProducing()
        request = QueryRequest(kind="node", names=("x" * 10_000,))
        answers = [link.ask(commands.Query, request=request) for _ in range(100)]
        await self.until(lambda: asked)
        for _ in range(200):
            await deferLater(reactor, 0)
        self.assertLess(len(asked), 60)
        link.transport.resumeProducing()
        for answer in answers:
            await answer
        self.assertEqual(len(asked), 100)
        link.hang_up()

    async def test_cluster_info(self) -> None:
        """Cluster info comes as its type."""
        self.master.info = CLUSTER_INFO
        client = await self.client()
        self.assertEqual(await client.cluster_info(), self.master.info)

    async def test_token(self) -> None:
        """A token is asked for with node and lifetime."""
        client = await self.client()
        issued = await client.issue_token("node2", 60)
        self.assertEqual(issued.token, "gnx1.node2")
        self.assertEqual(self.master.tokens, [("node2", 60.0)])

    async def test_socket_mode(self) -> None:
        """The socket is for its owner and group alone."""
        mode = stat.S_IMODE(os.stat(self.socket_path).st_mode)
        self.assertEqual(mode, 0o660)


class NoMasterTests(ServedMasterTestCase):
    """What a client hears where there is no master to talk to."""

    async def test_no_socket(self) -> None:
        """A missing socket is named with what to do about it."""
        missing = self.root / "none.sock"
        error = await self.refusal(connect(IReactorUNIX(reactor), missing, "node1"))
        self.assertIsInstance(error, Unavailable)
        self.assertIn(f"does not run here (socket {missing})", str(error))
        self.assertIn("run this on the master node node1", str(error))

    async def test_dead_socket(self) -> None:
        """A socket that a killed master left behind is the same."""
        dead = self.root / "dead.sock"
        os.mknod(dead, stat.S_IFSOCK | 0o600)
        error = await self.refusal(connect(IReactorUNIX(reactor), dead))
        self.assertIsInstance(error, Unavailable)

    async def test_no_permission(self) -> None:
        """A socket that may not be used is told apart from a missing one."""
        if os.geteuid() == 0:
            os.chmod(self.root, 0o700)
            os.seteuid(65534)
            self.addCleanup(os.seteuid, 0)
        else:
            os.chmod(self.socket_path, 0)
        error = await self.refusal(connect(IReactorUNIX(reactor), self.socket_path))
        self.assertIsInstance(error, NotAllowed)
        self.assertNotIn("\n", str(error))

    async def test_long_path(self) -> None:
        """A path longer than UNIX sockets may have is refused in words."""
        error = await self.refusal(
            connect(IReactorUNIX(reactor), self.root / ("x" * 120))
        )
        self.assertIn("longer than 107 bytes", str(error))

    async def test_silent_master(self) -> None:
        """A master that hangs up at once is an error, not a wait."""

        class Rude(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.loseConnection()

        self.factory.buildProtocol = lambda addr: Rude()  # type: ignore[assignment, method-assign, return-value]
        error = await self.refusal(connect(IReactorUNIX(reactor), self.socket_path))
        self.assertIsInstance(error, Unavailable)

    async def refusal(self, attempt: Awaitable[object]) -> GanetixError:
        """The error that the attempt ends with."""
        try:
            await attempt
        except GanetixError as error:
            return error
        self.fail("it succeeded")
