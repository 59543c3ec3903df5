"""The master's end of RPC: calls methods of node daemons over mutual TLS."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import msgspec
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from ganetix.errors import (
    BadParameter,
    Bug,
    ClusterFault,
    GanetixError,
    NodeOffline,
    NodeUnreachable,
    StaleEpoch,
)
from ganetix.flow.gate import Gate
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node, new_uuid
from ganetix.rpc import wire
from ganetix.rpc.connect import NodeEndpoint
from ganetix.rpc.dialect import Dialect
from ganetix.rpc.exchange import SILENCE_SECONDS, Exchange
from ganetix.rpc.faults import ConnectionBroke, NoSignOfLife, Silence, where
from ganetix.rpc.kept import Kept
from ganetix.rpc.methods import TIMEOUT_SECONDS, Method
from ganetix.rpc.reachable import Reachability
from ganetix.rpc.tls import Connects, NodeCreator

Q = TypeVar("Q")
R = TypeVar("R")

HANDSHAKES_AT_ONCE = 64
SLOW_HANDSHAKE_SECONDS = 0.3
MOST_KEPT_BYTES = 1024 * 1024


def creators_of(
    credentials: Connects,
    accepted: Callable[[str], Collection[str]] = lambda node_uuid: (),
) -> Callable[[str], NodeCreator]:
    """Makes connections to members of the cluster, by node UUID.

    :param accepted: fingerprints of a node's certificates; any if there are none
    """
    return lambda uuid: NodeCreator(credentials, uuid, accepted(uuid))


@implementer(INodeRpc)
class NodeRpc:
    """Calls nodes; connections are kept for the next call.

    A call whose connection breaks is sent once more, on a new connection and under the
    same id, so that it runs once. A node that cannot be reached is remembered: calls of
    it fail at once until it answers again. One that is marked offline is never
    contacted.

    :param reactor: provides ``IReactorTCP`` and ``IReactorTime``
    :param creator_for: makes TLS connections to the node of a UUID
    :param is_wanted: whether a node that cannot be reached is still to be probed
    :param master_epoch: the epoch in which this node commands; 0 if it does not
    :param on_stale: told of a node that obeys another master
    :param dialect: what this node speaks; that of this version if it is not given
    """

    def __init__(
        self,
        reactor: IReactorTCP,
        creator_for: Callable[[str], NodeCreator],
        is_wanted: Callable[[Node], bool] = lambda node: True,
        *,
        master_epoch: Callable[[], int] = lambda: 0,
        on_stale: Callable[[Node, StaleEpoch], None] = lambda node, error: None,
        dialect: Dialect | None = None,
    ) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._creator_for = creator_for
        self._master_epoch = master_epoch
        self._on_stale = on_stale
        self._dialect = dialect or Dialect()
        self._kept = Kept(reactor)
        self._gate = Gate(self._clock, HANDSHAKES_AT_ONCE, SLOW_HANDSHAKE_SECONDS)
        self._epochs: dict[str, str] = {}
        self._last_request: tuple[object, bytes] = (None, b"")
        self.reachability = Reachability(self._clock, self._probe, is_wanted)

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Call one method on one node; cancelling closes the connection."""
        return Deferred.fromCoroutine(self._call(node, method, request, say))

    def close(self) -> Deferred[None]:
        """Close the connections that are kept; unreachable nodes are forgotten."""
        self.reachability.stop()
        return self._kept.close()

    def renew_connections(self) -> None:
        """Make new connections for new calls; those under way go on where they are."""
        self._kept.renew()

    async def _call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None
    ) -> R:
        answer = Deferred.fromCoroutine(self._answer(node, method, request, say))
        seconds = TIMEOUT_SECONDS[method.timeout]
        if seconds is not None:
            _ = answer.addTimeout(seconds, self._clock)
        try:
            return await answer
        except TimeoutError:
            raise NodeUnreachable(
                f"{where(node)} did not answer {method.name} within {seconds:g} s",
                node=node.uuid,
            ) from None

    async def _answer(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None
    ) -> R:
        if node.offline:
            raise NodeOffline(f"node {node.name} is marked offline", node=node.uuid)
        self.reachability.check(node)
        body = self._encoded(request)
        if len(body) > wire.MOST_REQUEST_BYTES:
            raise BadParameter(
                f"{method.name}: the request has {len(body)} bytes,"
                f" {wire.MOST_REQUEST_BYTES} are allowed"
            )
        request_id = new_uuid()
        parser = wire.AnswerParser(method.result)
        may_repeat = True
        headers = {
            b"Content-Type": b"application/json",
            wire.REQUEST_ID_HEADER: request_id.encode(),
            wire.VERSION_HEADER: self._dialect.header,
        }
        if master_epoch := self._master_epoch():
            headers[wire.MASTER_EPOCH_HEADER] = b"%d" % master_epoch
        while True:
            pool = self._kept.of(node)
            exchange: Exchange[R] = Exchange(
                self._reactor,
                pool,
                node,
                self._creator_for,
                self._gate,
                self._dialect,
            )
            try:
                await exchange.run(method.name, headers, body, parser, say)
                return _answered(node, parser)
            except StaleEpoch as error:
                self._on_stale(node, error)
                raise
            except Silence:
                raise NodeUnreachable(
                    f"{where(node)} fell silent during {method.name}:"
                    f" nothing came for {SILENCE_SECONDS:g} s",
                    node=node.uuid,
                ) from None
            except NodeUnreachable as error:
                if exchange.cause is None:
                    raise
                self.reachability.note(node, exchange.cause)
                self._kept.discard(node, pool)
                if method.idempotent or not isinstance(exchange.cause, NoSignOfLife):
                    raise
                raise NodeUnreachable(
                    f"{error.message}; it is not known whether it will do"
                    f" {method.name}",
                    node=node.uuid,
                ) from None
            except ConnectionBroke as broke:
                epoch = exchange.epoch or self._epochs.get(node.uuid, "")
                if not may_repeat or not (epoch or method.idempotent):
                    raise NodeUnreachable(
                        f"{where(node)}: the connection broke during {method.name}"
                        f" ({broke}): it is not known how far that came",
                        node=node.uuid,
                    ) from None
                # It was a kept connection, maybe, which was dead all along. The
                # second attempt must not meet another such one.
                may_repeat = False
                self._kept.discard(node, pool)
                if not method.idempotent:
                    headers[wire.EPOCH_HEADER] = epoch.encode()
                headers[wire.SEEN_HEADER] = str(parser.lines_seen).encode()
                parser.restart()
            finally:
                if exchange.epoch:
                    self._epochs[node.uuid] = exchange.epoch

    def _encoded(self, request: object) -> bytes:
        """The body; encoded once if the same request goes to many nodes in a row."""
        last, body = self._last_request
        if request is not last:
            body = wire.encode_request(request)
            if len(body) <= MOST_KEPT_BYTES:
                self._last_request = (request, body)
        return body

    def _probe(self, node: Node) -> Deferred[None]:
        async def probe() -> None:
            creator = self._creator_for(node.uuid)
            endpoint = NodeEndpoint(self._reactor, node, creator, self._gate)
            protocol = await endpoint.connect(Factory.forProtocol(Protocol))
            assert isinstance(protocol, Protocol)  # noqa: S101
            if protocol.transport is not None:
                protocol.transport.loseConnection()

        return Deferred.fromCoroutine(probe())


def _answered(node: Node, parser: wire.AnswerParser[R]) -> R:
    """The result; a fault that the node answered is told as that node's."""
    try:
        return parser.finish()
    except GanetixError as error:
        told = error.to_wire()
        if isinstance(error, ClusterFault | Bug):
            message = f"node {node.name}: {told.message}"
            told = msgspec.structs.replace(told, message=message)
        detail = {"node": node.uuid} | told.detail
        told = msgspec.structs.replace(told, detail=detail)
        raise GanetixError.from_wire(told) from None
