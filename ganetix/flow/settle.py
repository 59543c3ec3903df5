"""Waiting for several Deferreds without leaving any behind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

T = TypeVar("T")

_log = Logger()


def settle(ds: Iterable[Deferred[T]]) -> Deferred[list[T]]:
    """All results in order, once the last has fired; else the first error in order.

    Further errors are logged. Cancelling cancels all, and still waits for them.
    """
    return Deferred.fromCoroutine(_settled(list(ds)))


async def _settled(ds: list[Deferred[T]]) -> list[T]:
    results: list[T] = []
    first: BaseException | None = None
    # A failed one's "result" is its Failure, whatever the annotation says.
    outcomes: list[tuple[bool, Any]] = await DeferredList(ds, consumeErrors=True)
    for succeeded, result in outcomes:
        if succeeded:
            results.append(result)
        elif first is None:
            first = result.value
        else:
            _log.warn("this failed, too: {error}", error=result.value)
    if first is not None:
        raise first
    return results
