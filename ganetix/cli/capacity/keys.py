"""The ``HTS_…`` lines that scripts read from hspace."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ganetix.allocators.columns import shown
from ganetix.plan.capacity.model import (
    FAILURE_MODES,
    TWO_NODES,
    Template,
    TieredResult,
)
from ganetix.plan.capacity.size import Size
from ganetix.plan.capacity.totals import Totals

Key = tuple[str, str]
_PLAIN = re.compile(r"[A-Za-z0-9.]*")


def key_line(key: Key) -> str:
    """``HTS_KEY=value``, quoted for a shell."""
    name, value = key
    quoted = value if _PLAIN.fullmatch(value) else f"'{value}'"
    return f"HTS_{name}={quoted}"


def cluster_keys(totals: Totals) -> Iterator[Key]:
    """What the cluster has."""
    yield "CLUSTER_MEM", f"{totals.mem:.0f}"
    yield "CLUSTER_DSK", f"{totals.disk:.0f}"
    yield "CLUSTER_CPU", f"{totals.cpu:.0f}"
    yield "CLUSTER_VCPU", str(totals.vcpu)
    yield "CLUSTER_SPN", str(totals.spindles)
    yield "CLUSTER_NODES", str(totals.node_count)


def phase_keys(phase: str, totals: Totals) -> Iterator[Key]:
    """The sums before (``INI``) or after an allocation (``TRL``, ``FIN``)."""
    values = (
        ("SCORE", _fixed(totals.score)),
        ("INST_CNT", totals.inst_count),
        ("MEM_FREE", totals.mem_free),
        ("MEM_AVAIL", totals.mem_avail),
        ("MEM_RESVD", totals.mem_reserved),
        ("MEM_INST", totals.mem_inst),
        ("MEM_OVERHEAD", totals.mem_overhead),
        ("MEM_EFF", _ratio(totals.mem_inst, totals.mem)),
        ("DSK_FREE", totals.disk_free),
        ("DSK_AVAIL", totals.disk_avail),
        ("DSK_RESVD", totals.disk_reserved),
        ("DSK_INST", totals.disk_inst),
        ("DSK_EFF", _ratio(totals.disk_inst, totals.disk)),
        ("SPN_FREE", totals.spindles_free),
        ("SPN_INST", totals.spindles_inst),
        ("SPN_EFF", _ratio(totals.spindles_inst, totals.spindles)),
        ("CPU_INST", totals.cpu_inst),
        ("CPU_EFF", _ratio(totals.cpu_inst, totals.vcpu)),
        ("MNODE_MEM_AVAIL", totals.max_mem_avail),
        ("MNODE_DSK_AVAIL", totals.max_disk_avail),
    )
    for name, value in values:
        yield f"{phase}_{name}", str(value)


def spec_keys(prefix: str, size: Size, template: Template) -> Iterator[Key]:
    """The instance that an allocation begins with."""
    yield f"{prefix}_MEM", str(size.memory)
    yield f"{prefix}_DSK", str(size.disk)
    yield f"{prefix}_CPU", str(size.vcpus)
    yield f"{prefix}_SPN", str(size.spindles)
    yield f"{prefix}_RQN", "2" if template in TWO_NODES else "1"
    yield f"{prefix}_DISK_TEMPLATE", "drbd" if template == "mirror" else template


def tiered_keys(before: Totals, after: Totals, result: TieredResult) -> Iterator[Key]:
    """What was placed by tiered allocation, and what that leaves."""
    yield from phase_keys("TRL", after)
    yield (
        "TSPEC",
        " ".join(
            f"{one.memory},{one.disk},{one.vcpus},{one.spindles}={one.count}"
            for one in result.tspecs
        ),
    )
    amounts = _amounts(before), _amounts(after)
    yield from _amount_keys("USED", amounts[0])
    placed = [new - old for old, new in zip(*amounts, strict=True)]
    yield from _amount_keys("POOL", placed)
    most = [
        float(after.vcpu),
        after.cpu,
        float(after.mem),
        float(after.disk),
        float(after.spindles),
    ]
    rest = [all_ - used for all_, used in zip(most, amounts[1], strict=True)]
    yield from _amount_keys("UNAV", rest)


def standard_keys(
    before: Totals, after: Totals, result: TieredResult, *, is_refused: bool
) -> Iterator[Key]:
    """What standard allocation came to.

    :param is_refused: nothing was tried, for there are nodes that are not N+1 safe
    """
    yield from phase_keys("FIN", after)
    yield "ALLOC_USAGE", _ratio(before.inst_count, after.inst_count)
    yield "ALLOC_INSTANCES", str(len(result.placed))
    counts = {mode: result.failures.get(mode, 0) for mode in FAILURE_MODES}
    if is_refused:
        counts = result.failures
    modes = sorted(counts, key=lambda mode: -counts[mode])
    yield "ALLOC_FAIL_REASON", f"FAIL{modes[0].upper()}"
    for mode in modes:
        yield f"ALLOC_FAIL{mode.upper()}_CNT", str(counts[mode])


def _amounts(totals: Totals) -> list[float]:
    return [
        totals.cpu_inst,
        totals.npu,
        totals.mem_inst,
        totals.disk_inst,
        totals.spindles_inst,
    ]


def _amount_keys(part: str, values: Sequence[float]) -> Iterator[Key]:
    cpu, npu, memory, disk, spindles = values
    yield f"KM_{part}_CPU", f"{cpu:.0f}"
    yield f"KM_{part}_NPU", shown(npu)
    yield f"KM_{part}_MEM", f"{memory:.0f}"
    yield f"KM_{part}_DSK", f"{disk:.0f}"
    yield f"KM_{part}_SPN", f"{spindles:.0f}"


def _ratio(part: float, whole: float) -> str:
    if whole:
        return _fixed(part / whole)
    return _fixed(float("nan") if not part else float("inf") * part)


def _fixed(value: float) -> str:
    """Eight decimals, rounded as Haskell does: the shortest decimal form of the number
    decides, and a half goes to the even side."""
    if not math.isfinite(value):
        return shown(value)
    return f"{Decimal(repr(float(value))):.8f}"
