"""Tiered specs: fill a cluster with instances that get smaller as less fits."""

from __future__ import annotations

from collections.abc import Generator
from itertools import groupby

from ganetix.errors import BadParameter
from ganetix.plan.capacity.driven import driven
from ganetix.plan.capacity.fill import Filling
from ganetix.plan.capacity.hardware import NONE
from ganetix.plan.capacity.levels import Level, level_of, way_out
from ganetix.plan.capacity.model import (
    CapCluster,
    Placed,
    Spec,
    TieredRequest,
    TieredResult,
    TieredSpec,
)
from ganetix.plan.capacity.size import Size
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.step import Counts, failures_of

LARGEST = 1 << 50
"""More than this of anything is a mistake."""


def tiered(cluster: CapCluster, request: TieredRequest) -> TieredResult:
    """What fits into a cluster.

    :raises BadParameter: an instance or node refers to something that is not there
    """
    return run_tiered(state_for(cluster, request), request)


def tiered_steps(
    cluster: CapCluster, request: TieredRequest
) -> Generator[None, None, TieredResult]:
    """The same bit by bit, some milliseconds each."""
    return (yield from run_tiered_steps(state_for(cluster, request), request))


def state_for(cluster: CapCluster, request: TieredRequest) -> ClusterState:
    """The state of a cluster under a request's limits."""
    return ClusterState.of(
        cluster, min_disk=request.free_disk, cpu_ratio=request.cpu_ratio
    )


def run_tiered(state: ClusterState, request: TieredRequest) -> TieredResult:
    """What fits into a state, which is full afterwards."""
    return driven(run_tiered_steps(state, request))


def run_standard(state: ClusterState, request: TieredRequest) -> TieredResult:
    """How many of the first spec of a request fit, one size only."""
    return driven(run_standard_steps(state, request))


def run_tiered_steps(
    state: ClusterState, request: TieredRequest
) -> Generator[None, None, TieredResult]:
    """``run_tiered`` bit by bit."""
    filling = Filling(state, request)
    yield from filling.prepare()
    if filling.refusal or filling.is_failing:
        return _nothing(filling)
    found: Counts = ()
    for size in sizes_of(state, request):
        found = yield from _tiers(filling, size)
    return _result(filling, found)


def run_standard_steps(
    state: ClusterState, request: TieredRequest
) -> Generator[None, None, TieredResult]:
    """``run_standard`` bit by bit."""
    filling = Filling(state, request)
    yield from filling.prepare()
    if filling.refusal or filling.is_failing:
        return _nothing(filling)
    found = yield from filling.fill(sizes_of(state, request)[0], request.limit)
    return _result(filling, found)


def sizes_of(state: ClusterState, request: TieredRequest) -> list[Size]:
    """The largest sizes that a request asks for.

    :raises BadParameter: one of them is out of all bounds
    """
    if not request.specs:
        specs = [bounds.max for bounds in state.hardware.cluster.policy.ranges]
        return [Size(s.memory, s.disk, s.vcpus, s.spindle_use) for s in specs]
    spindles = 1 if request.disk_spindles is None else request.disk_spindles
    for spec in request.specs:
        for name, least in (("memory", 1), ("disk", 0), ("vcpus", 1)):
            value = getattr(spec, name)
            if not least <= value <= LARGEST:
                raise BadParameter(
                    f"{name} {value} of an instance: {least} to {LARGEST} is allowed"
                )
    return [
        Size(spec.memory, spec.disk, spec.vcpus, spindles) for spec in request.specs
    ]


def _tiers(filling: Filling, size: Size) -> Generator[None, None, Counts]:
    """Fill with a size and all smaller ones.

    A limit is lowered after each size by all that was placed so far: hspace does that.
    """
    limit = filling.request.limit
    levels: list[Level] = []
    while True:
        before = len(filling.placed)
        found = yield from filling.fill(size, limit)
        count = len(filling.placed)
        if count > before:
            levels.clear()
        if limit is None or limit > count:
            limit = None if limit is None else limit - count
            level = yield from level_of(filling, size, found, limit)
            levels.append(level)
            if level.size.room(level.order[-1]):
                size = level.size.shrunk(level.order[-1])
                continue
        way = yield from way_out(filling, levels)
        levels.clear()
        if way is None:
            return found
        size, limit = way


def _nothing(filling: Filling) -> TieredResult:
    return TieredResult(
        tspecs=(),
        failures={"N1": 1} if filling.is_failing else {},
        reason=filling.refusal,
    )


def _result(filling: Filling, found: Counts) -> TieredResult:
    """What was placed, run-length encoded."""
    state = filling.state
    nodes = state.hardware.nodes
    guests = [state.guests[number] for number in filling.placed]
    sizes = [
        (guest.memory, guest.disk, guest.vcpus, guest.disk_spindles) for guest in guests
    ]
    placed = []
    for number in filling.placed:
        guest = state.guests[number]
        primary, secondary = state.homes[number]
        placed.append(
            Placed(
                spec=Spec(
                    memory=guest.memory,
                    disk=guest.disk,
                    vcpus=guest.vcpus,
                    disk_count=1,
                    spindle_use=guest.spindle_use,
                ),
                primary=nodes[primary].name,
                secondary="" if secondary == NONE else nodes[secondary].name,
            )
        )
    return TieredResult(
        tspecs=tuple(
            TieredSpec(
                memory=size[0],
                disk=size[1],
                vcpus=size[2],
                spindles=size[3],
                count=len(list(run)),
            )
            for size, run in groupby(sizes)
        ),
        placed=tuple(placed),
        failures=failures_of(found) if found else {},
    )
