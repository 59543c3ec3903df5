"""Kept connections that are dead when the next call comes, over real sockets."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConnector, IReactorTCP
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from ganetix.errors import NodeUnreachable
from ganetix.flow.settle import settle
from ganetix.objects.node_calls import Delay, DiskList
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.methods import DELAY, DISK_LIST, Nothing
from ganetix.rpc.server import Call
from ganetix.test.functional.tls_nodes import TlsNode, error_of
from ganetix.testing.pki import node_identity


@implementer(IReactorTCP)
class Recorded(Clock):
    """The real network, but for its time; remembers the connections made."""

    listenTCP = staticmethod(reactor.listenTCP)  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.sockets: list[Socket] = []

    def connectTCP(self, *args: Any, **kw: Any) -> IConnector:
        """Connect, and remember it."""
        connector: Any = reactor.connectTCP(*args, **kw)
        given = Socket(connector.transport.getHandle())
        connector.transport.getHandle = lambda: given
        self.sockets.append(given)
        found: IConnector = connector
        return found

    def callLater(self, delay: float, callable: Any, *args: Any, **kw: Any) -> Any:
        """What is due at once is done by the reactor."""
        if delay == 0:
            return reactor.callLater(0, callable, *args, **kw)
        return super().callLater(delay, callable, *args, **kw)


class Socket:
    """A connection's socket, which may have an error that the test gave it."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.error = 0

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """As ever."""
        self._real.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int) -> int:
        """The error with which the kernel ended the connection."""
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        return self.error


class KeptTests(TestCase):
    """One node; its answers wait for the test if that wants it so."""

    async def setUp(self) -> None:  # type: ignore[override]
        """Several connections to the node are kept."""
        self.network = Recorded()
        self.asked: list[Deferred[object]] = []
        self.calls: list[Call] = []
        self.ran = 0
        handlers = {DISK_LIST.name: self._disks, DELAY.name: self._delay}
        self.served = TlsNode(node_identity(2), handlers, node_identity(1))
        self.node = await self.served.listen()
        self.rpc = NodeRpc(self.network, creators_of(node_identity(1).credentials()))
        await settle([self._list(), self._list(), self._list()])
        self.assertEqual(len(self.network.sockets), 3)
        self.ran = 0

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.rpc.close()
        await self.served.stop()

    def _list(self) -> Deferred[DiskList]:
        return self.rpc.call(self.node, DISK_LIST, Nothing())

    def _disks(self, request: object, call: Call) -> Deferred[object]:
        self.ran += 1
        return succeed(DiskList(disks=()))

    def _delay(self, request: object, call: Call) -> Deferred[object]:
        self.ran += 1
        self.calls.append(call)
        self.asked.append(Deferred())
        return self.asked[-1]

    async def _until(self, condition: Callable[[], bool]) -> None:
        for _ in range(500):
            if condition():
                return
            await deferLater(reactor, 0.01)
        self.fail("it did not come about within 5 s")

    async def test_all_dead(self) -> None:
        """A call by a dead connection is repeated once, on a new one, and runs once."""
        self.served.break_connections()
        await self._list()
        self.assertEqual(len(self.network.sockets), 4)
        self.assertEqual(self.ran, 1)

    async def test_new_one_is_kept(self) -> None:
        """The connection of the second attempt serves the next calls."""
        self.served.break_connections()
        await self._list()
        await self._list()
        self.assertEqual(len(self.network.sockets), 4)

    async def test_breaks_again(self) -> None:
        """A call whose new connection breaks as well is not sent a third time."""
        heard: list[str] = []
        called = self.rpc.call(self.node, DELAY, Delay(duration=1.0), heard.append)
        await self._until(lambda: bool(self.calls))
        self.served.break_connections()
        self.calls[0].say("still at it")
        await self._until(lambda: bool(heard))
        self.served.break_connections()
        error = await error_of(called, NodeUnreachable)
        self.assertIn("the connection broke", str(error))
        self.assertEqual(len(self.network.sockets), 4)
        self.assertEqual(self.ran, 1)
        self.asked.pop().callback(Nothing())

    async def test_cut_off(self) -> None:
        """A connection that the kernel gives up makes the node unreachable at once."""
        for number in (errno.ETIMEDOUT, errno.EHOSTUNREACH):
            called = self.rpc.call(self.node, DELAY, Delay(duration=1.0))
            await self._until(lambda: bool(self.asked))
            for each in self.network.sockets:
                each.error = number
            self.served.break_connections()
            error = await error_of(called, NodeUnreachable)
            self.assertIn("is not reachable: no answer in time", str(error))
            with self.assertRaisesRegex(NodeUnreachable, "is not reachable since"):
                await self._list()
            self.assertEqual(len(self.network.sockets), 3)
            self.asked.pop().callback(Nothing())
            await self.rpc.close()
            self.network.sockets.clear()
            await settle([self._list(), self._list(), self._list()])
