"""Nodes without processes, on a network whose calls take time and can be cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from ganetix.errors import GanetixError, NodeUnreachable
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node
from ganetix.rpc import wire
from ganetix.rpc.identity import PeerIdentity
from ganetix.rpc.methods import METHODS, Method
from ganetix.rpc.requests import RunningRequest
from ganetix.rpc.server import Call, Handler, final_line

Q = TypeVar("Q")
R = TypeVar("R")

LATENCY_SECONDS = 0.005


class SimHost:
    """A node; ``handlers`` are its daemon's methods, none if it does not run."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.handlers: dict[str, Handler] = {}


class SimNetwork:
    """Hosts by name; ``calls`` are the methods called so far, and of whom.

    Nodes can be cut off from each other: then calls hang, both ways, as packets do that
    are dropped.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.0)
        self.hosts: dict[str, SimHost] = {}
        self.calls: list[tuple[str, str]] = []
        self._cuts: set[frozenset[str]] = set()

    def cut(self, one: str, other: str) -> None:
        """Let nothing pass between two nodes."""
        self._cuts.add(frozenset((one, other)))

    def isolate(self, name: str) -> None:
        """Let nothing pass between a node and the others."""
        for other in self.hosts:
            if other != name:
                self.cut(name, other)

    def heal(self) -> None:
        """Let everything pass."""
        self._cuts.clear()

    def is_cut(self, one: SimHost, other: SimHost) -> bool:
        """Whether nothing passes between them."""
        return frozenset((one.node.name, other.node.name)) in self._cuts

    def advance(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass."""
        for _ in range(max(1, round(seconds / step))):
            self.clock.advance(step)

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let time pass until something is so; ``AssertionError`` if it never is."""
        end = self.clock.seconds() + seconds
        while not condition():
            if self.clock.seconds() > end:
                raise AssertionError("not in time")
            self.clock.advance(0.01)


@implementer(INodeRpc)
class SimRpc:
    """Calls from one node to others."""

    def __init__(self, network: SimNetwork, caller: SimHost) -> None:
        self._network = network
        self._caller = caller

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Call a method of a node; takes time, and hangs if the nodes are cut off."""
        network, caller = self._network, self._caller
        target = network.hosts[node.name]
        answer: Deferred[R] = Deferred(lambda _: None)
        body = wire.encode_request(request)
        network.calls.append((method.name, node.name))

        def arrive() -> None:
            if network.is_cut(caller, target):
                return
            if not target.handlers:
                fail(NodeUnreachable(f"node {node.name}: nothing listens there"))
                return
            _ = Deferred.fromCoroutine(work(target.handlers[method.name]))

        async def work(handler: Handler) -> None:
            identity = PeerIdentity(
                uuid=caller.node.uuid, role="node", fingerprint="00" * 32
            )
            running = RunningRequest(method.name, b"", 0.0)
            call = Call(identity, "id", method.name, running)
            value = wire.decode_request(METHODS[method.name], body)
            handlers = target.handlers
            line = await final_line(handler, value, call)
            network.clock.callLater(LATENCY_SECONDS, back, line, handlers)

        def back(line: bytes, handlers: object) -> None:
            if answer.called or network.is_cut(caller, target):
                return
            if target.handlers is not handlers:
                fail(NodeUnreachable(f"node {node.name}: the connection broke"))
                return
            parser = wire.AnswerParser(method.result)
            parser.feed(line)
            try:
                answer.callback(parser.finish())
            except GanetixError as error:
                fail(error)

        def fail(error: GanetixError) -> None:
            if not answer.called:
                answer.errback(error)

        network.clock.callLater(LATENCY_SECONDS, arrive)
        return answer
