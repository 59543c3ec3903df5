"""Work that goes on although nobody waits for it any more."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.flow.event import Event

T = TypeVar("T")

_log = Logger()


def shielded(d: Deferred[T]) -> Deferred[T]:
    """A view of ``d``: cancelling the view leaves ``d`` running.

    If ``d`` fails after that, the failure is logged.
    """
    view: Deferred[T] = Deferred()

    def arrived(result: T) -> None:
        if not view.called:
            view.callback(result)

    def failed(failure: Failure) -> None:
        if view.called:
            _log.failure("work failed after its caller had gone", failure)
        else:
            view.errback(failure)

    _ = d.addCallbacks(arrived, failed)
    return view


async def persistently(d: Deferred[T]) -> T:
    """What comes of ``d``, even if whoever waits for it is cancelled meanwhile."""
    over = Event()
    outcome: list[T | Failure] = []

    def ended(result: T | Failure) -> None:
        outcome.append(result)
        over.set()

    _ = d.addBoth(ended)
    while not over.is_set:
        with suppress(CancelledError):
            await over.wait()
    (result,) = outcome
    if isinstance(result, Failure):
        result.raiseException()
    return result
