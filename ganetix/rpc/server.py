"""The node's end of RPC: ``POST /rpc/METHOD`` over mutual TLS."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from ganetix.errors import (
    AuthenticationFailed,
    BadParameter,
    Bug,
    Cancelled,
    GanetixError,
    NotFound,
    StaleEpoch,
    Unavailable,
    VersionMismatch,
)
from ganetix.objects import new_uuid
from ganetix.objects.replica import Claim
from ganetix.rpc import wire
from ganetix.rpc.admission import Allegiance, Candidates, admit
from ganetix.rpc.dialect import Dialect
from ganetix.rpc.identity import PeerIdentity
from ganetix.rpc.methods import METHODS, Method
from ganetix.rpc.reply import Reply
from ganetix.rpc.request import RpcRequest, peer_of
from ganetix.rpc.requests import RequestMemory, RunningRequest

_AnyMethod = Method[object, object]

IDLE_SECONDS = 90.0

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
_COUNT = re.compile(r"[0-9]{1,18}")


_LOGGED = (AuthenticationFailed, StaleEpoch, VersionMismatch)

_log = Logger()


class Call:
    """One call as its handler sees it."""

    def __init__(
        self, peer: PeerIdentity, request_id: str, method: str, request: RunningRequest
    ) -> None:
        self.peer = peer
        self.request_id = request_id
        self.method = method
        self._request = request

    def say(self, line: str) -> None:
        """Send a progress line to the caller."""
        for each in wire.say_lines(line):
            self._request.say(each)

    def caller_gone(self) -> Deferred[None]:
        """Fires if the caller goes away before the answer. Cancel it when done.

        Read-only methods are cancelled then anyway; others run on.
        """
        return self._request.caller_gone()


Handler = Callable[[Any, Call], Deferred[Any]]
"""Takes the method's request value, answers with its result value."""


class RpcResource(Resource):
    """Dispatches calls to handlers by method name.

    :param handlers: what this node does, by method name
    :param candidates: asked anew for every call
    :param allegiance: whom this node obeys, of those who say that they are master
    :param dialect: what this node speaks; that of this version if it is not given
    """

    isLeaf = True

    def __init__(
        self,
        clock: IReactorTime,
        handlers: Mapping[str, Handler],
        candidates: Candidates,
        memory: RequestMemory | None = None,
        allegiance: Allegiance | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        Resource.__init__(self)
        self._allegiance = allegiance or Allegiance()
        self.dialect = dialect or Dialect()
        self._clock = clock
        self._handlers = handlers
        self._candidates = candidates
        self._memory = memory or RequestMemory(clock)
        self._epoch = new_uuid()
        self._is_stopping = False

    def stop(self) -> Deferred[None]:
        """Refuse new calls; fires when those that run are done."""
        self._is_stopping = True
        return self._memory.idle()

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the methods that are being handled."""
        return tuple(request.method for request in self._memory.running)

    def is_candidate(self, peer: PeerIdentity | None) -> bool:
        """Whether this is a master candidate, by its certificate."""
        return (
            peer is not None
            and peer.role == "node"
            and peer.fingerprint in self._candidates().get(peer.uuid, ())
        )

    def render(self, request: Request) -> int:
        """Called by Twisted with a request that is complete."""
        reply = Reply(request, self._clock, self._epoch, self.dialect)
        try:
            self._dispatch(request, reply)
        except GanetixError as error:
            if isinstance(error, _LOGGED):
                _log.warn(
                    "call of {rpc} from {address} refused: {reason}",
                    rpc=_method_name(request),
                    address=request.getClientAddress(),
                    reason=error.message,
                )
            reply.refuse(_status(error), error)
        return NOT_DONE_YET

    def _dispatch(self, request: Request, reply: Reply) -> None:
        name = _method_name(request)
        peer = self._admitted(request, name)
        if request.method != b"POST" or not name:
            raise BadParameter(f"only POST {wire.PATH_PREFIX}METHOD is served")
        method, handler = METHODS.get(name), self._handlers.get(name)
        if method is None or handler is None:
            raise NotFound(f"this node has no RPC method {name!r}")
        request_id = _header(request, wire.REQUEST_ID_HEADER)
        if not _REQUEST_ID.fullmatch(request_id):
            raise BadParameter("the request id is missing or malformed")
        body = request.content.read() if request.content else b""
        digest = hashlib.sha256(body).digest()
        known = self._memory.find(peer.uuid, request_id)
        if known is not None and (known.method, known.body_digest) != (name, digest):
            raise BadParameter("the request id was used for another request")
        if known is None:
            value = self._value(request, method, body)
            known = self._memory.start(peer.uuid, request_id, name, digest)
            reply.listen_to(known, 0)
            self._start(method, handler, value, Call(peer, request_id, name, known))
        else:
            seen = _header(request, wire.SEEN_HEADER)
            reply.listen_to(known, int(seen) if _COUNT.fullmatch(seen) else 0)

    def _admitted(self, request: Request, name: str) -> PeerIdentity:
        """Who calls, if it is to be obeyed."""
        peer = peer_of(request)
        epoch = _header(request, wire.MASTER_EPOCH_HEADER)
        claim = None
        if peer is not None and peer.role == "node" and _COUNT.fullmatch(epoch):
            claim = Claim(number=int(epoch), master=peer.uuid)
        try:
            admitted = admit(peer, name, self._candidates())
        except AuthenticationFailed:
            if claim is not None:
                # Whoever was master may be no candidate now, and should hear why.
                self._allegiance.check(claim)
            raise
        self.dialect.check_caller(request.getHeader(wire.VERSION_HEADER))
        if claim is not None:
            self._allegiance.obey(claim)
        elif epoch:
            raise BadParameter(f"the master's epoch is {epoch!r}, not a number")
        return admitted

    def _value(self, request: Request, method: _AnyMethod, body: bytes) -> object:
        expected = _header(request, wire.EPOCH_HEADER)
        if expected and expected != self._epoch:
            raise Unavailable(
                f"the node daemon was restarted during {method.name}: it is not known"
                " how far that came"
            )
        if self._is_stopping:
            raise Unavailable("the node daemon is stopping")
        return wire.decode_request(method, body)

    def _start(
        self,
        method: Method[object, object],
        handler: Handler,
        value: object,
        call: Call,
    ) -> None:
        # This is the run's owner: the memory keeps it until its answer is complete.
        run = Deferred.fromCoroutine(self._run(method, handler, value, call))
        gone = call.caller_gone()
        if method.idempotent:
            _ = gone.addCallback(lambda _: run.cancel())
        _ = gone.addErrback(lambda _: None)
        _ = run.addBoth(lambda _: gone.cancel())

    async def _run(
        self, method: _AnyMethod, handler: Handler, value: object, call: Call
    ) -> None:
        line = await final_line(handler, value, call)
        keep = not method.idempotent
        self._memory.end(call.peer.uuid, call.request_id, line, keep)


async def final_line(handler: Handler, value: object, call: Call) -> bytes:
    """Run a handler; the line that ends the answer, whatever happens in it."""
    try:
        return wire.result_line(await handler(value, call))
    except CancelledError:
        return wire.error_line(Cancelled(f"{call.method} was cancelled"))
    except Exception as error:  # noqa: BLE001 - the caller must get an answer
        if isinstance(error, GanetixError) and not isinstance(error, Bug):
            return wire.error_line(error)
        bug_id = new_uuid()[:8]
        _log.failure(
            "internal error {id} in {rpc}", Failure(error), id=bug_id, rpc=call.method
        )
        shown = f"internal error {bug_id} in {call.method}: see the node's log"
        return wire.error_line(Bug(shown))


class RpcSite(Site):
    """HTTP for ``RpcResource``: bounded, without an access log."""

    noisy = False

    def __init__(self, clock: IReactorTime, rpc: RpcResource) -> None:
        Site.__init__(
            self,
            rpc,
            RpcRequest,
            timeout=IDLE_SECONDS,
            reactor=clock,
            parsePOSTFormSubmission=False,
        )
        self.rpc = rpc

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802
        """HTTP/1.1 only."""
        return [b"http/1.1"]

    def log(self, request: object) -> None:
        """Called by Twisted per request; the calls log what matters."""


def _method_name(request: Request) -> str:
    path: str = request.path.decode("ascii", "replace")
    return path.removeprefix(wire.PATH_PREFIX) if path.startswith("/rpc/") else ""


def _header(request: Request, name: bytes) -> str:
    value = request.getHeader(name)
    return value.decode("ascii", "replace") if value else ""


def _status(error: GanetixError) -> int:
    match error:
        case AuthenticationFailed():
            return 403
        case NotFound():
            return 404
        case StaleEpoch():
            return 409
        case Unavailable():
            return 503
        case _:
            return 400
