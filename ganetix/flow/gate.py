"""Letting so many through at once, without a slow one keeping others waiting."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Gate:
    """Bounds how many begin at once; those that are slow do not count for long.

    It evens out a burst. So it does not bound how many are under way: of a hundred
    that hang, each makes room after ``slow_seconds``.
    """

    def __init__(self, clock: IReactorTime, at_once: int, slow_seconds: float) -> None:
        self._clock = clock
        self._at_once = at_once
        self._slow_seconds = slow_seconds
        self._inside = 0
        self._waiting: dict[Deferred[Pass], None] = {}
        self._is_granting = False

    def enter(self) -> Deferred[Pass]:
        """Fires in turn with a pass, to be handed back; may be cancelled."""
        waiter: Deferred[Pass] = Deferred(self._forget)
        self._waiting[waiter] = None
        self._grant()
        return waiter

    def make_room(self) -> None:
        """One is through, or takes long."""
        self._inside -= 1
        self._grant()

    def _forget(self, waiter: Deferred[Pass]) -> None:
        self._waiting.pop(waiter, None)

    def _grant(self) -> None:
        if self._is_granting:
            # One that is through at once must not pile up a stack with the others.
            return
        self._is_granting = True
        while self._waiting and self._inside < self._at_once:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            self._inside += 1
            waiter.callback(Pass(self, self._clock, self._slow_seconds))
        self._is_granting = False


class Pass:
    """Leave to go through a gate."""

    def __init__(self, gate: Gate, clock: IReactorTime, slow_seconds: float) -> None:
        self._gate = gate
        self._slow: IDelayedCall = clock.callLater(slow_seconds, gate.make_room)

    def hand_back(self) -> None:
        """What it was for is done; more than once does no harm."""
        if self._slow.active():
            self._slow.cancel()
            self._gate.make_room()
