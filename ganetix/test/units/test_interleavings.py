"""Jobs that meet other jobs, faults and the master's death, at every moment."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.opcodes import (
    AnyOpcode,
    DiskRequest,
    OpGroupAdd,
    OpInstanceCreate,
    OpInstanceRemove,
    OpInstanceShutdown,
    OpInstanceStartup,
    OpNodeAdd,
    OpNodeRemove,
)
from ganetix.test.units import moments
from ganetix.test.units.moments import Event, submits
from ganetix.testing.master import SimMaster

CREATE = OpInstanceCreate(
    name="web1", os="noop", disks=(DiskRequest(size_mib=8),), node="node2"
)
REMOVE = OpInstanceRemove(name="web1", timeout=1)
STEP_SECONDS = 0.5
LONG_SECONDS = 60.0


def _away_and_add(sim: SimMaster, _: int) -> None:
    sim.down("node2", 10)
    sim.wait(STEP_SECONDS)
    sim.submit(CREATE)


EVENTS: dict[str, Event] = {
    **moments.EVENTS,
    "node away for a moment": lambda sim, _: sim.down("node2", 3),
    "node away": lambda sim, _: sim.down("node2", 40),
    "node away, then added again": _away_and_add,
    "disk full for a moment": lambda sim, _: sim.full(3),
    "added again": submits(CREATE),
    "started": submits(OpInstanceStartup(name="web1")),
}


class InterleavingTests(SynchronousTestCase):
    """Whatever comes in between, all is well in the end, by itself."""

    def sim(self, *before: AnyOpcode) -> SimMaster:
        """A cluster of two nodes on which these were done."""
        sim = SimMaster(Path(self.mktemp()))
        for op in before:
            sim.submit(op)
        self.assertEqual(sim.troubles(), [])
        return sim

    def at_every_moment(self, op: AnyOpcode, *before: AnyOpcode) -> None:
        """Let each event happen at each moment of a job whose calls take a second."""
        for name, happen in EVENTS.items():
            moment = 0.25
            is_over = False
            while not is_over:
                sim = self.sim(*before)
                sim.slow_calls(1.0)
                job_id = sim.submit(op)
                assert job_id is not None
                sim.wait(moment)
                is_over = all(job.is_final for job in sim.jobs())
                happen(sim, job_id)
                sim.wait(LONG_SECONDS)
                at = f"{name} {moment} s after the start"
                self.assertEqual(sim.troubles(), [], at)
                self.assertLess(len(sim.jobs()), len(before) + 6, at)
                sim.recovery.stop()
                moment += STEP_SECONDS

    def test_creation(self) -> None:
        """An instance that is being created."""
        self.at_every_moment(CREATE)

    def test_removal(self) -> None:
        """An instance that is being removed."""
        self.at_every_moment(REMOVE, CREATE)

    def test_startup(self) -> None:
        """An instance that is being started."""
        stop = OpInstanceShutdown(name="web1", timeout=1)
        self.at_every_moment(OpInstanceStartup(name="web1"), CREATE, stop)

    def test_killed_at_every_commit(self) -> None:
        """No job that was taken is lost, none runs twice, nothing is left half done."""
        for op, before in (
            (CREATE, ()),
            (REMOVE, (CREATE,)),
            (OpGroupAdd(name="gold"), ()),
            (OpNodeAdd(name="node9", primary_ip="127.0.0.99"), ()),
            (OpNodeRemove(name="node2"), ()),
        ):
            died, commits = True, 0
            while died:
                sim = self.sim(*before)
                sim.life.commits_left = commits
                job_id = sim.submit(op)
                sim.wait(5)
                died = sim.life.is_dead
                sim.kill()
                sim.wait(LONG_SECONDS)
                at = f"{op} after {commits} commits"
                self.assertEqual(sim.troubles(), [], at)
                ended = {job.id: job.status for job in sim.jobs()}
                self.assertIn(ended.get(job_id or 0), (None, "success", "error"), at)
                self.assertEqual(job_id in ended, job_id is not None, at)
                self.assertLess(len(ended), len(before) + 3, at)
                sim.recovery.stop()
                commits += 1
            self.assertGreater(commits, 2)
