"""Node RPC in memory: handlers by node, through the real codec, with faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ganetix.errors import GanetixError, NodeOffline, NodeUnreachable, NotFound
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node, new_uuid
from ganetix.rpc import wire
from ganetix.rpc.identity import PeerIdentity
from ganetix.rpc.methods import METHODS, Method
from ganetix.rpc.requests import RunningRequest
from ganetix.rpc.server import Call, Handler, final_line

Q = TypeVar("Q")
R = TypeVar("R")

CALLER = PeerIdentity(
    uuid="00000000-0000-4000-8000-00000000cafe", role="node", fingerprint="00" * 32
)


class RecordedCall(NamedTuple):
    """A call that was made, whether or not it came through."""

    node_uuid: str
    method: str
    request: object


@implementer(INodeRpc)
class FakeNodeRpc:
    """Calls handlers as a node daemon would, without a network.

    :param handlers: by node UUID, then by method name; may be changed at any time

    ``calls`` are those made so far, in order. A caller's Deferred that is cancelled
    leaves the handler running, as a real node does with methods that change things.
    """

    def __init__(self, handlers: Mapping[str, Mapping[str, Handler]]) -> None:
        self.handlers = handlers
        self.calls: list[RecordedCall] = []
        self._down: set[str] = set()
        self._faults: dict[tuple[str, int], tuple[GanetixError, bool]] = {}
        self._counts: Counter[str] = Counter()

    def set_down(self, node_uuid: str, is_down: bool = True) -> None:
        """Let a node be unreachable, or reachable again."""
        (self._down.add if is_down else self._down.discard)(node_uuid)

    def fail(
        self,
        method: Method[Any, Any],
        error: GanetixError,
        nth: int = 1,
        after_running: bool = False,
    ) -> None:
        """Let the ``nth`` call of a method from now on fail, on whatever node.

        ``after_running``: the node does the work, its answer is lost.
        """
        key = (method.name, self._counts[method.name] + nth)
        self._faults[key] = (error, after_running)

    def called(self, method: Method[Q, R]) -> list[Q]:
        """The requests of all calls of a method so far."""
        return [
            call.request  # type: ignore[misc]
            for call in self.calls
            if call.method == method.name
        ]

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Call one method on one node."""
        return Deferred.fromCoroutine(self._call(node, method, request, say))

    async def _call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None
    ) -> R:
        if node.offline:
            raise NodeOffline(f"node {node.name} is marked offline", node=node.uuid)
        self.calls.append(RecordedCall(node.uuid, method.name, request))
        self._counts[method.name] += 1
        fault = self._faults.pop((method.name, self._counts[method.name]), None)
        if fault is not None and not fault[1]:
            raise fault[0]
        self._refuse_if_down(node)
        parser = wire.AnswerParser(method.result)
        answer = _Answer(parser, say)
        running = RunningRequest(method.name, b"", 0.0)
        running.attach(answer)
        work = self._work(node, method.name, wire.encode_request(request), running)
        _ = Deferred.fromCoroutine(work)
        try:
            await answer.done
        finally:
            running.detach(answer)
        self._refuse_if_down(node)
        if fault is not None:
            raise fault[0]
        return parser.finish()

    async def _work(
        self, node: Node, name: str, body: bytes, running: RunningRequest
    ) -> None:
        handler = self.handlers.get(node.uuid, {}).get(name)
        try:
            if handler is None:
                raise NotFound(f"this node has no RPC method {name!r}")
            value = wire.decode_request(METHODS[name], body)
        except GanetixError as error:
            line = wire.error_line(error)
        else:
            call = Call(CALLER, new_uuid(), name, running)
            line = await final_line(handler, value, call)
        running.end(line, 0.0)

    def _refuse_if_down(self, node: Node) -> None:
        if node.uuid in self._down:
            raise NodeUnreachable(
                f"node {node.name} ({node.primary_ip}:{node.port}) is not reachable:"
                " nothing listens there",
                node=node.uuid,
            )


class _Answer(Generic[R]):
    """Takes an answer's lines; ``done`` fires with the last."""

    def __init__(self, parser: wire.AnswerParser[R], say: Say | None) -> None:
        self._parser = parser
        self._say = say
        self.done: Deferred[None] = Deferred()

    def line(self, data: bytes) -> None:
        """A progress line."""
        for text in self._parser.feed(data):
            if self._say is not None:
                self._say(text)

    def ended(self, data: bytes) -> None:
        """The last line."""
        self._parser.feed(data)
        if not self.done.called:
            self.done.callback(None)
