"""Blocking work in threads of its own, or at once where a test wants that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from ganetix.interfaces import Offload

T = TypeVar("T")


def thread_offload(reactor: IReactorFromThreads, pool: ThreadPool) -> Offload:
    """Work runs in this pool's threads; the caller starts and stops the pool.

    A pool of one thread does its work strictly in order.
    """

    def offload(work: Callable[[], T], /) -> Deferred[T]:
        return deferToThreadPool(reactor, pool, work)

    return offload


def inline_offload(work: Callable[[], T], /) -> Deferred[T]:
    """Work runs at once in the caller's thread: for tests."""
    return execute(work)
