"""What ``gnt-capacity`` tells people, in lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ganetix.plan.capacity.model import (
    CapCluster,
    FailureMode,
    Template,
    TieredResult,
)
from ganetix.plan.capacity.outcome import score_terms
from ganetix.plan.capacity.size import Size
from ganetix.plan.capacity.state import FAILING, UNALLOCATED, ClusterState
from ganetix.plan.capacity.totals import Totals

_SCARCE: dict[FailureMode, str] = {
    "Mem": "memory",
    "Disk": "disk",
    "CPU": "CPUs",
    "N1": "room for when a node fails (N+1)",
    "Tags": "nodes without conflicting tags",
    "Mig": "nodes that can migrate to each other",
    "DiskCount": "a policy for as many disks",
    "Spindles": "spindles",
    "Internal": "nothing in particular",
}
WORTH_TELLING_MIB = 512
"""Memory that is not accounted for is told from here on."""


def cluster(cluster: CapCluster, totals: Totals) -> list[str]:
    """The cluster in two lines."""
    groups = len(cluster.groups)
    return [
        f"Cluster: {totals.node_count} nodes in {groups} group{'s'[: groups != 1]},"
        f" {totals.inst_count} instances",
        f"  memory {totals.mem:.0f} MiB, disk {totals.disk:.0f} MiB,"
        f" {totals.cpu:.0f} CPUs for {totals.vcpu} vcpus",
    ]


def begins(kind: str, size: Size, template: Template) -> list[str]:
    """What an allocation begins with."""
    return [
        "",
        f"{kind} allocation of memory {size.memory} MiB, disk {size.disk} MiB,"
        f" {size.vcpus} vcpus, template {template}:",
    ]


def tiers(result: TieredResult) -> list[str]:
    """How many of each size."""
    if not result.tspecs:
        return ["  no more instances fit"]
    rows = [
        [str(one.count), str(one.memory), str(one.disk), str(one.vcpus)]
        for one in result.tspecs
    ]
    titles = ["instances", "memory", "disk", "vcpus"]
    return [f"  {line}" for line in aligned([titles, *rows])]


def count(result: TieredResult) -> list[str]:
    """How many of the one size."""
    return [f"  {len(result.placed) or 'no'} more instances fit"]


def outcome(before: Totals, after: Totals, result: TieredResult) -> Iterator[str]:
    """Why no more fit, and what is in use then."""
    if result.failures:
        most = max(result.failures.values())
        mode = next(one for one, times in result.failures.items() if times == most)
        yield f"  lacking then: {_SCARCE[mode]}"
    yield f"  score: {before.score:.8f} before, {after.score:.8f} after"
    parts = [
        ("memory", after.mem_inst, after.mem),
        ("disk", after.disk_inst, after.disk),
        ("vcpus", after.cpu_inst, after.vcpu),
    ]
    used = ", ".join(
        f"{name} {part / whole:.2%}" for name, part, whole in parts if whole
    )
    yield f"  in use: {used or 'nothing'}"


def placements(what: str, result: TieredResult) -> list[str]:
    """Where each instance went."""
    if not result.placed:
        return [f"{what} allocation placed nothing"]
    rows = [
        [
            f"new-{number}",
            one.primary,
            one.secondary,
            str(one.spec.memory),
            str(one.spec.disk),
            str(one.spec.vcpus),
        ]
        for number, one in enumerate(result.placed)
    ]
    titles = ["instance", "primary", "secondary", "memory", "disk", "vcpus"]
    return [
        f"{what} allocation placed:",
        *(f"  {line}" for line in aligned([titles, *rows], left=3)),
    ]


def terms(state: ClusterState) -> Iterator[str]:
    """What the score is made of."""
    yield "the score is made of:"
    for term in score_terms(state):
        yield f"  {term.value:14.8f} x {term.weight:5.2f}  {term.name}"


def left_out(state: ClusterState, accepts_errors: bool) -> Iterator[str]:
    """Nodes that are not N+1 safe, and those that may receive instances."""
    hardware = state.hardware
    bad = [
        number for number in hardware.online.tolist() if state.numbers[FAILING, number]
    ]
    names = ", ".join(hardware.nodes[number].name for number in bad)
    yield f"nodes that are not N+1 safe: {names or 'none'}"
    closed = set() if accepts_errors else {int(hardware.group[one]) for one in bad}
    usable = [
        hardware.nodes[number].name
        for number in hardware.online.tolist()
        if int(hardware.group[number]) not in closed
        and hardware.groups[hardware.group[number]].alloc_policy != "unallocable"
    ]
    yield f"nodes that may receive instances: {', '.join(usable) or 'none'}"


def unaccounted(state: ClusterState) -> Iterator[str]:
    """Nodes with memory that nobody is known to use."""
    for node, missing, free in zip(
        state.hardware.nodes, state.missing, state.numbers[UNALLOCATED], strict=True
    ):
        if not node.offline and missing > WORTH_TELLING_MIB:
            yield (
                f"warning: node {node.name}: {missing} MiB of memory are neither free"
                f" nor used by instances; {free} MiB count as free"
            )


def aligned(rows: Sequence[Sequence[str]], left: int = 0) -> Iterable[str]:
    """Columns of equal width; the first ``left`` ones are left-aligned."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield " ".join(cells).rstrip()
