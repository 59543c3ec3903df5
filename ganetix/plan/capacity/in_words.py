"""Explanations of capacity as lines for an administrator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ganetix.errors import BadParameter
from ganetix.plan.capacity.explain import (
    Change,
    Explanation,
    OneMoreNode,
    OneNodeLess,
    OtherCpuRatio,
    TightNode,
    WhatIf,
    explain,
    what_if,
)
from ganetix.plan.capacity.model import CapCluster, FailureMode, TieredRequest

WORDS: dict[FailureMode, str] = {
    "Mem": "memory",
    "Disk": "disk",
    "CPU": "virtual CPUs",
    "N1": "redundancy (N+1)",
    "Tags": "exclusion tags",
    "Mig": "migration tags",
    "DiskCount": "the policy's number of disks",
    "Spindles": "spindles",
    "Internal": "nothing that can be named",
}


def explained(
    cluster: CapCluster, request: TieredRequest, changes: Sequence[str]
) -> tuple[str, ...]:
    """How many of the largest instance fit, what runs out, what changes would bring.

    Without changes named: one more node like the tightest one, and without that.
    ``BadParameter`` or ``NotFound`` for a change that cannot be.
    """
    asked = [_change(text) for text in changes]
    found = explain(cluster, request)
    if not asked and found.tightest:
        name = found.tightest[0].name
        asked = [OneMoreNode(like=name), OneNodeLess(name=name)]
    what_ifs = (what_if(cluster, request, change, found.fits) for change in asked)
    return (*_lines(found), *(_what_if_line(each) for each in what_ifs))


def _change(text: str) -> Change:
    kind, _, value = text.partition("=")
    match kind:
        case "more" if value:
            return OneMoreNode(like=value)
        case "without" if value:
            return OneNodeLess(name=value)
        case "cpu-ratio":
            try:
                return OtherCpuRatio(ratio=float(value))
            except ValueError:
                pass
    raise BadParameter(
        f"what_if: {text!r} is not more=NODE, without=NODE or cpu-ratio=NUMBER"
    )


def _lines(found: Explanation) -> Iterator[str]:
    if found.reason:
        yield found.reason
        return
    shortage = f"; {WORDS[found.shortage]} runs out first" if found.shortage else ""
    yield f"{found.fits} of the largest instance fit{shortage}"
    for node in found.tightest:
        yield _node_line(node)


def _node_line(node: TightNode) -> str:
    unit = {"memory": " MiB of memory", "disk": " MiB of disk"}.get(
        node.resource, f" {node.resource}"
    )
    return f"tight: {node.name} has {node.left}{unit} left ({node.share:.0%})"


def _what_if_line(found: WhatIf) -> str:
    change = found.change
    if isinstance(change, OneMoreNode):
        what = f"one more node like {change.like}"
    elif isinstance(change, OneNodeLess):
        what = f"without node {change.name}"
    else:
        what = f"with max_cpu_ratio {change.ratio:g}"
    return f"{what}: {found.gain:+d}"
