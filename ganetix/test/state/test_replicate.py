"""Replication to candidates: who must have what before anybody is told."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.testing.replicas import SimMasterStore, SimReplicas


class ReplicationCase(SynchronousTestCase):
    """Candidates, the first of them the master."""

    def begin(self, nodes: int) -> SimReplicas:
        """So many candidates, in step."""
        self.sim = SimReplicas(Path(self.mktemp()), nodes)
        self.sim.advance(1.0)
        return self.sim

    @property
    def master(self) -> SimMasterStore:
        """The first node's master."""
        master = self.sim.candidates["node1"].master
        assert master is not None
        return master

    def in_step(self) -> dict[str, bool]:
        """Who is in step, by name."""
        return {
            self.master.links.name_of(state.uuid): state.is_in_step
            for state in self.master.replicator.candidates()
        }

    def keys(self, name: str) -> list[str]:
        """The keys on a node's disk."""
        return sorted(self.sim.candidates[name].rows("k"))


class StepTests(ReplicationCase):
    """Getting in step."""

    def test_in_step(self) -> None:
        """Candidates get a snapshot, and are recorded as in step then."""
        self.begin(3)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})

    def test_write(self) -> None:
        """What is written is on all."""
        self.begin(3)
        done = self.master.write("a")
        self.sim.advance(0.1)
        self.successResultOf(done)
        for name in self.sim.candidates:
            self.assertEqual(self.keys(name), ["a"])
