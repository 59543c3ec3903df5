"""A simulated cluster with all of a master: job queue, locks, recovery, and its death.

Calls of nodes can be made to take time, so that something can happen in between.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from ganetix.config.store import ConfigStore
from ganetix.interfaces import INodeRpc, Say
from ganetix.jobs.model import Job
from ganetix.jobs.queue import JobQueue
from ganetix.jobs.slots import follow_slots
from ganetix.jobs.values import SubmitRequest
from ganetix.locking import LockManager
from ganetix.objects import Node
from ganetix.opcodes import AnyOpcode
from ganetix.rpc.methods import Method
from ganetix.rpc.server import Call, Handler
from ganetix.scheduler import Scheduler
from ganetix.state.rows import Batch
from ganetix.state.store import StateStore
from ganetix.testing.rpc import FakeNodeRpc
from ganetix.testing.sim import SimCluster
from ganetix.testing.state import FailingEngine, MemoryEngine
from ganetix.units.recovery import Recovery
from ganetix.units.worker import LogicalUnits

Q = TypeVar("Q")
R = TypeVar("R")

STEP_SECONDS = 0.5


class MortalEngine(FailingEngine):
    """An engine that never answers once its master has died.

    ``commits_left`` are those that are still written; None is without end.
    """

    commits_left: int | None = None

    @property
    def is_dead(self) -> bool:
        """Whether the master does nothing any more."""
        return self.commits_left is not None and self.commits_left < 0

    def commit(self, batches: Sequence[Batch]) -> Deferred[int]:
        """Write, or die."""
        if self.commits_left is not None:
            self.commits_left -= 1
            if self.is_dead:
                return Deferred()
        return super().commit(batches)


@implementer(INodeRpc)
class MortalRpc:
    """Calls of a master that may die: then it makes none, and hears no answer."""

    def __init__(self, rpc: FakeNodeRpc, life: MortalEngine) -> None:
        self._rpc = rpc
        self._life = life

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Call one method on one node."""
        if self._life.is_dead:
            return Deferred()
        calling = self._rpc.call(node, method, request, say)
        answer: Deferred[R] = Deferred(lambda _: calling.cancel())

        def answered(outcome: object) -> None:
            if not self._life.is_dead and not answer.called:
                answer.callback(outcome)  # type: ignore[arg-type]

        _ = calling.addBoth(answered)
        return answer


class SimMaster(SimCluster):
    """A simulated cluster whose opcodes run as jobs.

    ``life.commits_left`` says after how many commits the master dies.
    """

    def __init__(self, directory: Path, nodes: int = 2) -> None:
        super().__init__(directory, nodes)
        for node in self.nodes.values():
            node.runner.on()
        self._medium = self.engine.medium
        self.boot()

    def boot(self) -> None:
        """Start a master on what the medium holds."""
        self.life = MortalEngine(MemoryEngine(self._medium))
        self.store = StateStore(self.life, self.clock)
        self.config = ConfigStore(self.store, self.clock)
        self.services = replace(
            self.services,
            config=self.config,
            rpc=MortalRpc(self.rpc, self.life),
            authorities=self.authorities(),
            is_active=lambda job_id: self.queue.is_active(job_id),
        )
        self.units = LogicalUnits(self.services)
        self.locks = LockManager(self.clock)
        self.scheduler = Scheduler(self.clock)
        self.queue = JobQueue(
            self.clock,
            self.store,
            self.config,
            self.units,
            self.locks,
            self.scheduler,
            random.Random(1),  # noqa: S311 - jitter
        )
        self.recovery = Recovery(self.services, self._submit_own)
        self._now(Deferred.fromCoroutine(self._start()))
        self.recovery.start()
        self.wait(0)

    def kill(self) -> None:
        """Let this master do nothing any more, and start another."""
        self.life.commits_left = -1
        self.recovery.stop()
        self.boot()

    def terminate(self) -> None:
        """Stop this master as SIGTERM does, and start another."""
        self.recovery.stop()
        stopped = Deferred.fromCoroutine(self.queue.stop())
        self.wait(5)
        self._now(stopped)
        self.boot()

    def wait(self, seconds: float) -> None:
        """Let time pass, and all that is due be done."""
        end = self.clock.seconds() + seconds
        while True:
            for _ in range(30):
                self.clock.advance(0)
            left = end - self.clock.seconds()
            if left <= 0:
                return
            self.clock.advance(min(left, STEP_SECONDS))

    def submit(self, op: AnyOpcode) -> int | None:
        """Submit a job; None if it is not taken."""
        taken: list[int] = []
        _ = self._submit(op).addCallbacks(taken.append, lambda _: None)
        self.wait(0)
        return taken[0] if taken else None

    def jobs(self) -> Sequence[Job]:
        """All jobs."""
        return self._now(self.queue.jobs())

    def slow_calls(self, seconds: float) -> None:
        """Let each call take that long, half of it before the work is done."""
        self.rpc.handlers = {
            uuid: {name: self._slow(handle, seconds) for name, handle in each.items()}
            for uuid, each in self.rpc.handlers.items()
        }

    def down(self, node_name: str, seconds: float) -> None:
        """Let a node be unreachable for a while; answers on their way are lost."""
        uuid = self.nodes[node_name].node.uuid
        self.rpc.set_down(uuid)
        self.clock.callLater(seconds, self.rpc.set_down, uuid, False)

    def full(self, seconds: float) -> None:
        """Let the medium be full for a while."""
        engine = self.life
        engine.fault = "the disk is full"
        self.clock.callLater(seconds, setattr, engine, "fault", None)

    def troubles(self) -> list[str]:
        """What is wrong now that all should be quiet."""
        return [
            *(f"job {j.id} is {j.status}" for j in self.jobs() if not j.is_final),
            *(f"job {j.id} met a bug" for j in self.jobs() if _is_bug(j)),
            *(f"lock {lock.name} is in use" for lock in self.queue.locks()),
            *(f"{task.name} has a slot" for task in self.scheduler.running),
            *(f"{name} is unfinished" for name in self.unfinished()),
            *([self.store.fault] if self.store.fault else []),
            *self._differences(),
        ]

    def unfinished(self) -> list[str]:
        """Names of instances that are half made or half removed."""
        return [intent.instance.name for intent in self.snapshot.intents.values()]

    def _differences(self) -> list[str]:
        """Where the nodes are not as the configuration has it."""
        instances = self.snapshot.instances
        wrong: list[str] = []
        disks: set[str] = set()
        alive: set[str] = set()
        for node in self.nodes.values():
            for guest in self._now(node.hypervisor.guests()):
                if guest.uuid not in instances:
                    wrong.append(f"guest {guest.name} is a stranger")
                elif guest.state == "running":
                    alive.add(guest.uuid)
            found = self._now(node.storage.disks())
            disks |= {disk.disk_uuid for disk in found}
        known = instances.values()
        if disks != {disk.uuid for instance in known for disk in instance.disks}:
            wrong.append("the disks are not those of the instances")
        for instance in known:
            if (instance.admin_state == "up") != (instance.uuid in alive):
                wrong.append(f"{instance.name} should be {instance.admin_state}")
        return wrong

    def _slow(self, handle: Handler, seconds: float) -> Handler:
        async def slowly(value: object, call: Call) -> object:
            await deferLater(self.clock, seconds / 2)
            answer = await handle(value, call)
            await deferLater(self.clock, seconds / 2)
            return answer

        return lambda value, call: Deferred.fromCoroutine(slowly(value, call))

    def _now(self, done: Deferred[R]) -> R:
        return SynchronousTestCase().successResultOf(done)

    async def _start(self) -> None:
        await self.store.open()
        await self.config.load()
        follow_slots(self.config, self.scheduler)
        await self.queue.load()
        self.queue.start()

    def _submit(self, op: AnyOpcode) -> Deferred[int]:
        submitted = self.queue.submit([SubmitRequest(ops=(op,))])
        return submitted.addCallback(lambda job_ids: job_ids[0])

    def _submit_own(self, op: AnyOpcode) -> Deferred[int]:
        submitted = self.queue.submit([SubmitRequest(ops=(op,))], internal=True)
        return submitted.addCallback(lambda job_ids: job_ids[0])


def _is_bug(job: Job) -> bool:
    return job.error is not None and job.error.code == "BUG"
