"""What may come in between at any moment while a job works on instance web1."""

from __future__ import annotations

from collections.abc import Callable

from ganetix.opcodes import (
    AnyOpcode,
    OpClusterVerify,
    OpInstanceRemove,
    OpInstanceShutdown,
    OpNodeRemove,
)
from ganetix.testing.master import SimMaster

Event = Callable[[SimMaster, int], object]
"""Something that happens; the number is the job's."""


def submits(op: AnyOpcode) -> Event:
    """Another job comes."""
    return lambda sim, _: sim.submit(op)


EVENTS: dict[str, Event] = {
    "cancelled": lambda sim, job_id: sim.queue.cancel(job_id),
    "master killed": lambda sim, _: sim.kill(),
    "master stopped": lambda sim, _: sim.terminate(),
    "disk full": lambda sim, _: sim.full(40),
    "removed": submits(OpInstanceRemove(name="web1", timeout=1)),
    "stopped": submits(OpInstanceShutdown(name="web1", timeout=1)),
    "node removed": submits(OpNodeRemove(name="node2")),
    "repaired": submits(OpClusterVerify(repair=True)),
}
