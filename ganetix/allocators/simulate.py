"""Clusters that are not there: a group of equal, empty nodes for each description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ganetix.allocators.htools_policy import BUILT_IN
from ganetix.allocators.units import number_of, size_of
from ganetix.errors import BadParameter
from ganetix.objects.group import AllocationPolicy
from ganetix.plan.capacity.model import CapCluster, CapGroup, CapNode

MAX_NODES = 100_000
_POLICIES: dict[str, AllocationPolicy] = {
    "p": "preferred",
    "a": "last_resort",
    "u": "unallocable",
    "preferred": "preferred",
    "last_resort": "last_resort",
    "unallocable": "unallocable",
}
_FLAGS = {"true": True, "false": False}


class _Kind(NamedTuple):
    policy: AllocationPolicy
    node_count: int
    disk: int
    memory: int
    cpus: int
    spindles: int
    exclusive_storage: bool


def simulated(descriptions: Sequence[str]) -> CapCluster:
    """The cluster of these groups, in the *reverse* order, as htools has it.

    A description is ``policy,nodes,disk,memory,cpus[,spindles[,exclusive storage]]``;
    see ``size_of`` for the sizes. ``BadParameter`` names the part that is wrong.
    """
    kinds = [_kind(text) for text in reversed(descriptions)]
    if sum(kind.node_count for kind in kinds) > MAX_NODES:
        raise BadParameter(f"more than {MAX_NODES} simulated nodes")
    return CapCluster(
        groups=tuple(
            CapGroup(
                name=f"group-{number:02d}",
                uuid=f"fake-uuid-{number:02d}",
                alloc_policy=kind.policy,
                policy=BUILT_IN,
            )
            for number, kind in enumerate(kinds, 1)
        ),
        nodes=tuple(_nodes(kinds)),
        policy=BUILT_IN,
    )


def _nodes(kinds: Sequence[_Kind]) -> Iterator[CapNode]:
    is_first = True
    for group, kind in enumerate(kinds, 1):
        for number in range(1, kind.node_count + 1):
            yield CapNode(
                name=f"node-{group:02d}-{number:03d}",
                group=f"fake-uuid-{group:02d}",
                total_memory=kind.memory,
                free_memory=kind.memory,
                total_disk=kind.disk,
                free_disk=kind.disk,
                total_cpus=kind.cpus,
                node_cpus=1,
                spindles=kind.spindles,
                exclusive_storage=kind.exclusive_storage,
                master=is_first,
            )
            is_first = False


def _kind(text: str) -> _Kind:
    parts = text.split(",")
    if not 5 <= len(parts) <= 7:
        raise BadParameter(
            f"{text!r} is not POLICY,NODES,DISK,MEMORY,CPUS[,SPINDLES[,EXCLUSIVE]]"
        )
    policy, count, disk, memory, cpus, *rest = parts
    if policy not in _POLICIES:
        raise BadParameter(
            f"{text!r}: allocation policy {policy!r} is not p (preferred), a"
            " (last_resort) or u (unallocable)"
        )
    exclusive = rest[1] if len(rest) > 1 else "false"
    if exclusive.lower() not in _FLAGS:
        raise BadParameter(
            f"{text!r}: exclusive storage is {exclusive!r}, not True or False"
        )
    return _Kind(
        policy=_POLICIES[policy],
        node_count=number_of(f"{text!r}: number of nodes", count),
        disk=size_of(f"{text!r}: disk", disk),
        memory=size_of(f"{text!r}: memory", memory),
        cpus=number_of(f"{text!r}: cpus", cpus),
        spindles=number_of(f"{text!r}: spindles", rest[0]) if rest else 1,
        exclusive_storage=_FLAGS[exclusive.lower()],
    )
