"""A job queue on a state store in memory, with a worker that the test commands."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Snapshot
from ganetix.config.store import ConfigStore, initial_rows
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import Offload
from ganetix.jobs.model import Job
from ganetix.jobs.queue import JobQueue
from ganetix.jobs.values import SubmitRequest
from ganetix.jobs.work import LevelLocks, LockPlan, Mode, Outcome, Progress
from ganetix.locking import LockManager
from ganetix.opcodes import Opcode, OpGroupAdd
from ganetix.scheduler import Scheduler
from ganetix.state.replicas import Alone, Replicas
from ganetix.state.rows import Batch, RowKey
from ganetix.state.store import StateStore
from ganetix.testing.config import make_snapshot
from ganetix.testing.state import REVISION, FailingEngine, MemoryEngine

START = 1_000_000.0

T = TypeVar("T")
Plan = LockPlan | Callable[[Snapshot], LockPlan] | Exception


def op(name: str) -> OpGroupAdd:
    """An opcode that the fake worker knows by this name."""
    return OpGroupAdd(name=name)


def request(*names: str, priority: int = 0) -> SubmitRequest:
    """A job with these opcodes."""
    return SubmitRequest(ops=tuple(op(name) for name in names), priority=priority)


def instance_locks(*names: str, mode: Mode = "exclusive") -> LockPlan:
    """Locks on instances that exist."""
    return {"instance": LevelLocks(names=dict.fromkeys(names, mode))}


def creates(*names: str) -> LockPlan:
    """Locks on instances that come into being."""
    return {"instance": LevelLocks(creates=frozenset(names))}


class Run:
    """An opcode that the worker is doing."""

    def __init__(self, opcode: Opcode, progress: Progress) -> None:
        self.op = opcode
        self.progress = progress
        self.end: Deferred[Outcome] = Deferred()


class FakeWorker:
    """Does opcodes as the test wishes; ``started`` are the names in order.

    Opcodes in ``brief`` succeed at once, all others when the test ends them; those in
    ``late`` need no record of their beginning; those in ``stubborn`` clean up for ever
    when they are cancelled.
    """

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.brief: set[str] = set()
        self.late: set[str] = set()
        self.stubborn: set[str] = set()
        self.started: list[str] = []
        self.runs: dict[str, Run] = {}

    def locks_for(self, op: Opcode, snapshot: Snapshot) -> LockPlan:
        """The plan that the test set."""
        plan = self.plans.get(_name(op), {})
        if isinstance(plan, Exception):
            raise plan
        return plan(snapshot) if callable(plan) else plan

    async def run(self, op: Opcode, progress: Progress, locks: LockPlan) -> Outcome:
        """Run until the test ends it."""
        name = _name(op)
        if name not in self.late:
            await progress.begun()
        self.started.append(name)
        if name in self.brief:
            return Outcome()
        run = self.runs[name] = Run(op, progress)
        try:
            return await run.end
        except CancelledError:
            if name in self.stubborn:
                await Deferred()
            raise
        finally:
            del self.runs[name]

    def succeed(self, name: str, outcome: Outcome | None = None) -> None:
        """End an opcode well."""
        self.runs[name].end.callback(outcome or Outcome())

    def fail(self, name: str, error: Exception) -> None:
        """End an opcode with an error."""
        self.runs[name].end.errback(error)


def _name(op: Opcode) -> str:
    assert isinstance(op, OpGroupAdd)
    return op.name


class Candidates(Alone):
    """The other candidates: they have, and confirm, what the test lets them have.

    ``copy`` holds what is confirmed.

    :param medium: the rows that they have at first
    """

    def __init__(self, medium: dict[RowKey, bytes]) -> None:
        self.copy = dict(medium)
        self.is_held = False
        self.is_over = False
        self.lacking: deque[tuple[int, Batch]] = deque()
        self._coming: Sequence[Batch] = ()

    def prepared(self, batches: Sequence[Batch], last: int) -> Sequence[Batch]:
        """Note what is being written."""
        self._coming = batches
        return batches

    def written(self, last: int, is_record: bool) -> None:
        """Confirm it, unless the test holds that back."""
        first = last - len(self._coming) + 1
        self.lacking.extend(enumerate(self._coming, first))
        if not self.is_held:
            self.get_on()

    def get_on(self, count: int | None = None) -> None:
        """Get so many of the batches that are lacking, or all, and confirm them."""
        if self.lacking and count != 0 and not self.is_over:
            self._writer.confirm(self.get(count))

    def get(self, count: int | None = None) -> int:
        """Get so many of the batches that are lacking, or all; the last revision."""
        last = 0
        while self.lacking and count != 0:
            last, batch = self.lacking.popleft()
            count = None if count is None else count - 1
            for row in batch.rows:
                key = RowKey(row.kind, row.key)
                if row.data is None:
                    self.copy.pop(key, None)
                else:
                    self.copy[key] = row.data
            self.copy[REVISION] = b"%d" % last
        return last

    def depose(self) -> None:
        """Obey another master."""
        self.is_over = True
        self.obstacle = "another is the master"
        self._writer.give_up(self.obstacle)


class Master:
    """All of a master that jobs need, on a medium that outlives it."""

    def __init__(
        self,
        clock: Clock,
        medium: dict[RowKey, bytes],
        offload: Offload = inline_offload,
        slots: int = 64,
        replicas: Replicas | None = None,
    ) -> None:
        self.clock = clock
        self.engine = FailingEngine(MemoryEngine(medium, offload))
        self.store = StateStore(self.engine, clock, replicas)
        self.config = ConfigStore(self.store, clock)
        self.worker = FakeWorker()
        self.locks = LockManager(clock)
        self.scheduler = Scheduler(clock, slots)
        self.queue = JobQueue(
            clock,
            self.store,
            self.config,
            self.worker,
            self.locks,
            self.scheduler,
            random.Random(1),  # noqa: S311 - jitter
        )

    async def start(self) -> None:
        """Come up on what the medium holds."""
        await self.store.open()
        if self.store.revision == 0:
            first = make_snapshot()
            (group,), (node,) = first.groups.values(), first.nodes.values()
            await self.store.write(initial_rows(first.cluster, group, node))
        await self.config.load()
        await self.queue.load()
        self.queue.start()


class QueueTestCase(SynchronousTestCase):
    """A running master on a memory medium that writes at once."""

    slots = 64

    def setUp(self) -> None:
        """A fresh master."""
        self.clock = Clock()
        self.clock.advance(START)
        self.medium: dict[RowKey, bytes] = {}
        self.restart()

    def restart(self) -> None:
        """A new master on the same medium; the old one is as if killed.

        Its clock stands still, so that it does nothing any more.
        """
        now = self.clock.seconds()
        self.clock = Clock()
        self.clock.advance(now)
        self.master = Master(self.clock, self.medium, slots=self.slots)
        self.worker = self.master.worker
        self.queue = self.master.queue
        self.successResultOf(self.master.start())

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and all that is due be done."""
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)

    def submit(self, *names: str, priority: int = 0) -> int:
        """Submit a job and let it begin."""
        job_ids = self.queue.submit([request(*names, priority=priority)])
        (job_id,) = self.successResultOf(job_ids)
        self.turn()
        return job_id

    def enqueue(self, *names: str, priority: int = 0) -> int:
        """Submit a job as if no slot were free: it does not begin before a turn."""
        _ = self.master.scheduler.quiesce()
        submitted = self.queue.submit([request(*names, priority=priority)])
        (job_id,) = self.successResultOf(submitted)
        self.master.scheduler.resume()
        return job_id

    def succeed(self, name: str, outcome: Outcome | None = None) -> None:
        """End an opcode well, and let what follows be done."""
        self.worker.succeed(name, outcome)
        self.turn()

    def fail_op(self, name: str, error: Exception) -> None:
        """End an opcode with an error, and let what follows be done."""
        self.worker.fail(name, error)
        self.turn()

    def job(self, job_id: int) -> Job:
        """A job as others see it."""
        return self.successResultOf(self.queue.job(job_id))

    def statuses(self, job_id: int) -> list[str]:
        """The statuses of a job's opcodes."""
        return [run.status for run in self.job(job_id).ops]

    def cancel(self, job_id: int) -> tuple[bool, str]:
        """Cancel a job."""
        return self.successResultOf(self.queue.cancel(job_id))

    def log(self, job_id: int) -> Sequence[str]:
        """The texts of a job's log."""
        return [line.text for line in self.successResultOf(self.queue.log(job_id))]
