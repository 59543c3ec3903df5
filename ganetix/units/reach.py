"""RPC as one opcode has it: to the nodes that it is about, and no others (R18)."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from ganetix.errors import Bug
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node
from ganetix.rpc.methods import Method

Q = TypeVar("Q")
R = TypeVar("R")


@implementer(INodeRpc)
class ReachRpc:
    """Calls nodes of some groups; a call of any other is a bug of the unit.

    :param op_name: whose calls these are, for that message
    :param groups: UUIDs of the groups that may be talked to
    """

    def __init__(self, rpc: INodeRpc, op_name: str, groups: frozenset[str]) -> None:
        self._rpc = rpc
        self._op_name = op_name
        self._groups = groups

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """See ``INodeRpc``; fails with ``Bug`` before anything is sent."""
        if node.group not in self._groups:
            return fail(
                Bug(
                    f"{self._op_name} calls {method.name} of node {node.name}, whose"
                    f" group {node.group} none of its locks is about"
                )
            )
        return self._rpc.call(node, method, request, say)
