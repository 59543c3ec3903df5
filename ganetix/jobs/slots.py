"""How many jobs are done at once: as many as the cluster's parameters say."""

from __future__ import annotations

from ganetix.config.snapshot import Snapshot
from ganetix.jobs.ports import Config
from ganetix.scheduler import Scheduler


def follow_slots(config: Config, scheduler: Scheduler) -> None:
    """Let the scheduler have the configured slots, now and after each change."""

    def changed(old: Snapshot, new: Snapshot) -> None:
        if old.cluster is not new.cluster:
            scheduler.slots = new.cluster.max_running_jobs

    scheduler.slots = config.snapshot().cluster.max_running_jobs
    config.on_change(changed)
