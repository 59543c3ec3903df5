"""What a filled state is, told apart: the cluster with new instances, the score."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from ganetix.objects.base import Value
from ganetix.plan.capacity.model import CapCluster, CapInstance, Template, TieredResult
from ganetix.plan.capacity.score import Spread
from ganetix.plan.capacity.state import (
    CPU,
    DISK,
    DISK_LOAD,
    FREE_SPINDLES,
    LOAD,
    MEM,
    MEM_PROMISED,
    RESERVED,
    SPACE,
    SPINDLES,
    ClusterState,
)


class Term(Value, frozen=True, kw_only=True):
    """One of the terms whose weighted sum is the score."""

    name: str
    value: float
    weight: float


def score_terms(state: ClusterState) -> tuple[Term, ...]:
    """What the score is made of, in the order of the sum; without tags."""
    spread = Spread(state)
    off = np.sqrt(spread.variances).tolist()
    terms = (
        ("free memory", off[MEM], 0.5),
        ("free disk", off[SPACE], 0.5),
        ("instances on nodes that are not N+1 safe", spread.failing_sum, 1.0),
        ("reserved memory", off[RESERVED], 1.0),
        ("instances on offline nodes", spread.offline_load, 4.0),
        ("primary instances on offline nodes", spread.offline_primaries, 16.0),
        ("vcpus in use", off[CPU], 0.5),
        ("CPU load", off[LOAD], 1.0),
        ("memory load", off[LOAD], 1.0),
        ("disk load", off[DISK_LOAD], 1.0),
        ("network load", off[LOAD], 1.0),
        ("spindles in use", off[SPINDLES], 0.5),
        ("free memory if all ran", off[MEM_PROMISED], 0.5),
        ("free disk if all ran", off[SPACE], 0.5),
        ("vcpus in use if all ran", off[CPU], 0.5),
        ("spindles in use if all ran", off[SPINDLES], 0.5),
        ("sum of reserved memory", spread.reserved_sum, 0.25),
    )
    return tuple(Term(name=name, value=float(v), weight=w) for name, v, w in terms)


def filled(
    cluster: CapCluster, state: ClusterState, template: Template, result: TieredResult
) -> CapCluster:
    """The cluster with what was placed; new instances are called ``new-0`` and on.

    :param state: what ``cluster`` has become
    """
    guests = state.guests[len(cluster.instances) :]
    news = tuple(
        CapInstance(
            name=f"new-{number}",
            memory=guest.memory,
            disk=guest.disk,
            vcpus=guest.vcpus,
            primary=placed.primary,
            secondary=placed.secondary,
            template=template,
            spindle_use=guest.spindle_use,
            disk_spindles=guest.disk_spindles,
        )
        for number, (guest, placed) in enumerate(
            zip(guests, result.placed, strict=True)
        )
    )
    rows = zip(
        cluster.nodes,
        state.numbers[DISK].tolist(),
        state.numbers[FREE_SPINDLES].tolist(),
        strict=True,
    )
    nodes = tuple(
        replace(node, free_disk=disk, free_spindles=spindles)
        for node, disk, spindles in rows
    )
    return replace(cluster, nodes=nodes, instances=(*cluster.instances, *news))
