"""A flag that many can wait for."""

from __future__ import annotations

from twisted.internet.defer import Deferred


class Event:
    """A flag; each waiter gets a Deferred of its own.

    ``set`` fires the waiters in the order in which they came.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: dict[Deferred[None], None] = {}

    @property
    def is_set(self) -> bool:
        """Whether a new waiter would not have to wait."""
        return self._is_set

    def set(self) -> None:
        """Let all waiters go, and later ones at once."""
        self._is_set = True
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting:
            if not waiter.called:
                waiter.callback(None)

    def clear(self) -> None:
        """Make later waiters wait again."""
        self._is_set = False

    def wait(self) -> Deferred[None]:
        """Fires when the flag is set; may be cancelled."""
        waiter: Deferred[None] = Deferred(self._forget)
        if self._is_set:
            waiter.callback(None)
        else:
            self._waiting[waiter] = None
        return waiter

    def _forget(self, waiter: Deferred[None]) -> None:
        self._waiting.pop(waiter, None)
