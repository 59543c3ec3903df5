"""Tests for what comes in between while an instance moves."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.opcodes import (
    AnyOpcode,
)
from ganetix.test.units import moments
from ganetix.test.units.moments import Event, submits
from ganetix.test.units.moving import CREATE, FAILOVER, MIGRATE
from ganetix.testing.master import SimMaster


class WatchedMaster(SimMaster):
    """A master under which an instance must never run on two nodes."""

    def wait(self, seconds: float) -> None:
        """Let time pass, and look after each step."""
        end = self.clock.seconds() + seconds
        while True:
            super().wait(min(0.5, max(0.0, end - self.clock.seconds())))
            self._look()
            if self.clock.seconds() >= end:
                return

    def wait_long(self) -> None:
        """Let all be done that is to be done; most of it comes soon."""
        self.wait(20)
        super().wait(70)
        self._look()

    def _look(self) -> None:
        running: list[str] = []
        for node in self.nodes.values():
            known = self.snapshot.nodes.get(node.node.uuid)
            if known is not None and known.offline:
                continue  # it is dead, and so is what its notes say of guests
            for guest in self._now(node.hypervisor.guests()):
                if guest.state == "running":
                    running.append(guest.uuid)
        assert len(running) == len(set(running)), "it runs twice"


EVENTS: dict[str, Event] = {
    **moments.EVENTS,
    "source away for a moment": lambda sim, _: sim.down("node2", 3),
    "source away": lambda sim, _: sim.down("node2", 40),
    "target away for a moment": lambda sim, _: sim.down("node1", 3),
    "target away": lambda sim, _: sim.down("node1", 40),
    "moved again": submits(FAILOVER),
}


class MomentTests(SynchronousTestCase):
    """Whatever comes in between, it runs at most once, and all is well in the end."""

    def sim(self) -> WatchedMaster:
        """A cluster of two nodes, the instance on the second."""
        sim = WatchedMaster(Path(self.mktemp()))
        sim.submit(CREATE)
        for node in sim.nodes.values():
            node.hypervisor.send_seconds = 1.0
        self.assertEqual(sim.troubles(), [])
        return sim

    def at_every_moment(self, op: AnyOpcode) -> None:
        """Let each event happen at each moment of a job whose calls take a second."""
        for name, happen in EVENTS.items():
            moment = 0.25
            is_over = False
            while not is_over:
                sim = self.sim()
                sim.slow_calls(1.0)
                job_id = sim.submit(op)
                assert job_id is not None
                sim.wait(moment)
                is_over = all(job.is_final for job in sim.jobs())
                happen(sim, job_id)
                sim.wait_long()
                at = f"{name} {moment} s after the start"
                self.assertEqual(sim.troubles(), [], at)
                sim.recovery.stop()
                moment += 0.5

    def test_failover(self) -> None:
        """An instance that is being failed over."""
        self.at_every_moment(FAILOVER)

    def test_migration(self) -> None:
        """An instance that is being migrated."""
        self.at_every_moment(MIGRATE)

    def test_source_declared_dead(self) -> None:
        """With its node dead for good and offline no move stays undecided."""
        for op in (FAILOVER, MIGRATE):
            moment = 0.25
            is_over = False
            while not is_over:
                sim = self.sim()
                sim.slow_calls(1.0)
                sim.submit(op)
                sim.wait(moment)
                is_over = all(job.is_final for job in sim.jobs())
                sim.down("node2", 1e9)
                sim.edit_node("node2", offline=True)
                sim.wait_long()
                at = f"{op} {moment} s after the start"
                self.assertEqual(sim.unfinished(), [], at)
                sim.recovery.stop()
                moment += 0.5

    def test_killed_at_every_commit(self) -> None:
        """No move is left half done by the master's death."""
        for op in (FAILOVER, MIGRATE):
            died, commits = True, 0
            while died:
                sim = self.sim()
                sim.life.commits_left = commits
                sim.submit(op)
                sim.wait(5)
                died = sim.life.is_dead
                sim.kill()
                sim.wait_long()
                self.assertEqual(sim.troubles(), [], f"{op} after {commits} commits")
                sim.recovery.stop()
                commits += 1
            self.assertGreater(commits, 4)
