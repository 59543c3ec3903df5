"""One question to many nodes at once; answers are values, never exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

from ganetix.errors import GanetixError, NodeOffline
from ganetix.flow.settle import settle
from ganetix.interfaces import INodeRpc
from ganetix.objects import Node, Value
from ganetix.rpc.methods import Method

Q = TypeVar("Q")
R = TypeVar("R")


class Ok(Value, Generic[R], frozen=True):
    """What the node answered."""

    payload: R

    def require(self) -> R:
        """The payload."""
        return self.payload


class Failed(Value, frozen=True):
    """The node could not be asked, or answered with an error."""

    error: GanetixError

    def require(self) -> None:
        """Raises the error."""
        raise self.error


class Offline(Value, frozen=True):
    """The node is marked offline, and was not asked."""

    node_name: str = ""

    def require(self) -> None:
        """Raises ``NodeOffline``."""
        raise NodeOffline(f"node {self.node_name} is marked offline")


Answer = Ok[R] | Failed | Offline


def ask_all(
    rpc: INodeRpc, nodes: Sequence[Node], method: Method[Q, R], request: Q
) -> Deferred[dict[str, Answer[R]]]:
    """Every node's answer by UUID, asked in parallel.

    Nodes marked offline are not contacted. Cancelling cancels all calls.
    """
    return Deferred.fromCoroutine(_ask_all(rpc, nodes, method, request))


async def _ask_all(
    rpc: INodeRpc, nodes: Sequence[Node], method: Method[Q, R], request: Q
) -> dict[str, Answer[R]]:
    async def ask(node: Node) -> Answer[R]:
        if node.offline:
            return Offline(node.name)
        try:
            return Ok(await rpc.call(node, method, request))
        except GanetixError as error:
            return Failed(error)

    answers = await settle(Deferred.fromCoroutine(ask(node)) for node in nodes)
    return {node.uuid: answer for node, answer in zip(nodes, answers, strict=True)}
