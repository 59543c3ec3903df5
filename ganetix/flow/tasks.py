"""Owners for coroutines that run by themselves."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.flow.event import Event


class TaskSet:
    """Coroutines that were started and belong to one owner, who stops them.

    A coroutine that fails is logged with its name; one that is cancelled is not.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._running: dict[Deferred[None], str] = {}
        self._is_stopped = False
        self._idle = Event()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, name: str, coro: Coroutine[Deferred[Any], Any, object]) -> None:
        """Start a coroutine; after ``stop`` it is closed without having run."""
        if self._is_stopped:
            coro.close()
            return
        running = Deferred.fromCoroutine(self._watched(name, coro))
        if running.called:
            return
        self._running[running] = name
        _ = running.addCallback(lambda _: self._ended(running))

    async def stop(self) -> None:
        """Cancel all, and wait until the last has ended."""
        self._is_stopped = True
        for running in list(self._running):
            running.cancel()
        if self._running:
            await self._idle.wait()

    async def _watched(
        self, name: str, coro: Coroutine[Deferred[Any], Any, object]
    ) -> None:
        try:
            await coro
        except CancelledError:
            return
        except Exception:  # noqa: BLE001 - the owner of last resort
            self._log.failure("task {task} failed", Failure(), task=name)

    def _ended(self, running: Deferred[None]) -> None:
        del self._running[running]
        if self._is_stopped and not self._running:
            self._idle.set()
