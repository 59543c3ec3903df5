"""What hypervisors have in common: guests' names, one operation at a time, tasks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger

from ganetix.errors import BadParameter
from ganetix.objects import GuestInfo

Listener = Callable[[GuestInfo], None]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Whether this is a UUID in canonical form."""
    return _UUID.fullmatch(text) is not None


def checked_uuid(text: str) -> str:
    """The guest's UUID given; ``BadParameter`` if it is none. Safe as a file name."""
    if not is_uuid(text):
        raise BadParameter(f"guest UUID {text!r} is not a UUID in lower case")
    return text


def host_boot_id() -> str:
    """A name that changes with each boot of this host."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class KeyedLocks:
    """A lock for each key, first come, first served.

    A guest has few operations under way at once, so ``DeferredLock``, which breaks
    under a hundred waiters, does.
    """

    def __init__(self) -> None:
        self._locks: dict[str, DeferredLock] = {}

    def is_held(self, key: str) -> bool:
        """Whether somebody holds this key's lock."""
        lock = self._locks.get(key)
        return lock is not None and bool(lock.locked)

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold a key's lock for the time of a block."""
        lock = self._locks.setdefault(key, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked and self._locks.get(key) is lock:
                del self._locks[key]


class Followers:
    """Coroutines that nobody awaits: their failures are logged."""

    _log = Logger()

    def __init__(self) -> None:
        self._running: set[Deferred[None]] = set()

    def spawn(self, what: str, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Start a coroutine."""
        task = Deferred.fromCoroutine(self._logged(what, work))
        if not task.called:
            self._running.add(task)
            _ = task.addBoth(lambda _: self._running.discard(task))

    async def _logged(
        self, what: str, work: Coroutine[Deferred[Any], Any, None]
    ) -> None:
        try:
            await work
        except CancelledError:
            self._log.debug("{what} was cancelled", what=what)
        except Exception:  # noqa: BLE001 - nobody else would hear of it
            self._log.failure("{what} failed", what=what)

    def stop(self) -> None:
        """Cancel what is under way."""
        for task in tuple(self._running):
            task.cancel()
