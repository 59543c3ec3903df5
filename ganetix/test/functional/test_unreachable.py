"""Nodes that do not answer, over real sockets."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Sequence

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTCP, IReactorTime
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from ganetix.errors import NodeUnreachable
from ganetix.objects import Node
from ganetix.objects.node_calls import Delay, DiskList, NodeInfoRequest
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.fanout import Failed, Ok, ask_all
from ganetix.rpc.methods import DELAY, DISK_LIST, NODE_INFO, Nothing
from ganetix.rpc.server import Call
from ganetix.rpc.wire import FIRST_SIGN_SECONDS
from ganetix.test.functional.test_first_light import ClusterCase
from ganetix.test.functional.tls_nodes import TlsNode, error_of, node_at
from ganetix.testing.pki import node_identity, node_uuid


@implementer(IReactorTCP)
class OwnTime(Clock):
    """The real network, in a time that the test makes."""

    connectTCP = staticmethod(reactor.connectTCP)  # noqa: N815
    listenTCP = staticmethod(reactor.listenTCP)  # noqa: N815

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> IDelayedCall:
        """What is due at once is done by the reactor."""
        if delay == 0:
            return IReactorTime(reactor).callLater(0, callable, *args, **kw)
        return super().callLater(delay, callable, *args, **kw)


class Mute:
    """A listening socket that nobody serves: TCP is made by the kernel, TLS never.

    With ``is_full`` its backlog is, so that not even TCP connections come about.
    """

    def __init__(self, is_full: bool = False) -> None:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.fillers: list[socket.socket] = []
        self.port: int = self.listener.getsockname()[1]
        while is_full and len(self.fillers) < 8:
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)

    def close(self) -> None:
        """Free the port."""
        for each in (self.listener, *self.fillers):
            each.close()


class UnreachableTests(TestCase):
    """One node that answers, one that does not."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.time = OwnTime()
        self.asked: list[Deferred[object]] = []
        handlers = {DISK_LIST.name: self._disks}
        handlers |= {DELAY.name: self._never, NODE_INFO.name: self._never}
        self.served = TlsNode(node_identity(2), handlers, node_identity(1))
        self.good = await self.served.listen()
        creators = creators_of(node_identity(1).credentials())
        self.rpc = NodeRpc(self.time, creators)

    async def tearDown(self) -> None:  # type: ignore[override]
        self.served.thaw()
        await self.rpc.close()
        await self.served.stop()

    def _disks(self, request: object, call: Call) -> Deferred[object]:
        done: Deferred[object] = Deferred()
        done.callback(DiskList(disks=()))
        return done

    def _never(self, request: object, call: Call) -> Deferred[object]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def mute(self, is_full: bool) -> Node:
        """A node that does not answer."""
        mute = Mute(is_full)
        self.addCleanup(mute.close)
        return node_at(node_uuid(3), "127.0.0.1", mute.port)

    async def _pass(self, seconds: float) -> None:
        """Let time pass, with the network's work done in between."""
        for _ in range(20):
            await deferLater(reactor, 0.005)
            self.time.advance(seconds / 20)

    async def _until(self, happened: Sequence[object]) -> None:
        for _ in range(500):
            if happened:
                return
            await deferLater(reactor, 0.01)
        self.fail("nothing came within 5 s")

    async def _until_sign(self) -> None:
        """The node was asked, and has shown since that it is alive."""
        await self._until(self.asked)
        await deferLater(reactor, FIRST_SIGN_SECONDS + 0.2)

    async def _lost(self, is_full: bool) -> None:
        node = self.mute(is_full)
        called = self.rpc.call(node, DISK_LIST, Nothing())
        await self._pass(4.5)
        self.assertFalse(called.called)
        await self._pass(1.0)
        await error_of(called, NodeUnreachable)
        at_once = self.rpc.call(node, DISK_LIST, Nothing())
        failure = self.failureResultOf(at_once, NodeUnreachable)
        self.assertIn("is not reachable since", failure.getErrorMessage())

    async def test_full_backlog(self) -> None:
        """A host that takes no connection fails after 5 s, and then at once."""
        await self._lost(is_full=True)

    async def test_frozen_daemon(self) -> None:
        """So does one whose kernel takes connections, and whose daemon does nothing."""
        await self._lost(is_full=False)

    async def _freeze(self) -> None:
        """The good node freezes, while connections to it are kept."""
        await self.rpc.call(self.good, DISK_LIST, Nothing())
        self.served.freeze()

    async def test_frozen_while_connected(self) -> None:
        """One that freezes with connections open fails after 5 s, then at once."""
        await self._freeze()
        called = self.rpc.call(self.good, DISK_LIST, Nothing())
        await self._pass(4.8)
        self.assertFalse(called.called)
        await self._pass(0.4)
        error = await error_of(called, NodeUnreachable)
        self.assertIn("its daemon gives no sign of life", str(error))
        at_once = self.rpc.call(self.good, DISK_LIST, Nothing())
        failure = self.failureResultOf(at_once, NodeUnreachable)
        self.assertIn("is not reachable since", failure.getErrorMessage())

    async def test_frozen_before_a_change(self) -> None:
        """Whoever asked for a change then learns that it may yet come about."""
        await self._freeze()
        called = self.rpc.call(self.good, DELAY, Delay(duration=0))
        await self._pass(5.2)
        error = await error_of(called, NodeUnreachable)
        self.assertIn("not known whether it will do delay", str(error))

    async def test_thawed(self) -> None:
        """It is called again as soon as it answers a probe."""
        returned: list[Node] = []
        self.rpc.reachability.on_return(returned.append)
        await self._freeze()
        called = self.rpc.call(self.good, DISK_LIST, Nothing())
        await self._pass(5.2)
        await error_of(called, NodeUnreachable)
        self.served.thaw()
        await self._pass(3.0)
        await self._until(returned)
        await self.rpc.call(self.good, DISK_LIST, Nothing())

    async def test_held_up_here(self) -> None:
        """Time that passed at once here is not held against the node."""
        await self.rpc.call(self.good, DISK_LIST, Nothing())
        called = self.rpc.call(self.good, DISK_LIST, Nothing())
        self.time.advance(30)
        await called

    async def test_long_work(self) -> None:
        """What takes long is waited for: the daemon shows that it is alive."""
        await self.rpc.call(self.good, DISK_LIST, Nothing())
        called = self.rpc.call(self.good, DELAY, Delay(duration=8))
        await self._until_sign()
        await self._pass(8)
        self.asked[0].callback(Nothing())
        await called

    async def test_others(self) -> None:
        """What is asked of the other node is answered meanwhile."""
        node = self.mute(is_full=True)
        asked = ask_all(self.rpc, [node, self.good], DISK_LIST, Nothing())
        for _ in range(3):
            await self.rpc.call(self.good, DISK_LIST, Nothing())
        self.assertFalse(asked.called)
        await self._pass(5.5)
        answers = await asked
        self.assertIsInstance(answers[node.uuid], Failed)
        self.assertIsInstance(answers[self.good.uuid], Ok)
        again = await ask_all(self.rpc, [node, self.good], DISK_LIST, Nothing())
        self.assertIsInstance(again[node.uuid], Failed)
        self.assertIsInstance(again[self.good.uuid], Ok)

    async def test_recovers(self) -> None:
        """When the node answers a probe, the next call reaches it."""
        mute = Mute()
        node = node_at(node_uuid(2), "127.0.0.1", mute.port)
        called = self.rpc.call(node, DISK_LIST, Nothing())
        await self._pass(5.5)
        await error_of(called, NodeUnreachable)
        returned: list[Node] = []
        self.rpc.reachability.on_return(returned.append)
        mute.close()
        await self.served.listen("127.0.0.1", mute.port)
        await self._pass(3.0)
        await self._until(returned)
        self.assertEqual(returned, [node])
        await self.rpc.call(node, DISK_LIST, Nothing())

    async def test_many(self) -> None:
        """A crowd of nodes that do not answer keeps nobody from being asked."""
        silent = self.mute(is_full=True)
        crowd = [node_at(node_uuid(n), "127.0.0.1", silent.port) for n in range(9, 209)]
        lost = [self.rpc.call(node, DISK_LIST, Nothing()) for node in crowd]
        called = self.rpc.call(self.good, DISK_LIST, Nothing())
        await self._pass(1.5)
        await called
        await self._pass(6.0)
        for each in lost:
            await error_of(each, NodeUnreachable)

    async def test_in_time(self) -> None:
        """A call that takes longer than its class allows fails, and says how long."""
        called = self.rpc.call(self.good, NODE_INFO, NodeInfoRequest())
        await self._until(self.asked)
        self.time.advance(9.9)
        self.assertNoResult(called)
        self.time.advance(0.2)
        failure = self.failureResultOf(called, NodeUnreachable)
        self.assertIn("node_info within 10 s", failure.getErrorMessage())

    async def test_silence(self) -> None:
        """A call that may last for ever still fails when the node falls silent."""
        called = self.rpc.call(self.good, DELAY, Delay(duration=1e9))
        await self._until_sign()
        self.time.advance(60.1)
        failure = self.failureResultOf(called, NodeUnreachable)
        self.assertIn("silent", failure.getErrorMessage())
        await deferLater(reactor, 0.05)


class FrozenDaemonTests(ClusterCase):
    """Two real daemons, of which one is stopped while the master is connected to it."""

    nodes = 2
    network = 50

    async def _list(self) -> tuple[str, float]:
        """What ``gnt-node list`` prints, and how many seconds that takes."""
        begun = reactor.seconds()
        listed = await self.gnt("gnt-node", "list", "--no-headers", "-o", "name,mtotal")
        return listed, reactor.seconds() - begun

    async def test_stopped(self) -> None:
        """It costs the first operation 5 s, the next ones nothing; it is back alone."""
        await self._list()
        self.cluster.daemons["node2"].kill(signal.SIGSTOP)
        listed, seconds = await self._list()
        self.assertRegex(listed, r"node2 +\?")
        self.assertLess(seconds, 8)
        _, seconds = await self._list()
        self.assertLess(seconds, 4)
        self.cluster.daemons["node2"].kill(signal.SIGCONT)

        async def is_back() -> bool:
            return "?" not in (await self._list())[0]

        await self.cluster.until(is_back, "node2 answers")
