"""The scheduler against a simple model, over random histories."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.scheduler import Again, Scheduler, Task
from ganetix.test.histories import run_histories

PRIORITIES = st.integers(-2, 2)


class SchedulerMachine(RuleBasedStateMachine):
    """A sorted list says who should run."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.slots = 2
        self.scheduler = Scheduler(self.clock, self.slots)
        self.queue: list[tuple[int, int, Task]] = []
        self.running: dict[Task, Deferred[Again | None]] = {}
        self.expected: list[Task] = []
        self.started: list[Task] = []
        self.count = 0
        self.is_quiet = False

    async def work(self, task: Task) -> Again | None:
        """Run until the machine says otherwise."""
        self.started.append(task)
        self.running[task] = Deferred()
        try:
            return await self.running[task]
        finally:
            del self.running[task]

    def enqueue(self, task: Task, priority: int) -> None:
        """Put a task at the end of its priority."""
        self.count += 1
        self.queue.append((priority, self.count, task))
        self.queue.sort(key=lambda entry: entry[:2])

    @rule(priority=PRIORITIES)
    def add(self, priority: int) -> None:
        """Somebody adds a task."""
        task = self.scheduler.add("task", self.work, priority)
        self.enqueue(task, priority)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), priority=st.none() | PRIORITIES, again=st.booleans())
    def end(self, data: st.DataObject, priority: int | None, again: bool) -> None:
        """A running task is done, or wants to go on later."""
        task = data.draw(st.sampled_from(list(self.running)))
        self.running[task].callback(Again(priority=priority) if again else None)
        if again:
            self.enqueue(task, task.priority)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def cancel_running(self, data: st.DataObject) -> None:
        """A running task is cancelled."""
        data.draw(st.sampled_from(list(self.running))).cancel()

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def cancel_pending(self, data: st.DataObject) -> None:
        """A pending task is cancelled."""
        entry = data.draw(st.sampled_from(self.queue))
        self.queue.remove(entry)
        entry[2].cancel()

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), priority=PRIORITIES)
    def change_priority(self, data: st.DataObject, priority: int) -> None:
        """A pending task gets another priority."""
        entry = data.draw(st.sampled_from(self.queue))
        if entry[0] != priority:
            self.queue.remove(entry)
            self.enqueue(entry[2], priority)
        entry[2].change_priority(priority)

    @rule(slots=st.integers(1, 4))
    def resize(self, slots: int) -> None:
        """Somebody changes the number of slots."""
        self.slots = self.scheduler.slots = slots

    @rule(quiet=st.booleans())
    def quiesce(self, quiet: bool) -> None:
        """Somebody holds the scheduler, or lets it go."""
        self.is_quiet = quiet
        if quiet:
            _ = self.scheduler.quiesce()
        else:
            self.scheduler.resume()

    @rule()
    def turn(self) -> None:
        """The reactor goes round: the first in the queue fill the free slots."""
        free = 0 if self.is_quiet else max(self.slots - len(self.running), 0)
        self.expected += [task for _, _, task in self.queue[:free]]
        del self.queue[:free]
        self.clock.advance(0)
        assert self.started == self.expected

    @invariant()
    def agrees(self) -> None:
        """No slot is lost, no task forgotten."""
        assert set(self.scheduler.running) == set(self.running)
        assert self.scheduler.pending == len(self.queue)


class SchedulerModelTests(SynchronousTestCase):
    """Random histories."""

    def test_against_model(self) -> None:
        """The scheduler starts what the model starts, in the same order."""
        run_histories(SchedulerMachine, 100)
