"""Letting the reactor breathe in long computations."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ganetix.flow.outbox import SLICE_SECONDS

T = TypeVar("T")


class Breath:
    """Says when a coroutine has kept the reactor long enough, and lets it go.

    ::

        breath = Breath(clock)
        for item in many:
            ...
            if breath.is_due:
                await breath.take()
    """

    def __init__(self, clock: IReactorTime, seconds: float = SLICE_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until = clock.seconds() + seconds

    @property
    def is_due(self) -> bool:
        """Whether this turn has lasted long enough."""
        return self._clock.seconds() >= self._until

    async def take(self) -> None:
        """Go on at the reactor's next turn."""
        await deferLater(self._clock, 0)
        self._until = self._clock.seconds() + self._seconds


async def paced(clock: IReactorTime, steps: Generator[None, None, T]) -> T:
    """What a computation in short steps answers, made in as many turns as it takes."""
    breath = Breath(clock)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            answer: T = stop.value
            return answer
        if breath.is_due:
            await breath.take()
