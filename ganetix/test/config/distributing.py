"""Nodes that are told of ssconf, and tests of who tells them."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ganetix.config.distribute import SsconfDistributor
from ganetix.errors import NodeUnreachable
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node
from ganetix.objects.node_calls import SsconfWrite, SsconfWritten
from ganetix.rpc.methods import Method
from ganetix.test.config.support import ConfigTestCase, make_group, make_node

Q = TypeVar("Q")


R = TypeVar("R")


@implementer(INodeRpc)
class ToldNodes:
    """Node daemons that answer at once, later, or not at all."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, SsconfWrite]] = []
        self.down: set[str] = set()
        self.other: set[str] = set()
        self.slow: dict[str, Deferred[SsconfWritten] | None] = {}
        self.cancelled: list[str] = []

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Note the call, and answer."""
        assert isinstance(request, SsconfWrite)
        self.calls.append((node.name, request))
        answer: Deferred[SsconfWritten] = Deferred(
            lambda _: self.cancelled.append(node.name)
        )
        if node.name in self.slow:
            self.slow[node.name] = answer
        elif node.name in self.other and request.base:
            self.other.discard(node.name)
            answer.callback(SsconfWritten(needs_all=True))
        elif node.name in self.down:
            answer.errback(NodeUnreachable(f"node {node.name} does not answer"))
        else:
            answer.callback(SsconfWritten())
        return answer  # type: ignore[return-value]

    def answer(self, name: str) -> None:
        """A slow node answers."""
        answer = self.slow[name]
        assert answer is not None
        self.slow[name] = None
        answer.callback(SsconfWritten())

    def take(self) -> list[str]:
        """Who was called since the last time."""
        names = [name for name, _ in self.calls]
        self.calls.clear()
        return names


class DistributorTestCase(ConfigTestCase):
    """Three nodes of one group."""

    def setUp(self) -> None:
        """A distributor that has told all nodes."""
        super().setUp()
        self.put(make_node(2), make_node(3))
        self.nodes = ToldNodes()
        self.distributor = SsconfDistributor(self.config, self.nodes, self.clock)
        self.distributor.start()
        self.assertEqual(sorted(self.nodes.take()), ["node1", "node2", "node3"])
        self.serial = 1

    def add_group(self) -> None:
        """Change what is in ssconf."""
        self.serial += 1
        self.put(make_group(self.serial))
