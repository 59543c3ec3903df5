"""The score of a cluster: how unevenly its nodes are used; lower is better.

Sums run in the order of the nodes and terms are added in one order, so that equal
clusters have equal scores to the last bit: ties are decided by that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganetix.plan.capacity.hardware import Floats, Ints
from ganetix.plan.capacity.state import (
    CPU,
    DISK_LOAD,
    LOAD,
    MEM,
    MEM_PROMISED,
    PRIMARIES,
    RESERVED,
    SECONDARIES,
    SPACE,
    SPINDLES,
    ClusterState,
)

ERROR = 4e-16
"""The relative error of one addition, with room to spare."""


class Spread:
    """Sums and variances of a state's columns over its online nodes, or over some.

    ``positions`` are those of the nodes in the columns.
    """

    def __init__(self, state: ClusterState, nodes: Ints | None = None) -> None:
        hardware = state.hardware
        if nodes is None:
            columns = state.columns
            self.positions = hardware.position[hardware.online]
            self.failing_sum = float(state.failing_sum)
        else:
            self.positions = hardware.position[nodes[hardware.is_online[nodes]]]
            columns = state.columns[:, self.positions]
            self.failing_sum = float(state.failing_loads[nodes].sum())
        self.columns = columns
        self.count = columns.shape[1]
        self.sums, self.variances = spread_of(columns)
        self.reserved_sum = float(self.sums[RESERVED]) if self.count else 0.0
        self.offline_load, self.offline_primaries = offline_loads(state, nodes)


def spread_of(columns: Floats) -> tuple[Floats, Floats]:
    """Sums and variances along the last axis, added one after the other."""
    count = columns.shape[-1]
    if not count:
        nothing = np.zeros(columns.shape[:-1])
        return nothing, nothing
    running: Floats = np.add.accumulate(columns, axis=-1)
    sums: Floats = running[..., -1].copy()
    off = np.subtract(columns, (sums / count)[..., None], out=running)
    np.multiply(off, off, out=off)
    variances: Floats = np.add.accumulate(off, axis=-1, out=off)[..., -1] / count
    return sums, variances


def offline_loads(
    state: ClusterState, members: Ints | None = None
) -> tuple[float, float]:
    """All instances and the primary ones on offline nodes."""
    if members is None:
        return float(state.offline_load), float(state.offline_primaries)
    gone = members[~state.hardware.is_online[members]]
    primaries = int(state.numbers[PRIMARIES, gone].sum())
    return float(primaries + int(state.numbers[SECONDARIES, gone].sum())), float(
        primaries
    )


def weigh(
    deviations: Sequence[Floats] | Floats,
    *,
    reserved_sum: Floats | float,
    failing_sum: Floats | float,
    offline: tuple[Floats | float, Floats | float],
    tags: Floats | float = 0.0,
) -> Floats:
    """Scores of standard deviations, one row a column of the state.

    ``tags`` is what these add.
    """
    total: Floats = 0.5 * deviations[MEM] + 0.5 * deviations[SPACE]
    total = total + failing_sum
    total = total + deviations[RESERVED]
    total = total + 4.0 * offline[0]
    total = total + 16.0 * offline[1]
    total = total + 0.5 * deviations[CPU]
    total = total + deviations[LOAD]
    total = total + deviations[LOAD]
    total = total + deviations[DISK_LOAD]
    total = total + deviations[LOAD]
    total = total + tags
    total = total + 0.5 * deviations[SPINDLES]
    total = total + 0.5 * deviations[MEM_PROMISED]
    total = total + 0.5 * deviations[SPACE]
    total = total + 0.5 * deviations[CPU]
    total = total + 0.5 * deviations[SPINDLES]
    return total + 0.25 * reserved_sum


def score(state: ClusterState) -> float:
    """A state's score, from scratch."""
    spread = Spread(state)
    if not spread.count:
        return 0.0
    found = weigh(
        np.sqrt(spread.variances),
        reserved_sum=spread.reserved_sum,
        failing_sum=spread.failing_sum,
        offline=(spread.offline_load, spread.offline_primaries),
    )
    return float(found)
