"""Tests for the door to all units."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.jobs.work import Outcome
from ganetix.log import JsonObserver
from ganetix.testing.sim import RecordedProgress, SimCluster
from ganetix.units.worker import LogicalUnits


class TalkativeDistribution:
    """Logs when it is asked, and when it is done."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self.done: Deferred[None] = Deferred()

    def settled(self, group: str | None = None) -> Deferred[tuple[str, ...]]:
        """Nobody is behind."""
        return succeed(())

    def repeat(self) -> Deferred[tuple[str, ...]]:
        """When ``done`` has fired."""
        return Deferred.fromCoroutine(self._repeat())

    async def _repeat(self) -> tuple[str, ...]:
        self._log.info("asked")
        await self.done
        self._log.info("done")
        return ()


class LogTests(SynchronousTestCase):
    """What is logged while an opcode is done."""

    def test_says_job_and_opcode(self) -> None:
        """Events of all that a unit sets going carry both, however long it takes."""
        out = StringIO()
        log = Logger("here", observer=JsonObserver(out))
        distribution = TalkativeDistribution(log)
        sim = SimCluster(Path(self.mktemp()), nodes=1)
        units = LogicalUnits(replace(sim.services, distribution=distribution))
        op, progress = ops.OpClusterRedistribute(), RecordedProgress(job_id=7)
        locks = units.locks_for(op, sim.snapshot)
        running = Deferred.fromCoroutine(units.run(op, progress, locks))
        log.info("meanwhile")
        distribution.done.callback(None)
        self.successResultOf(running)
        log.info("after")
        events = map(json.loads, out.getvalue().splitlines())
        name = "OP_CLUSTER_REDISTRIBUTE"
        self.assertEqual(
            [(e["log_format"], e.get("job"), e.get("op")) for e in events],
            [
                ("asked", 7, name),
                ("meanwhile", None, None),
                ("done", 7, name),
                ("after", None, None),
            ],
        )


class BeginTests(SynchronousTestCase):
    """What must be recorded before an opcode is done."""

    def setUp(self) -> None:
        self.sim = SimCluster(Path(self.mktemp()), nodes=1)
        self.progress = RecordedProgress()

    def run_op(self, op: ops.Opcode) -> Deferred[Outcome]:
        """The opcode, being done."""
        units = LogicalUnits(self.sim.services)
        locks = units.locks_for(op, self.sim.snapshot)
        return Deferred.fromCoroutine(units.run(op, self.progress, locks))

    def test_nothing_before(self) -> None:
        """No node hears of an opcode that has not begun."""
        self.progress.recorded = Deferred()
        running = self.run_op(ops.OpClusterVerify())
        self.assertNoResult(running)
        self.assertEqual(self.sim.rpc.calls, [])
        self.progress.recorded.callback(None)
        self.successResultOf(running)
        self.assertNotEqual(self.sim.rpc.calls, [])

    def test_delay_that_lasts(self) -> None:
        """One that takes its time begins before."""
        self.progress.recorded = Deferred()
        running = self.run_op(ops.OpTestDelay(duration=5))
        self.sim.clock.advance(5)
        self.assertNoResult(running)
        self.progress.recorded.callback(None)
        for _ in range(10):
            self.sim.clock.advance(0.5)
        self.successResultOf(running)

    def test_delay_on_nodes(self) -> None:
        """One that calls nodes begins before."""
        self.progress.recorded = Deferred()
        _ = self.run_op(ops.OpTestDelay(duration=0, on_nodes=("node1",)))
        self.assertEqual(self.sim.rpc.calls, [])

    def test_change_of_configuration(self) -> None:
        """What ends with its only effect needs no record before."""
        change = ops.OpTagsAdd(kind="node", name="node1", tags=("x",))
        for op in (change, ops.OpGroupAdd(name="g"), ops.OpTestDelay(duration=0)):
            self.successResultOf(self.run_op(op))
        self.assertFalse(self.progress.has_begun)
