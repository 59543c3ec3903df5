"""What ``OpComputeCapacity`` answers: groups apart, and the cluster as their sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec.structs import asdict, replace

from ganetix.objects import CapacityOverrides, CapacityParams, InstanceSize
from ganetix.objects.base import Value
from ganetix.objects.group import AllocationPolicy
from ganetix.plan.capacity.model import TieredSpec

Row = tuple[int, int, int, int]
"""Memory and disk in MiB, virtual CPUs, how many."""


class GroupReport(Value, frozen=True, kw_only=True):
    """One group: its capacity, the parameters it was computed with, from what state.

    ``fits`` are how many of each size asked for; ``reason`` says why nothing could
    even be tried. ``revision`` is that of the configuration, ``ctime`` the time;
    ``explanation`` are printable lines, if they were asked for.
    """

    name: str
    alloc_policy: AllocationPolicy
    tspecs: tuple[Row, ...]
    max_inst_spec: InstanceSize
    default_template: str
    max_cpu_ratio: float
    max_disk_usage: float
    fits: tuple[int, ...] = ()
    reason: str = ""
    revision: int
    ctime: float
    cached: bool = False
    explanation: tuple[str, ...] = ()


class CapacityReport(Value, frozen=True, kw_only=True):
    """All groups by UUID, and the cluster; ``ctime`` is the oldest of theirs (R42)."""

    cluster: tuple[Row, ...]
    node_groups: dict[str, GroupReport]
    ctime: float
    fits: tuple[int, ...] = ()


def with_overrides(
    params: CapacityParams, overrides: CapacityOverrides
) -> CapacityParams:
    """A group's parameters with those of the request in their place."""
    given = asdict(overrides).items()
    return replace(
        params, **{name: value for name, value in given if value is not None}
    )


def rows_of(tspecs: Iterable[TieredSpec]) -> tuple[Row, ...]:
    """Specifications as the opcode answers them, in their order."""
    return tuple((t.memory, t.disk, t.vcpus, t.count) for t in tspecs)


def cluster_report(groups: Mapping[str, GroupReport], now: float) -> CapacityReport:
    """The cluster's list is the sum of the groups', larger ones first.

    Groups in which nothing may be placed count nothing.
    """
    counts: Counter[tuple[int, int, int]] = Counter()
    fits: list[int] = []
    for group in groups.values():
        fits = fits or [0] * len(group.fits)
        if group.alloc_policy == "unallocable":
            continue
        for memory, disk, vcpus, count in group.tspecs:
            counts[memory, disk, vcpus] += count
        fits = [total + count for total, count in zip(fits, group.fits, strict=True)]
    return CapacityReport(
        cluster=tuple((*size, counts[size]) for size in sorted(counts, reverse=True)),
        node_groups=dict(groups),
        ctime=min((group.ctime for group in groups.values()), default=now),
        fits=tuple(fits),
    )
