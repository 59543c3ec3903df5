"""One HTTP response to a call: at once if the answer is, else streamed."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.server import Request
from zope.interface import implementer

from ganetix.errors import GanetixError
from ganetix.rpc import wire
from ganetix.rpc.dialect import Dialect
from ganetix.rpc.requests import RunningRequest

MOST_BACKLOG_BYTES = 8 * 1024 * 1024


@implementer(IPushProducer)
class Reply:
    """Writes an answer's lines as they come, and shows that the node is alive.

    A caller that does not read what is sent loses its connection; it may repeat the
    request to hear the rest.
    """

    def __init__(
        self, request: Request, clock: IReactorTime, epoch: str, dialect: Dialect
    ) -> None:
        self._request = request
        self._clock = clock
        self._source: RunningRequest | None = None
        self._is_open = True
        self._is_streaming = False
        self._is_paused = False
        self._backlog = 0
        self._keep_alive: IDelayedCall | None = None
        request.setHeader(b"Content-Type", wire.CONTENT_TYPE)
        request.setHeader(wire.VERSION_HEADER, dialect.header)
        request.setHeader(wire.EPOCH_HEADER, epoch.encode())
        _ = request.notifyFinish().addBoth(self._closed)

    def listen_to(self, source: RunningRequest, seen: int) -> None:
        """Send this request's answer, without the first ``seen`` progress lines."""
        self._source = source
        self._wait(wire.FIRST_SIGN_SECONDS)
        source.attach(self, seen)

    def refuse(self, status: int, error: GanetixError) -> None:
        """Answer with an error only."""
        self._request.setResponseCode(status)
        self.ended(wire.error_line(error))

    def line(self, data: bytes) -> None:
        """A progress line of the answer."""
        if not self._is_open:
            return
        self._write(data)
        if self._is_open:
            self._wait(wire.KEEP_ALIVE_SECONDS)

    def ended(self, data: bytes) -> None:
        """The last line of the answer."""
        if not self._is_open:
            return
        self._is_open = False
        self._cancel_keep_alive()
        if self._is_streaming:
            self._request.unregisterProducer()
        else:
            self._request.setHeader(b"Content-Length", b"%d" % len(data))
        self._request.write(data)
        self._request.finish()

    def pauseProducing(self) -> None:
        """Called by the transport: it has more than it can send."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """Called by the transport: all is sent."""
        self._is_paused = False
        self._backlog = 0

    def stopProducing(self) -> None:
        """Called by the transport: nobody reads any more."""

    def _write(self, data: bytes) -> None:
        if not self._is_streaming:
            self._is_streaming = True
            self._request.registerProducer(self, True)
        self._request.write(data)
        if self._is_paused:
            self._backlog += len(data)
            if self._backlog > MOST_BACKLOG_BYTES:
                # Not a graceful end: that would wait until all is read.
                self._is_open = False
                channel: Any = self._request.channel
                channel.transport.abortConnection()

    def _wait(self, seconds: float) -> None:
        self._cancel_keep_alive()
        self._keep_alive = self._clock.callLater(seconds, self._show_life)

    def _show_life(self) -> None:
        self._keep_alive = None
        if self._is_open:
            self.line(b"\n")

    def _cancel_keep_alive(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None

    def _closed(self, _: object) -> None:
        self._is_open = False
        self._cancel_keep_alive()
        if self._source is not None:
            self._source.detach(self)
