"""A request on its way, and how long it may stay without a sign of life.

The kernel of a host takes data for a daemon that is stopped or hangs. So that nothing
comes over a connection is all there is to tell such a daemon by. One that is alive
shows it within ``wire.FIRST_SIGN_SECONDS`` of a request, whatever that takes to do.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from ganetix.rpc.faults import NoSignOfLife

SIGN_SECONDS = 5.0
"""From when a request is written; the same as for a new connection.

A daemon whose reactor is held up for so long, less ``wire.FIRST_SIGN_SECONDS``, is
taken for dead, as it is when it has to take a new connection. One that is merely busy
handles what comes in turn, and is late by the sum of short steps.
"""
SLOWEST_BYTES_PER_SECOND = 256 * 1024
"""A long request has more time, by how long it takes on a slow line."""
LOOK_AGAIN_SECONDS = 0.5
"""If this process was held up itself, what came meanwhile is read in that time."""


@implementer(IBodyProducer)
class OneShotBody:
    """A request body that is at hand as a whole; ``written`` is called with it."""

    def __init__(self, data: bytes, written: Callable[[], None]) -> None:
        self._data = data
        self._written = written
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Called by Twisted: write it."""
        consumer.write(self._data)
        self._written()
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """Called by Twisted; all is written by then."""

    def resumeProducing(self) -> None:
        """Called by Twisted; all is written by then."""

    def stopProducing(self) -> None:
        """Called by Twisted; all is written by then."""


class FirstSign:
    """Waits for the first sign that a request was received."""

    def __init__(self, clock: IReactorTime, request_bytes: int) -> None:
        self._clock = clock
        self._seconds = SIGN_SECONDS + request_bytes / SLOWEST_BYTES_PER_SECOND
        self._timer: IDelayedCall | None = None
        self._requested: Deferred[IResponse] | None = None
        self._is_missing = False

    def written(self) -> None:
        """The request has gone to the connection: time runs."""
        self._timer = self._clock.callLater(
            self._seconds - LOOK_AGAIN_SECONDS, self._look_again
        )

    async def of(self, requested: Deferred[IResponse]) -> IResponse:
        """The response, once it begins; fails with ``NoSignOfLife``."""
        self._requested = requested
        try:
            return await requested
        except Exception as error:
            if self._is_missing:
                raise NoSignOfLife from error
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _look_again(self) -> None:
        self._timer = self._clock.callLater(LOOK_AGAIN_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        self._is_missing = True
        if self._requested is not None:
            self._requested.cancel()
