"""What the tests of allocators share: where the other side's programs and data are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st

from ganetix.allocators.htools_policy import HTOOLS_TEMPLATES
from ganetix.plan.capacity.model import (
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    Policy,
    Spec,
    SpecRange,
)

HAIL = Path("/usr/lib/ganeti/iallocators/hail")
HSPACE = shutil.which("hspace")


def vectors() -> Iterator[Path]:
    """The clusters of the reference vectors, if they are on this machine."""
    given = os.environ.get("GANETIX_CAPACITY_VECTORS")
    places = [Path(given)] if given else []
    for parent in Path(__file__).resolve().parents:
        places.append(parent / "shared/capacity-vectors")
    for place in places:
        if place.is_dir():
            yield from sorted(place.glob("*.data"))
            return


NAMES = st.text("abcxyz019.-_: é", min_size=1, max_size=8)
TAGS = st.lists(NAMES, max_size=3).map(tuple)
AMOUNTS = st.integers(0, 10**9)
SPECS = st.builds(
    Spec,
    memory=AMOUNTS,
    vcpus=AMOUNTS,
    disk=AMOUNTS,
    disk_count=AMOUNTS,
    nic_count=AMOUNTS,
    spindle_use=AMOUNTS,
)
RATIOS = st.floats(0, 1e12, allow_nan=False)
POLICIES = st.builds(
    Policy,
    std=SPECS,
    ranges=st.lists(st.builds(SpecRange, min=SPECS, max=SPECS), max_size=3).map(tuple),
    templates=st.lists(st.sampled_from(HTOOLS_TEMPLATES), unique=True).map(tuple),
    vcpu_ratio=RATIOS,
    spindle_ratio=RATIOS,
)


@st.composite
def clusters(draw: st.DrawFn, max_nodes: int = 5) -> CapCluster:
    """Clusters as the text format can hold them."""
    groups = tuple(
        CapGroup(
            name=name,
            uuid=f"uuid-{number}",
            alloc_policy=draw(
                st.sampled_from(("preferred", "last_resort", "unallocable"))
            ),
            tags=draw(TAGS),
            networks=draw(TAGS),
            policy=draw(POLICIES),
        )
        for number, name in enumerate(
            draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
        )
    )
    names = draw(st.lists(NAMES, min_size=1, max_size=max_nodes, unique=True))
    nodes = tuple(_node(draw, name, groups) for name in names)
    return CapCluster(
        groups=groups,
        nodes=nodes,
        instances=tuple(
            _instance(draw, name, names)
            for name in draw(st.lists(NAMES, max_size=5, unique=True))
        ),
        tags=draw(TAGS),
        policy=draw(POLICIES),
    )


def _node(draw: st.DrawFn, name: str, groups: tuple[CapGroup, ...]) -> CapNode:
    offline = draw(st.booleans())
    return CapNode(
        name=name,
        group=draw(st.sampled_from(groups)).uuid,
        total_memory=draw(AMOUNTS),
        node_memory=draw(AMOUNTS),
        free_memory=draw(st.integers(-(10**6), 10**9)),
        total_disk=draw(AMOUNTS),
        free_disk=draw(st.integers(-(10**6), 10**9)),
        total_cpus=float(draw(st.integers(0, 512))),
        node_cpus=draw(st.integers(0, 8)),
        cpu_speed=draw(st.sampled_from((1.0, 0.05, 2.5))),
        offline=offline,
        master=not offline and draw(st.booleans()),
        spindles=draw(st.integers(0, 9)),
        free_spindles=draw(st.integers(-2, 9)),
        exclusive_storage=draw(st.booleans()),
        tags=draw(TAGS),
    )


def _instance(draw: st.DrawFn, name: str, nodes: list[str]) -> CapInstance:
    primary = draw(st.sampled_from(nodes))
    others = ["", *(node for node in nodes if node != primary)]
    return CapInstance(
        name=name,
        memory=draw(AMOUNTS),
        disk=draw(AMOUNTS),
        vcpus=draw(st.integers(0, 64)),
        status=draw(st.sampled_from(("running", "ADMIN_down", "ADMIN_offline"))),
        auto_balance=draw(st.booleans()),
        primary=primary,
        secondary=draw(st.sampled_from(others)),
        template=draw(st.sampled_from(HTOOLS_TEMPLATES)),
        tags=draw(TAGS),
        spindle_use=draw(st.integers(0, 9)),
        disk_spindles=draw(st.none() | st.integers(0, 9)),
        forthcoming=draw(st.booleans()),
    )
