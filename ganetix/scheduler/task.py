"""Tasks, as whoever adds them and as their own work sees them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """What a task's work returns to be run again: it goes to the end of the queue.

    :param priority: its new priority; None leaves the one that it has
    :param delay_seconds: how long it stays out of the queue before
    """

    priority: int | None = None
    delay_seconds: float = 0.0


Work = Callable[["Task"], Coroutine[Deferred[Any], Any, Again | None]]
"""Makes the coroutine that does a task's work, once for every time it has a slot."""

TaskState = Literal["pending", "delayed", "running", "ended"]


class Queue(Protocol):
    """What a task asks of its scheduler."""

    def cancel(self, task: Task) -> None:
        """See ``Task.cancel``."""

    def change_priority(self, task: Task, priority: int) -> None:
        """See ``Task.change_priority``."""

    def leave_slot(self, task: Task) -> None:
        """See ``Task.leave_slot``."""

    def position(self, task: Task) -> int | None:
        """See ``Task.position``."""


class Task:
    """Work that waits for a slot, has one, or is over.

    ``serial`` is its place among the tasks of its priority. The fields are the
    scheduler's to change.
    """

    __slots__ = (
        "_queue",
        "call",
        "is_cancelled",
        "name",
        "priority",
        "run",
        "serial",
        "since",
        "state",
        "work",
    )

    def __init__(
        self, queue: Queue, name: str, work: Work, priority: int, since: float
    ) -> None:
        self._queue = queue
        self.name = name
        self.work = work
        self.priority = priority
        self.since = since
        self.serial = 0
        self.state: TaskState = "pending"
        self.is_cancelled = False
        self.call: IDelayedCall | None = None
        self.run: Deferred[Again | None] | None = None

    def cancel(self) -> None:
        """Leave the queue, or have the running coroutine cancelled."""
        self._queue.cancel(self)

    def change_priority(self, priority: int) -> None:
        """Wait with another priority, behind those who have it already.

        A running task has the new priority when it is run again.
        """
        self._queue.change_priority(self, priority)

    def leave_slot(self) -> None:
        """Go on without a slot: what is left is but to wait for a record of the end.

        The scheduler does not count the task any more, but still waits for it.
        """
        self._queue.leave_slot(self)

    def position(self) -> int | None:
        """How many tasks come before this one; None unless it waits for a slot."""
        return self._queue.position(self)
