"""What a node remembers of requests, so that one that is repeated runs once.

A caller whose connection breaks sends its request again under the same id: it is
attached to the request that runs, or gets the answer that was given.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

MOST_REQUESTS = 2000
MOST_AGE_SECONDS = 900.0
MOST_BYTES = 64 * 1024 * 1024
MOST_LINE_BYTES = 4 * 1024 * 1024


class Listener(Protocol):
    """Somebody who waits for an answer."""

    def line(self, data: bytes) -> None:
        """A progress line."""

    def ended(self, data: bytes) -> None:
        """The last line; no more follow."""


class RunningRequest:
    """One request and its answer so far, whoever listens.

    Only the latest progress lines are kept for those who attach later.
    """

    def __init__(self, method: str, body_digest: bytes, started: float) -> None:
        self.method = method
        self.body_digest = body_digest
        self.started = started
        self.ended_at: float | None = None
        self.held_bytes = 0
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._end: bytes | None = None
        self._listeners: list[Listener] = []
        self._gone: list[Deferred[None]] = []

    @property
    def is_done(self) -> bool:
        """Whether the answer is complete."""
        return self._end is not None

    def attach(self, listener: Listener, seen: int = 0) -> None:
        """Give the answer's lines to a listener, from number ``seen`` on."""
        for line in list(self._lines)[max(0, seen - self._dropped) :]:
            listener.line(line)
        if self._end is not None:
            listener.ended(self._end)
        else:
            self._listeners.append(listener)

    def detach(self, listener: Listener) -> None:
        """The listener went away; does nothing if it was not attached."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            if not self._listeners:
                self._tell_gone()

    def say(self, line: bytes) -> None:
        """Add a progress line; what comes after the end is dropped."""
        if self._end is not None:
            return
        self._lines.append(line)
        self.held_bytes += len(line)
        while self.held_bytes > MOST_LINE_BYTES:
            self.held_bytes -= len(self._lines.popleft())
            self._dropped += 1
        for listener in tuple(self._listeners):
            listener.line(line)

    def end(self, line: bytes, now: float) -> None:
        """Complete the answer."""
        self._end = line
        self.held_bytes += len(line)
        self.ended_at = now
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.ended(line)

    def caller_gone(self) -> Deferred[None]:
        """Fires when nobody listens any more before the answer is complete."""
        waiting: Deferred[None] = Deferred(self._no_longer_waiting)
        self._gone.append(waiting)
        return waiting

    def _no_longer_waiting(self, waiting: Deferred[None]) -> None:
        self._gone = [each for each in self._gone if each is not waiting]

    def _tell_gone(self) -> None:
        waiting, self._gone = self._gone, []
        for each in waiting:
            each.callback(None)


class RequestMemory:
    """Requests by caller and id: all that run, and finished ones for a while.

    Finished ones are forgotten by age, and the oldest first when there are too many or
    they take too much memory.
    """

    def __init__(
        self,
        clock: IReactorTime,
        most_requests: int = MOST_REQUESTS,
        most_age_seconds: float = MOST_AGE_SECONDS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._clock = clock
        self._most_requests = most_requests
        self._most_age_seconds = most_age_seconds
        self._most_bytes = most_bytes
        self._running: dict[tuple[str, str], RunningRequest] = {}
        self._finished: dict[tuple[str, str], RunningRequest] = {}
        self._finished_bytes = 0
        self._idle: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._running) + len(self._finished)

    @property
    def running(self) -> tuple[RunningRequest, ...]:
        """The requests that are being handled."""
        return tuple(self._running.values())

    def find(self, caller: str, request_id: str) -> RunningRequest | None:
        """The request of that caller and id, if it is remembered."""
        self._forget()
        key = (caller, request_id)
        return self._running.get(key) or self._finished.get(key)

    def start(
        self, caller: str, request_id: str, method: str, body_digest: bytes
    ) -> RunningRequest:
        """Remember a new request."""
        request = RunningRequest(method, body_digest, self._clock.seconds())
        self._running[caller, request_id] = request
        return request

    def end(self, caller: str, request_id: str, line: bytes, keep: bool) -> None:
        """Complete the answer to a running request; ``keep`` it for repeats."""
        key = (caller, request_id)
        request = self._running.pop(key)
        request.end(line, self._clock.seconds())
        if keep:
            self._finished[key] = request
            self._finished_bytes += request.held_bytes
            self._forget()
        if not self._running:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)

    def idle(self) -> Deferred[None]:
        """Fires as soon as no request is being handled."""
        waiting: Deferred[None] = Deferred(self._idle.remove)
        if self._running:
            self._idle.append(waiting)
        else:
            waiting.callback(None)
        return waiting

    def _forget(self) -> None:
        oldest_kept = self._clock.seconds() - self._most_age_seconds
        while self._finished:
            key, request = next(iter(self._finished.items()))
            if (
                len(self._finished) <= self._most_requests
                and self._finished_bytes <= self._most_bytes
                and (request.ended_at or 0.0) >= oldest_kept
            ):
                break
            del self._finished[key]
            self._finished_bytes -= request.held_bytes
