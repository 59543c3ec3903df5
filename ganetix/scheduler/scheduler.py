"""Tasks in slots, the most urgent first, one thread, no stall."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.errors import Bug, Unavailable
from ganetix.flow.event import Event
from ganetix.flow.outbox import SLICE_SECONDS
from ganetix.scheduler.task import Again, Task, Work

DEFAULT_SLOTS = 64
URGENT_PRIORITY = -10


class Scheduler:
    """Runs tasks by priority, lower numbers first, in order within one.

    Tasks that are added start from the reactor, never from the code that adds them, and
    a burst of ready ones leaves the reactor its turn. One that fails is logged by name.

    :param urgent_slots: more slots for tasks of ``URGENT_PRIORITY`` or better, so that
        these need not wait until one of many others has ended
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, slots: int = DEFAULT_SLOTS, urgent_slots: int = 0
    ) -> None:
        self._clock = clock
        self._slots = _checked(slots)
        self._urgent_slots = urgent_slots
        self._heap: list[tuple[int, int, Task]] = []
        self._stale = 0
        self._delayed: dict[Task, None] = {}
        self._running: dict[Task, None] = {}
        self._leaving: dict[Task, None] = {}
        self._serial = 0
        self._call: IDelayedCall | None = None
        self._is_quiet = False
        self._is_stopped = False
        self._idle = Event()
        self._idle.set()

    @property
    def slots(self) -> int:
        """How many tasks may have a slot at once; fewer take effect as tasks end."""
        return self._slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._slots = _checked(slots)
        self._wake()

    @property
    def running(self) -> tuple[Task, ...]:
        """The tasks that have a slot."""
        return tuple(self._running)

    @property
    def pending(self) -> int:
        """How many tasks wait for a slot, or to be let into the queue again."""
        return len(self._heap) - self._stale + len(self._delayed)

    @property
    def is_quiet(self) -> bool:
        """Whether no task is started until ``resume``."""
        return self._is_quiet

    @property
    def has_room(self) -> bool:
        """Whether a slot is free that nobody waits for."""
        return (
            not (self._is_quiet or self._is_stopped)
            and len(self._running) < self._slots
            and self._best_priority() == inf
        )

    def start(self, name: str, work: Work, priority: int = 0) -> Task:
        """Start a task at once; ``Unavailable`` unless the scheduler ``has_room``."""
        if not self.has_room:
            raise Unavailable(f"{name}: no slot is free")
        task = Task(self, name, work, priority, self._clock.seconds())
        self._start(task)
        return task

    def add(
        self, name: str, work: Work, priority: int = 0, delay_seconds: float = 0.0
    ) -> Task:
        """Queue a task; ``Unavailable`` once the scheduler was stopped."""
        if self._is_stopped:
            raise Unavailable(f"{name}: the scheduler is stopping")
        task = Task(self, name, work, priority, self._clock.seconds())
        self._queue(task, delay_seconds)
        return task

    def cancel(self, task: Task) -> None:
        """Take a task out of the queue, or cancel its coroutine if it runs.

        One that never ran will not. A running one frees its slot when it has ended.
        """
        if task.state == "ended":
            return
        task.is_cancelled = True
        if task.state == "running":
            if task.run is not None:
                task.run.cancel()
            return
        self._unqueue(task)
        task.state = "ended"

    def change_priority(self, task: Task, priority: int) -> None:
        """Give a task another priority; see ``Task.change_priority``."""
        if task.priority == priority:
            return
        if task.state == "pending":
            self._unqueue(task)
            task.priority = priority
            self._push(task)
        else:
            task.priority = priority

    def leave_slot(self, task: Task) -> None:
        """Let others have a running task's slot; see ``Task.leave_slot``."""
        if task in self._running:
            del self._running[task]
            self._leaving[task] = None
            self._wake()

    def position(self, task: Task) -> int | None:
        """How many tasks come before this one; None unless it waits for a slot."""
        if task.state != "pending":
            return None
        mine = (task.priority, task.serial)
        return sum(1 for p, serial, _ in self._live() if (p, serial) < mine)

    def quiesce(self) -> Deferred[None]:
        """Start nothing any more; fires when no task runs."""
        self._is_quiet = True
        return self._idle.wait()

    def resume(self) -> None:
        """Start tasks again."""
        self._is_quiet = False
        self._wake()

    async def stop(self) -> None:
        """Forget who waits, cancel who runs, and wait until the last has ended."""
        self._is_stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        for task in [*(task for _, _, task in self._live()), *self._delayed]:
            self.cancel(task)
        for task in [*self._running, *self._leaving]:
            self.cancel(task)
        await self._idle.wait()

    def _queue(self, task: Task, delay_seconds: float) -> None:
        task.since = self._clock.seconds()
        if delay_seconds > 0:
            task.state = "delayed"
            self._delayed[task] = None
            task.call = self._clock.callLater(delay_seconds, self._let_in, task)
        else:
            self._push(task)

    def _let_in(self, task: Task) -> None:
        task.call = None
        del self._delayed[task]
        self._push(task)

    def _push(self, task: Task) -> None:
        self._serial += 1
        task.serial = self._serial
        task.state = "pending"
        heappush(self._heap, (task.priority, task.serial, task))
        self._wake()

    def _unqueue(self, task: Task) -> None:
        if task.state == "delayed" and task.call is not None:
            task.call.cancel()
            task.call = None
            del self._delayed[task]
        elif task.state == "pending":
            # Its entry stays in the heap, and is passed over for its old serial.
            task.serial = 0
            self._stale += 1
            if self._stale > 1000 and self._stale > len(self._heap) // 2:
                self._heap = self._live()
                heapify(self._heap)
                self._stale = 0

    def _live(self) -> list[tuple[int, int, Task]]:
        return [entry for entry in self._heap if entry[2].serial == entry[1]]

    def _pop(self) -> Task | None:
        while self._heap:
            _, serial, task = heappop(self._heap)
            if task.serial == serial:
                return task
            self._stale -= 1
        return None

    def _wake(self) -> None:
        if self._call is None and self._may_start():
            self._call = self._clock.callLater(0, self._start_tasks)

    def _may_start(self) -> bool:
        if not self._heap or self._is_quiet or self._is_stopped:
            return False
        running = len(self._running)
        return running < self._slots or (
            running < self._slots + self._urgent_slots
            and self._best_priority() <= URGENT_PRIORITY
        )

    def _best_priority(self) -> float:
        while self._heap:
            priority, serial, task = self._heap[0]
            if task.serial == serial:
                return priority
            heappop(self._heap)
            self._stale -= 1
        return inf

    def _start_tasks(self) -> None:
        self._call = None
        until = self._clock.seconds() + SLICE_SECONDS
        while self._may_start():
            task = self._pop()
            if task is None:
                break
            self._start(task)
            if self._clock.seconds() >= until:
                break
        self._wake()

    def _start(self, task: Task) -> None:
        task.state = "running"
        # Out of the heap: no entry of it is live any more.
        task.serial = 0
        self._running[task] = None
        self._idle.clear()
        task.run = run = Deferred.fromCoroutine(task.work(task))
        if task.is_cancelled:
            # By its own first steps, when there was nothing to cancel yet.
            run.cancel()
        _ = run.addCallbacks(self._ended, self._failed, (task,), {}, (task,))

    def _ended(self, result: Again | None, task: Task) -> None:
        if task in self._running:
            del self._running[task]
        else:
            del self._leaving[task]
        task.run = None
        if result is None or task.is_cancelled:
            task.state = "ended"
        else:
            if result.priority is not None:
                task.priority = result.priority
            self._queue(task, result.delay_seconds)
        if not self._running and not self._leaving:
            self._idle.set()
        self._wake()

    def _failed(self, failure: Failure, task: Task) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("task {task} failed", failure, task=task.name)
        self._ended(None, task)


def _checked(slots: int) -> int:
    if slots < 1:
        raise Bug(f"a scheduler needs at least one slot, not {slots}")
    return slots
