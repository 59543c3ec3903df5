"""Node RPC over real connections: progress, broken connections, time."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.pages import notFound
from twisted.web.server import Site

from ganetix import __version__
from ganetix.errors import (
    AuthenticationFailed,
    BadParameter,
    Bug,
    NodeUnreachable,
    RemoteFailure,
    StaleEpoch,
    VersionMismatch,
)
from ganetix.netutils.bind import listen_endpoint
from ganetix.netutils.probe import probe
from ganetix.objects import Node
from ganetix.objects.guest_calls import GuestPurge, Purged
from ganetix.objects.node_calls import Delay, DiskList
from ganetix.objects.replica import Claim, obeyed
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.dialect import PROTOCOL, Dialect
from ganetix.rpc.methods import DELAY, DISK_LIST, GUEST_PURGE, Nothing
from ganetix.rpc.server import Call
from ganetix.rpc.tls import tls_factory
from ganetix.test.functional.tls_nodes import (
    TlsNode,
    client_of,
    error_of,
    node_at,
    port_of,
)
from ganetix.testing.pki import node_identity

NOW = Delay(duration=0)
PURGE = GuestPurge(uuid="x", hypervisors=(), disk_templates=())


class CallTests(TestCase):
    """One node, its handlers made of Deferreds that the test fires."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.started: list[Call] = []
        self.answers: list[Deferred[object]] = []
        self.cancelled: list[Deferred[object]] = []
        handlers = {DELAY.name: self._start, DISK_LIST.name: self._start}
        handlers[GUEST_PURGE.name] = lambda request, call: succeed(
            Purged(guest=True, disks=2)
        )
        self.served = TlsNode(node_identity(2), handlers, node_identity(1))
        self.node = await self.served.listen()
        self.client = client_of(node_identity(1))

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.client.close()
        await self.served.stop()

    def _start(self, request: object, call: Call) -> Deferred[object]:
        self.started.append(call)
        self.answers.append(Deferred(self.cancelled.append))
        return self.answers[-1]

    async def _until(self, condition: Callable[[], object]) -> None:
        for _ in range(500):
            if condition():
                return
            await deferLater(reactor, 0.01)
        self.fail("it did not happen within 5 s")

    async def test_result(self) -> None:
        """The result comes as the type that the method declares."""
        result = await self.client.call(self.node, GUEST_PURGE, PURGE)
        self.assertEqual(result, Purged(guest=True, disks=2))

    async def test_progress(self) -> None:
        """Progress lines come while the method runs, whatever is in them."""
        said: list[str] = []
        called = self.client.call(self.node, DELAY, NOW, said.append)
        await self._until(lambda: self.started)
        self.started[0].say("größer\nthan one line")
        await self._until(lambda: said)
        self.answers[0].callback(Nothing())
        await called
        self.assertEqual(said, ["größer\nthan one line"])

    async def test_error(self) -> None:
        """An error that the node answers comes with its kind and message."""
        called = self.client.call(self.node, DELAY, NOW)
        await self._until(lambda: self.started)
        self.answers[0].errback(BadParameter("duration: too long", field="duration"))
        error = await error_of(called, BadParameter)
        self.assertEqual(error.message, "duration: too long")
        self.assertEqual(error.detail["node"], self.node.uuid)

    async def test_unexpected_exception(self) -> None:
        """A bug on the node is told with the id under which its log has it."""
        called = self.client.call(self.node, DELAY, NOW)
        await self._until(lambda: self.started)
        self.answers[0].errback(ZeroDivisionError("secret"))
        error = await self.assertFailure(called, Bug)
        self.assertIn("internal error", str(error))
        self.assertNotIn("secret", str(error))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_many_at_once(self) -> None:
        """Calls of one node do not wait for each other."""
        calls = [self.client.call(self.node, DELAY, NOW) for _ in range(10)]
        await self._until(lambda: len(self.started) == 10)
        for answer in reversed(self.answers):
            answer.callback(Nothing())
        for called in calls:
            self.assertEqual(await called, Nothing())

    async def test_broken_connection(self) -> None:
        """A call whose connection breaks half-way goes on over another: the work runs
        once, and no progress line is lost or comes twice."""
        said: list[str] = []
        called = self.client.call(self.node, DELAY, NOW, said.append)
        await self._until(lambda: self.started)
        self.started[0].say("one")
        await self._until(lambda: said)
        self.served.break_connections()
        self.started[0].say("two")
        await self._until(lambda: len(said) == 2)
        self.answers[0].callback(Nothing())
        await called
        self.assertEqual(said, ["one", "two"])
        self.assertEqual(len(self.started), 1)

    async def test_restarted_daemon(self) -> None:
        """A call that was under way when the daemon died is not run again by the next
        one: its caller learns that its outcome is not known."""
        called = self.client.call(self.node, DELAY, NOW)
        await self._until(lambda: self.started)
        self.started[0].say("begun")
        await deferLater(reactor, 0.05)
        await self.served.stop()
        reborn = TlsNode(node_identity(2), {DELAY.name: self._start}, node_identity(1))
        self.addCleanup(reborn.stop)
        await reborn.listen(port=self.node.port)
        self.served.break_connections()
        error = await self.assertFailure(called, Exception)
        self.assertIn("not known how far", str(error))
        self.assertEqual(len(self.started), 1)
        self.answers[0].callback(Nothing())

    async def test_cancelled_reading(self) -> None:
        """Cancelling a read-only call ends it on the node as well."""
        called = self.client.call(self.node, DISK_LIST, Nothing())
        await self._until(lambda: self.started)
        called.cancel()
        await self.assertFailure(called, CancelledError)
        await self._until(lambda: self.cancelled)

    async def test_cancelled_change(self) -> None:
        """Cancelling a call that changes things leaves it running to its end."""
        called = self.client.call(self.node, DELAY, NOW)
        await self._until(lambda: self.started)
        gone: list[object] = []
        _ = self.started[0].caller_gone().addCallback(gone.append)
        called.cancel()
        await self.assertFailure(called, CancelledError)
        await self._until(lambda: gone)
        self.assertEqual(self.cancelled, [])
        self.answers[0].callback(Nothing())

    async def test_stop(self) -> None:
        """A daemon that stops waits for the methods that run, and starts no more."""
        called = self.client.call(self.node, DELAY, NOW)
        await self._until(lambda: self.started)
        stopped = self.served.resource.stop()
        refused = self.client.call(self.node, DELAY, NOW)
        error = await self.assertFailure(refused, Exception)
        self.assertIn("stopping", str(error))
        self.assertFalse(stopped.called)
        self.answers[0].callback(Nothing())
        await called
        await stopped

    async def test_large_answer(self) -> None:
        """An answer of some megabytes comes whole."""
        called = self.client.call(self.node, DISK_LIST, Nothing())
        await self._until(lambda: self.started)
        self.answers[0].callback({"disks": [], "padding": "x" * 5_000_000})
        self.assertEqual(await called, DiskList(disks=()))

    async def test_request_too_large(self) -> None:
        """A request beyond the bound is refused before anything is sent."""
        huge = GuestPurge(uuid="x" * (64 << 20), hypervisors=(), disk_templates=())
        error = await self.assertFailure(
            self.client.call(self.node, GUEST_PURGE, huge), BadParameter
        )
        self.assertIn("guest_purge", str(error))

    async def test_master_of_old(self) -> None:
        """A master of an old epoch is refused, and notices; others call as before."""
        told: list[tuple[str, Claim]] = []

        def master(epoch: int) -> NodeRpc:
            return NodeRpc(
                reactor,
                creators_of(node_identity(1).credentials()),
                master_epoch=lambda: epoch,
                on_stale=lambda node, error: told.append((node.uuid, obeyed(error))),
            )

        masters = [master(1), master(2)]
        await masters[1].call(self.node, GUEST_PURGE, PURGE)
        await self.assertFailure(
            masters[0].call(self.node, GUEST_PURGE, PURGE), StaleEpoch
        )
        newer = Claim(number=2, master=node_identity(1).uuid)
        self.assertEqual(told, [(self.node.uuid, newer)])
        await self.client.call(self.node, GUEST_PURGE, PURGE)
        for each in masters:
            await each.close()

    async def test_other_version(self) -> None:
        """Nodes of another node RPC are not called; the line says which to upgrade."""
        said = "and speaks node RPC"
        for protocol, late in ((PROTOCOL - 1, "node1.example"), (99, "this node")):
            self.served.resource.dialect = Dialect(protocol, "0.0.9")
            called = self.client.call(self.node, DELAY, NOW)
            error = await error_of(called, VersionMismatch)
            self.assertIn(f"runs ganetix 0.0.9 {said} {protocol}", error.message)
            self.assertIn(f"this node runs ganetix {__version__}", error.message)
            self.assertTrue(error.message.endswith(late), error.message)
            self.assertEqual(error.detail["node"], self.node.uuid)
        self.assertEqual(self.started, [])
        await deferLater(reactor, 0.05)

    async def test_node_of_before(self) -> None:
        """What a node answers that does not tell what it speaks is not believed."""
        dialect = Dialect(0, "")
        dialect.check_caller = lambda header: None  # type: ignore[method-assign]
        dialect.header = b"0.0.9"
        self.served.resource.dialect = dialect
        called = self.client.call(self.node, GUEST_PURGE, PURGE)
        error = await error_of(called, VersionMismatch)
        self.assertIn("runs ganetix 0.0.9 and speaks node RPC 0", error.message)
        await deferLater(reactor, 0.05)

    async def test_ipv6(self) -> None:
        """Nodes with IPv6 addresses are called alike."""
        node = await self.served.listen("::1")
        await self.client.call(node, GUEST_PURGE, PURGE)
        down = Node(
            uuid=node.uuid,
            name="six",
            group="",
            primary_ip="::1",
            secondary_ip="::1",
            port=1,
        )
        failed = self.client.call(down, GUEST_PURGE, PURGE)
        error = await self.assertFailure(failed, NodeUnreachable)
        self.assertIn("six ([::1]:1)", str(error))

    async def test_probe(self) -> None:
        """A probe tells a port where something listens from one where nothing does."""
        self.assertTrue(await probe(reactor, "127.0.0.1", self.node.port, 5))
        self.assertFalse(await probe(reactor, "127.0.0.1", 1, 5))


class NoTls(Protocol):
    """Talks, but not TLS."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"220 mail.example ESMTP\r\n")


class StrangerTests(TestCase):
    """Something else listens at a node's address."""

    async def test_no_tls(self) -> None:
        """What does not speak TLS is told as such, not as a node that is down."""
        endpoint = listen_endpoint(reactor, "127.0.0.1", 0)
        listening = await endpoint.listen(Factory.forProtocol(NoTls))
        self.addCleanup(listening.stopListening)
        client = client_of(node_identity(1))
        node = node_at(node_identity(2).uuid, "127.0.0.1", port_of(listening))
        failed = client.call(node, DELAY, NOW)
        error = await self.assertFailure(failed, AuthenticationFailed)
        self.assertIn("TLS fails", str(error))

    async def test_no_rpc(self) -> None:
        """A node that answers HTTP, but not RPC, is told by its status."""
        site = Site(notFound(), reactor=reactor)
        factory = tls_factory(node_identity(2).credentials(), site, reactor)
        listening = await listen_endpoint(reactor, "127.0.0.1", 0).listen(factory)
        self.addCleanup(listening.stopListening)
        client = client_of(node_identity(1))
        self.addCleanup(client.close)
        node = node_at(node_identity(2).uuid, "127.0.0.1", port_of(listening))
        error = await self.assertFailure(client.call(node, DELAY, NOW), RemoteFailure)
        self.assertIn("HTTP status 404", str(error))
        await deferLater(reactor, 0.05)
