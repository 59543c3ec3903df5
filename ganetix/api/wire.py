"""How values and errors travel over AMP; both ends of a connection build on it.

No exception of a responder ever ends a connection: each becomes an ``ApiFault``.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, ClassVar, TypeVar, cast

import msgspec
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from ganetix.api.chunks import CHUNK, MAX_TOTAL, put_chunks, take_chunks
from ganetix.errors import (
    BadParameter,
    Bug,
    Cancelled,
    GanetixError,
    RemoteFailure,
    WireError,
)
from ganetix.objects import new_uuid

FAULT = b"FAULT"
MAX_OUTSTANDING = 64
_MAX_MESSAGE = 40_000
_MAX_BOX = MAX_TOTAL + 4 * CHUNK

T = TypeVar("T")


class ApiFault(Exception):
    """An error on its way over AMP; the text is a ``WireError`` in JSON."""

    def error(self) -> GanetixError:
        """The error that the peer raised."""
        try:
            wire = msgspec.json.decode(str(self), type=WireError)
        except msgspec.DecodeError:
            return RemoteFailure(f"an error that cannot be read: {str(self)[:200]!r}")
        return GanetixError.from_wire(wire)


class Json(amp.Argument):
    """A value of a msgspec type, as JSON of up to 16 MiB."""

    def __init__(self, kind: object, optional: bool = False) -> None:
        super().__init__(optional)  # type: ignore[no-untyped-call]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)

    def fromBox(  # noqa: N802
        self,
        name: bytes,
        strings: dict[bytes, bytes],
        objects: dict[str, object],
        proto: object,
    ) -> None:
        """Decode the argument; a ``BadParameter`` names the path and the reason."""
        try:
            objects[name.decode()] = self._decoder.decode(take_chunks(strings, name))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadParameter(f"{name.decode()}: {error}") from error
        except RecursionError as error:
            raise BadParameter(f"{name.decode()}: nested too deeply") from error

    def toBox(  # noqa: N802
        self,
        name: bytes,
        strings: dict[bytes, bytes],
        objects: dict[str, object],
        proto: object,
    ) -> None:
        """Encode the argument."""
        put_chunks(strings, name, msgspec.json.encode(objects[name.decode()]))


class ApiCommand(amp.Command):
    """Base of all our commands: their errors are listed, so none is fatal."""

    errors: ClassVar[dict[type[Exception], bytes]] = {ApiFault: FAULT}


def wire_error(failure: Failure, log: Logger) -> WireError:
    """What a failed request tells the peer; a bug is logged and shown as an id."""
    error = failure.value
    if isinstance(error, amp.BadLocalReturn):
        failure = error.enclosed
        error = failure.value
    if isinstance(error, ApiFault):
        error = error.error()
    if isinstance(error, CancelledError):
        error = Cancelled("the request was cancelled: the master is stopping")
    if isinstance(error, GanetixError) and not isinstance(error, Bug):
        return error.to_wire()
    bug_id = new_uuid()[:8]
    log.failure("internal error {bug}", failure=failure, bug=bug_id)
    return Bug(
        f"internal error {bug_id}: the master's log has the details", id=bug_id
    ).to_wire()


def _description(wire: WireError) -> str:
    """The error as JSON that fits into one AMP value."""
    text = msgspec.json.encode(wire)
    if len(text) > CHUNK:
        short = wire.message.encode()[: _MAX_MESSAGE // 6].decode(errors="ignore")
        cut = WireError(code=wire.code, message=f"{short} … (cut)")
        text = msgspec.json.encode(cut)
    return text.decode()


@implementer(IPushProducer)
class _Pauses:
    """Told by a transport whether its peer reads what is sent."""

    def __init__(self, clog: Callable[[bool], None]) -> None:
        self._clog = clog

    def pauseProducing(self) -> None:
        """Called by Twisted: the peer does not read."""
        self._clog(True)

    def resumeProducing(self) -> None:
        """Called by Twisted: the peer has read all."""
        self._clog(False)

    def stopProducing(self) -> None:
        """Called by Twisted: the connection is gone."""


class SafeAmp(amp.AMP):
    """AMP whose responders may raise anything and may be asked without end.

    At most ``MAX_OUTSTANDING`` requests of the peer are under way before reading
    pauses; a box beyond 16 MiB ends the connection. With ``waits_for_reader`` reading
    pauses also while the peer does not read; of two ends one at most may have that.
    """

    _log = Logger()
    waits_for_reader: ClassVar[bool] = False
    _outstanding = 0
    _is_clogged = False
    _box_bytes = 0
    is_open = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def ask(self, command: type[ApiCommand], **values: object) -> Deferred[Any]:
        """The ``result`` that the peer answers; fails as ``callRemote`` does."""
        answer: Deferred[dict[str, Any]]
        answer = self.callRemote(command, **values)  # type: ignore[no-untyped-call]
        return answer.addCallback(itemgetter("result"))

    def tell(self, command: type[ApiCommand], **values: object) -> None:
        """Send a command that has no answer; nothing if the connection is gone."""
        self.callRemote(command, **values)  # type: ignore[no-untyped-call]

    def hang_up(self, at_once: bool = False) -> None:
        """Close the connection, after what was sent already or without it."""
        if self.is_open and at_once:
            self._transport().abortConnection()
        elif self.is_open:
            if self.waits_for_reader:
                self._transport().unregisterProducer()
            self._transport().loseConnection()

    def opened(self) -> None:
        """Called when the connection is there."""

    def closed(self) -> None:
        """Called when the connection is gone and all that was asked has failed."""

    def connectionMade(self) -> None:
        """The connection is there."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.is_open = True
        if self.waits_for_reader:
            self._transport().registerProducer(_Pauses(self._clog), streaming=True)
        self.opened()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self.is_open = False
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self.closed()

    def locateResponder(  # noqa: N802
        self, name: bytes
    ) -> Callable[[amp.AmpBox], Deferred[amp.AmpBox]] | None:
        """The responder of a command, with every failure turned into a fault."""
        inner: Callable[[amp.AmpBox], Deferred[amp.AmpBox]] | None
        inner = super().locateResponder(name)  # type: ignore[no-untyped-call]
        if inner is None:
            return None

        def respond(box: amp.AmpBox) -> Deferred[amp.AmpBox]:
            self._begin()
            answer: Deferred[amp.AmpBox] = maybeDeferred(inner, box)
            return answer.addErrback(self._fault).addBoth(self._end)

        return respond

    def ampBoxReceived(self, box: amp.AmpBox) -> None:  # noqa: N802
        """Take a message; one that answers nothing and asks nothing ends it all."""
        try:
            super().ampBoxReceived(box)  # type: ignore[no-untyped-call]
        except (KeyError, amp.NoEmptyBoxes):
            self._log.warn("a message that makes no sense: hanging up")
            self.hang_up(at_once=True)

    def stringReceived(self, string: bytes) -> None:  # noqa: N802
        """Take a key or value of a box; bound what a box may hold."""
        self._box_bytes += len(string)
        if self._box_bytes > _MAX_BOX:
            self._log.warn("a message over {limit} bytes: hanging up", limit=_MAX_BOX)
            self.hang_up(at_once=True)
            return
        if not string and self.state != "value":
            self._box_bytes = 0
        super().stringReceived(string)  # type: ignore[no-untyped-call]

    def _transport(self) -> Connection:
        return cast(Connection, self.transport)

    def _begin(self) -> None:
        self._outstanding += 1
        self._pause_or_resume()

    def _end(self, result: T) -> T:
        self._outstanding -= 1
        self._pause_or_resume()
        return result

    def _clog(self, is_clogged: bool) -> None:
        self._is_clogged = is_clogged
        self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        if not self.is_open:
            return
        if self._is_clogged or self._outstanding >= MAX_OUTSTANDING:
            self._transport().pauseProducing()
        else:
            self._transport().resumeProducing()

    def _fault(self, failure: Failure) -> Failure:
        if failure.check(amp.RemoteAmpError):
            return failure
        description = _description(wire_error(failure, self._log))
        return Failure(amp.RemoteAmpError(FAULT, description, fatal=False))
