"""Why no more fits, and what would change that; each answer is a computation anew."""

from __future__ import annotations

from collections.abc import Generator
from typing import Union

from msgspec.structs import replace

from ganetix.errors import NotFound
from ganetix.objects.base import Value
from ganetix.plan.capacity.driven import driven
from ganetix.plan.capacity.model import (
    FAILURE_MODES,
    CapCluster,
    CapNode,
    FailureMode,
    Spec,
    TieredRequest,
)
from ganetix.plan.capacity.state import (
    DISK,
    RESERVE,
    UNALLOCATED,
    VCPUS,
    ClusterState,
)
from ganetix.plan.capacity.tiered import run_standard_steps, state_for

TIGHTEST = 3
"""How many nodes are told."""


class TightNode(Value, frozen=True, kw_only=True):
    """A node and what it has least of; ``share`` is what is left of all it may give.

    ``left`` is MiB of memory or disk, or a number of vcpus.
    """

    name: str
    resource: str
    left: int
    share: float


class Explanation(Value, frozen=True, kw_only=True):
    """How many of an instance fit, and what stands against one more.

    ``shortage`` is what fails most often then, ``failures`` how often each;
    ``tightest`` are the nodes with the least left as it is now. ``reason`` says in
    words why nothing can even be tried.
    """

    fits: int
    shortage: FailureMode | None
    failures: dict[FailureMode, int]
    tightest: tuple[TightNode, ...]
    reason: str = ""


class OneMoreNode(Value, frozen=True, kw_only=True, tag="one-more-node"):
    """An empty node like one that is there, in the same group."""

    like: str


class OneNodeLess(Value, frozen=True, kw_only=True, tag="one-node-less"):
    """A node that receives nothing any more, and has to be evacuated."""

    name: str


class OtherCpuRatio(Value, frozen=True, kw_only=True, tag="other-cpu-ratio"):
    """Another number of vcpus for each CPU."""

    ratio: float


Change = Union[OneMoreNode, OneNodeLess, OtherCpuRatio]  # noqa: UP007


class WhatIf(Value, frozen=True, kw_only=True):
    """How many would fit after a change, and how many more that are."""

    change: Change
    fits: int
    gain: int


def fits(cluster: CapCluster, spec: Spec, request: TieredRequest) -> int:
    """How many instances of one size fit, under a request's rules."""
    return driven(fits_steps(cluster, replace(request, specs=(spec,))))


def fits_steps(
    cluster: CapCluster, request: TieredRequest
) -> Generator[None, None, int]:
    """How many of a request's first spec fit, bit by bit."""
    state = state_for(cluster, request)
    result = yield from run_standard_steps(state, request)
    return len(result.placed)


def explain(cluster: CapCluster, request: TieredRequest) -> Explanation:
    """What stands against more of a request's first spec."""
    return driven(explain_steps(cluster, request))


def explain_steps(
    cluster: CapCluster, request: TieredRequest
) -> Generator[None, None, Explanation]:
    """The same bit by bit."""
    state = state_for(cluster, request)
    tightest = tightest_nodes(state)
    result = yield from run_standard_steps(state, request)
    shortage = None
    if result.failures:
        shortage = max(
            result.failures,
            key=lambda mode: (result.failures[mode], FAILURE_MODES.index(mode)),
        )
    return Explanation(
        fits=len(result.placed),
        shortage=shortage,
        failures=result.failures,
        tightest=tightest,
        reason=result.reason,
    )


def tightest_nodes(state: ClusterState, most: int = TIGHTEST) -> tuple[TightNode, ...]:
    """Online nodes with the smallest share left of any resource, the tightest first."""
    found = (_tightness(state, node) for node in state.hardware.online.tolist())
    return tuple(sorted(found, key=lambda node: (node.share, node.name))[:most])


def _tightness(state: ClusterState, node: int) -> TightNode:
    """What a node has least of."""
    hardware, numbers = state.hardware, state.numbers[:, node]
    cpus = hardware.vcpu_ratio[node] * hardware.cpus[node]
    left = {
        "memory": (numbers[UNALLOCATED] - numbers[RESERVE], hardware.memory[node]),
        "disk": (numbers[DISK] - hardware.kept_disk[node], hardware.disk[node]),
        "vcpus": (cpus - numbers[VCPUS], cpus),
    }
    shares = {
        name: (max(0.0, float(part)) / float(whole), int(max(0, part)))
        for name, (part, whole) in left.items()
        if whole > 0
    }
    if not shares:
        return TightNode(name=hardware.nodes[node].name, resource="", left=0, share=0.0)
    name = min(shares, key=lambda name: shares[name])
    share, amount = shares[name]
    return TightNode(
        name=hardware.nodes[node].name, resource=name, left=amount, share=share
    )


def what_if(
    cluster: CapCluster,
    request: TieredRequest,
    change: Change,
    before: int | None = None,
) -> WhatIf:
    """How many of a request's first spec would fit after a change.

    ``before`` is how many fit now, if that is known.

    :raises NotFound: there is no node of that name
    """
    return driven(what_if_steps(cluster, request, change, before))


def what_if_steps(
    cluster: CapCluster,
    request: TieredRequest,
    change: Change,
    before: int | None = None,
) -> Generator[None, None, WhatIf]:
    """The same bit by bit."""
    changed, asked = _changed(cluster, request, change)
    if before is None:
        before = yield from fits_steps(cluster, request)
    after = yield from fits_steps(changed, asked)
    return WhatIf(change=change, fits=after, gain=after - before)


def _changed(
    cluster: CapCluster, request: TieredRequest, change: Change
) -> tuple[CapCluster, TieredRequest]:
    match change:
        case OtherCpuRatio(ratio=ratio):
            return cluster, replace(request, cpu_ratio=ratio)
        case OneMoreNode(like=like):
            nodes = (*cluster.nodes, _empty(_node(cluster, like), cluster.nodes))
            return replace(cluster, nodes=nodes), request
        case OneNodeLess(name=name):
            gone = replace(_node(cluster, name), offline=True)
            nodes = tuple(gone if node.name == name else node for node in cluster.nodes)
            return replace(cluster, nodes=nodes), request


def _node(cluster: CapCluster, name: str) -> CapNode:
    for node in cluster.nodes:
        if node.name == name:
            return node
    raise NotFound(f"no node {name}", node=name)


def _empty(like: CapNode, nodes: tuple[CapNode, ...]) -> CapNode:
    """A node as it came from the factory, with a name of its own."""
    names = {node.name for node in nodes}
    name = f"{like.name}+1"
    while name in names:
        name += "+1"
    return replace(
        like,
        name=name,
        free_memory=like.total_memory - like.node_memory,
        free_disk=like.total_disk,
        free_spindles=like.spindles if like.exclusive_storage else 0,
        offline=False,
        master=False,
    )
