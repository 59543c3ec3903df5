"""Slots of jobs as the cluster's parameters say."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits
from ganetix.jobs.slots import follow_slots
from ganetix.scheduler import Scheduler
from ganetix.testing.sim import SimCluster


class SlotsTests(SynchronousTestCase):
    """A scheduler that follows a configuration."""

    def test_follows(self) -> None:
        """It has the configured slots from the first, and changed ones at once."""
        sim = SimCluster(Path(self.mktemp()), nodes=1)
        scheduler = Scheduler(Clock(), slots=1)
        follow_slots(sim.config, scheduler)
        self.assertEqual(scheduler.slots, 64)
        cluster = replace(sim.snapshot.cluster, max_running_jobs=3)
        self.successResultOf(sim.config.commit(lambda _: Edits(put=(cluster,))))
        self.assertEqual(scheduler.slots, 3)
