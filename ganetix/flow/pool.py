"""Many things at a time, but not all at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from ganetix.flow.settle import settle

T = TypeVar("T")


async def for_each(
    items: Iterable[T],
    work: Callable[[T], Coroutine[Deferred[Any], Any, None]],
    at_once: int,
) -> None:
    """Do ``work`` for each item, ``at_once`` at a time, in their order.

    Waits for all that was begun. The first failure keeps the rest from beginning, and
    is raised.
    """
    waiting = iter(items)
    has_failed = False

    async def go_on() -> None:
        nonlocal has_failed
        for item in waiting:
            if has_failed:
                return
            try:
                await work(item)
            except BaseException:
                has_failed = True
                raise

    await settle([Deferred.fromCoroutine(go_on()) for _ in range(at_once)])
