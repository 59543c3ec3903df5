"""One HTTP request of an RPC call and its response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from ganetix.errors import GanetixError, RemoteFailure
from ganetix.flow.gate import Gate
from ganetix.interfaces import Say
from ganetix.objects import Node
from ganetix.rpc import wire
from ganetix.rpc.connect import NodeEndpoint
from ganetix.rpc.dialect import Dialect
from ganetix.rpc.faults import Silence, connect_error_of, fault_of, where
from ganetix.rpc.identity import node_dns_name
from ganetix.rpc.outgoing import FirstSign, OneShotBody
from ganetix.rpc.tls import NodeCreator

R = TypeVar("R")

SILENCE_SECONDS = 60.0


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class Exchange(Generic[R]):
    """Sends one request, on a kept connection or a new one, and reads the answer.

    ``cause`` is why the node could not be reached, ``epoch`` says which run of its
    daemon answered.
    """

    def __init__(
        self,
        reactor: IReactorTCP,
        pool: HTTPConnectionPool,
        node: Node,
        creator_for: Callable[[str], NodeCreator],
        gate: Gate,
        dialect: Dialect,
    ) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._pool = pool
        self._node = node
        self._creator_for = creator_for
        self._gate = gate
        self._dialect = dialect
        self._creator: NodeCreator | None = None
        self.cause: ConnectError | None = None
        self.epoch = ""

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """Called by Twisted, whether a new connection is needed or not."""
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Called by Twisted when no kept connection is at hand."""
        self._creator = self._creator_for(self._node.uuid)
        endpoint = NodeEndpoint(self._reactor, self._node, self._creator, self._gate)
        return endpoint.connect(protocolFactory)

    async def run(
        self,
        method: str,
        headers: Mapping[bytes, bytes],
        body: bytes,
        parser: wire.AnswerParser[R],
        say: Say | None,
    ) -> None:
        """Send the request and feed the answer to the parser.

        Fails with ``ConnectionBroke`` if the request may be sent again.
        """
        try:
            await self._run(method, headers, body, parser, say)
            if not parser.is_complete:
                raise RemoteFailure("the answer ends without a result")
        except RemoteFailure as error:
            raise RemoteFailure(
                f"{where(self._node)}: {error}", node=self._node.uuid
            ) from None
        except GanetixError:
            raise
        except Exception as error:
            self.cause = connect_error_of(error)
            problem = self._creator.problem if self._creator else ""
            fault = fault_of(error, self._node, problem)
            if fault is error:
                raise
            raise fault from error

    async def _run(
        self,
        method: str,
        headers: Mapping[bytes, bytes],
        body: bytes,
        parser: wire.AnswerParser[R],
        say: Say | None,
    ) -> None:
        agent = Agent.usingEndpointFactory(self._reactor, self, self._pool)
        # Never resolved: connections are made to the node's address.
        url = f"https://{node_dns_name(self._node.uuid)}{wire.PATH_PREFIX}{method}"
        sign = FirstSign(self._clock, len(body))
        requested: Deferred[IResponse] = agent.request(
            b"POST",
            url.encode("ascii"),
            Headers({name: [value] for name, value in headers.items()}),
            OneShotBody(body, sign.written),
        )
        response = await sign.of(requested)
        try:
            self._check(response)
        except GanetixError:
            response.deliverBody(_HangUp())
            raise
        reader = _AnswerReader(self._clock, parser, say)
        epochs = response.headers.getRawHeaders(wire.EPOCH_HEADER) or [b""]
        self.epoch = epochs[0].decode("ascii", "replace")
        response.deliverBody(reader)
        await reader.done

    def _check(self, response: IResponse) -> None:
        """Fails if this is not the beginning of an answer that we understand."""
        kinds = response.headers.getRawHeaders(b"Content-Type") or []
        if kinds != [wire.CONTENT_TYPE]:
            raise RemoteFailure(
                f"it does not speak ganetix's RPC (HTTP status {response.code})"
            )
        (spoken, *_) = response.headers.getRawHeaders(wire.VERSION_HEADER) or [b""]
        self._dialect.check_node(spoken, self._node)


class _HangUp(Protocol):
    """Closes a response's connection without reading it."""

    def connectionMade(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


class _AnswerReader(Protocol, Generic[R]):
    """Feeds the response's body to the parser; cancelling closes the connection."""

    def __init__(
        self, clock: IReactorTime, parser: wire.AnswerParser[R], say: Say | None
    ) -> None:
        self._clock = clock
        self._parser = parser
        self._say = say
        self._silence: IDelayedCall | None = None
        self._hung_up = False
        self.done: Deferred[None] = Deferred(lambda _: self.hang_up())

    def connectionMade(self) -> None:
        self._wait()

    def dataReceived(self, data: bytes) -> None:
        if self._hung_up:
            return
        self._wait()
        try:
            for text in self._parser.feed(data):
                if self._say is not None:
                    self._say(text)
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets it
            failure = Failure()
            self.hang_up()
            self.done.errback(failure)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        if self.done.called or self._hung_up:
            return
        if self._parser.is_complete or reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(None)
        else:
            self.done.errback(reason)

    def hang_up(self) -> None:
        """Close the connection: it cannot be used for another request."""
        self._hung_up = True
        self._stop_waiting()
        if self.transport is not None:
            self.transport.loseConnection()

    def _wait(self) -> None:
        self._stop_waiting()
        self._silence = self._clock.callLater(SILENCE_SECONDS, self._went_silent)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _went_silent(self) -> None:
        self._silence = None
        self.hang_up()
        self.done.errback(Silence())
