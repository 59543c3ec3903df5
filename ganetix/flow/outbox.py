"""Handing results to waiters later, from a flat loop."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

T = TypeVar("T")

SLICE_SECONDS = 0.005
"""How long waiters' code may run before the reactor has its turn."""


class Outbox:
    """Fires Deferreds in order at the reactor's next turn.

    So whoever hands out a result never runs the code that waits for it, and a
    crowd of waiters neither recurses nor keeps the reactor from other work. Deferreds
    that were cancelled in the meantime are passed over.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._letters: deque[tuple[Deferred[Any], object]] = deque()
        self._call: IDelayedCall | None = None

    def give(self, waiter: Deferred[T], result: T) -> None:
        """Fire the waiter with a result."""
        self._post(waiter, result)

    def fail(self, waiter: Deferred[Any], error: Exception) -> None:
        """Fail the waiter with an error."""
        self._post(waiter, _Bad(error))

    def _post(self, waiter: Deferred[Any], letter: object) -> None:
        self._letters.append((waiter, letter))
        if self._call is None:
            self._call = self._clock.callLater(0, self._deliver)

    def _deliver(self) -> None:
        self._call = None
        letters = self._letters
        until = self._clock.seconds() + SLICE_SECONDS
        while letters:
            waiter, letter = letters.popleft()
            if waiter.called:
                continue
            if type(letter) is _Bad:
                waiter.errback(letter.error)
            else:
                waiter.callback(letter)
            if self._clock.seconds() >= until:
                break
        if letters and self._call is None:
            self._call = self._clock.callLater(0, self._deliver)


class _Bad:
    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error
