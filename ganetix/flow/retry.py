"""Trying again, with growing pauses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

T = TypeVar("T")

_log = Logger()


def backoff(
    first_seconds: float, most_seconds: float, factor: float = 2.0
) -> Iterator[float]:
    """Pauses that grow up to a limit, without end."""
    pause = first_seconds
    while True:
        yield min(pause, most_seconds)
        pause = min(pause * factor, most_seconds)


async def retry(
    clock: IReactorTime,
    attempt: Callable[[], Awaitable[T]],
    errors: type[Exception] | tuple[type[Exception], ...],
    pauses: Iterable[float],
) -> T:
    """The result of the first attempt that succeeds.

    :param errors: what is worth another attempt; anything else is raised at once
    :param pauses: seconds before the second, third … attempt; the error of the
        attempt after the last pause is raised
    """
    for pause in pauses:
        try:
            return await attempt()
        except errors as error:
            _log.debug(
                "failed, tries again in {seconds} s: {error}",
                seconds=pause,
                error=error,
            )
        await deferLater(clock, pause)
    return await attempt()
