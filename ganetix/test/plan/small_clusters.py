"""Small clusters for tests of allocation, made by hand."""

from __future__ import annotations

from typing import Any

from ganetix.objects.group import AllocationPolicy
from ganetix.plan.allocate import answer
from ganetix.plan.capacity.model import (
    TEMPLATES,
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    Policy,
    Spec,
    SpecRange,
    Template,
)
from ganetix.plan.capacity.requests import (
    Allocate,
    AnyRequest,
    Moves,
    Newcomer,
    Nodes,
    Placements,
)

POLICY = Policy(
    ranges=(
        SpecRange(
            min=Spec(memory=1, vcpus=1),
            max=Spec(
                memory=1 << 20,
                vcpus=64,
                disk=1 << 30,
                disk_count=16,
                nic_count=8,
                spindle_use=64,
            ),
        ),
    ),
    templates=TEMPLATES,
)


def group(
    name: str = "a", alloc_policy: AllocationPolicy = "preferred", **more: Any
) -> CapGroup:
    """A group whose UUID is ``u-NAME``."""
    return CapGroup(
        uuid=f"u-{name}",
        name=name,
        alloc_policy=alloc_policy,
        **{"policy": POLICY} | more,
    )


def node(name: str, group: str = "a", free: int = 8000, **more: Any) -> CapNode:
    """A node of 10000 MiB, 100000 MiB of disk and 8 CPUs."""
    facts: dict[str, Any] = {
        "total_memory": 10000,
        "total_disk": 100000,
        "free_disk": 90000,
        "total_cpus": 8,
    }
    return CapNode(name=name, group=f"u-{group}", free_memory=free, **facts | more)


def instance(
    name: str,
    primary: str,
    secondary: str = "",
    *,
    memory: int = 1000,
    template: Template | None = None,
    **more: Any,
) -> CapInstance:
    """An instance with a disk of 1024 MiB; with a secondary node it is mirrored."""
    return CapInstance(
        name=name,
        primary=primary,
        secondary=secondary,
        memory=memory,
        template=template or ("drbd" if secondary else "plain"),
        **{"disk": 1024, "vcpus": 1, "spindle_use": 0} | more,
    )


def newcomer(template: Template = "drbd", memory: int = 1000, **more: Any) -> Newcomer:
    """An instance to place."""
    facts: dict[str, Any] = {"name": "new", "disk": 1024, "vcpus": 1, "spindle_use": 0}
    return Newcomer(template=template, memory=memory, **facts | more)


def cluster(
    *parts: CapGroup | CapNode | CapInstance, tags: tuple[str, ...] = ()
) -> CapCluster:
    """A cluster of parts; of one group if there is none among them."""
    groups = tuple(part for part in parts if isinstance(part, CapGroup))
    return CapCluster(
        groups=groups or (group(),),
        nodes=tuple(part for part in parts if isinstance(part, CapNode)),
        instances=tuple(part for part in parts if isinstance(part, CapInstance)),
        tags=tags,
        policy=POLICY,
    )


def nodes_for(given: CapCluster, request: AnyRequest) -> tuple[str, ...]:
    """The nodes of an answer that has just these; none if there is no solution."""
    result = answer(given, request).result
    return result.nodes if isinstance(result, Nodes) else ()


def place(given: CapCluster, one: Newcomer, group: str = "") -> tuple[str, ...]:
    """Where one instance goes."""
    return nodes_for(given, Allocate(instance=one, group=group))


def moves(given: CapCluster, request: AnyRequest) -> Moves:
    """The moves of an answer."""
    result = answer(given, request).result
    if not isinstance(result, Moves):
        raise AssertionError(f"not moves: {result}")
    return result


def placements(given: CapCluster, request: AnyRequest) -> Placements:
    """The placements of an answer."""
    result = answer(given, request).result
    if not isinstance(result, Placements):
        raise AssertionError(f"not placements: {result}")
    return result
