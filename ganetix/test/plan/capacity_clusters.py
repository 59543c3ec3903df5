"""Clusters for the tests of capacity: by hand, at random, and from samples."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from hypothesis import strategies as st

import ganetix.test
from ganetix.allocators.htools_text import read_text
from ganetix.plan.capacity.model import (
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    GuestStatus,
    Policy,
    Spec,
    SpecRange,
    Template,
    TieredRequest,
)

SAMPLES = Path(ganetix.test.__file__).with_name("samples") / "capacity"
OPEN = SpecRange(
    min=Spec(),
    max=Spec(
        memory=1 << 50,
        vcpus=1 << 50,
        disk=1 << 50,
        disk_count=16,
        nic_count=8,
        spindle_use=1024,
    ),
)
GROUP = CapGroup(uuid="g-1", name="group1", policy=Policy(ranges=(OPEN,)))
STATUSES: tuple[GuestStatus, ...] = ("running", "ADMIN_down", "ADMIN_offline")
TEMPLATES: tuple[Template, ...] = ("drbd", "plain", "diskless", "file")


def make_node(number: int, /, group: CapGroup = GROUP, **changes: object) -> CapNode:
    """A node with 16 GiB, 500 GiB and 8 CPUs, all of it free."""
    node = CapNode(
        name=f"n{number}",
        group=group.uuid,
        total_memory=16384,
        node_memory=512,
        free_memory=15872,
        total_disk=512000,
        free_disk=512000,
        total_cpus=8,
    )
    return msgspec.structs.replace(node, **changes)


def make_cluster(count: int, **changes: object) -> CapCluster:
    """Equal nodes in one group without a policy that refuses anything."""
    nodes = tuple(make_node(number, GROUP, **changes) for number in range(count))
    return CapCluster(groups=(GROUP,), nodes=nodes)


def a_request(template: Template, **changes: object) -> TieredRequest:
    """Instances of 4 GiB, 50 GiB and 2 vcpus, and smaller ones."""
    asked = TieredRequest(
        template=template,
        specs=(Spec(memory=4096, disk=51200, vcpus=2),),
        spindle_use=0,
    )
    return msgspec.structs.replace(asked, **changes)


@st.composite
def clusters(draw: st.DrawFn, most: int = 7, least: int = 2) -> CapCluster:
    """Small clusters with instances of all kinds; nodes report what these leave."""
    groups = [GROUP]
    if draw(st.booleans()):
        groups.append(msgspec.structs.replace(GROUP, uuid="g-2", name="group2"))
    kinds = [(16384, 512000, 8), (12345, 204800, 4), (32768, 300000, 16)]
    nodes = []
    for number in range(draw(st.integers(least, most))):
        memory, disk, cpus = draw(st.sampled_from(kinds))
        node = make_node(
            number,
            draw(st.sampled_from(groups)),
            total_memory=memory,
            total_disk=disk,
            total_cpus=cpus,
            node_memory=draw(st.sampled_from((0, 512))),
            offline=draw(st.integers(0, 9)) == 0,
        )
        nodes.append(node)
    free = {node.name: node.total_memory - node.node_memory for node in nodes}
    disk_free = {node.name: node.total_disk for node in nodes}
    instances = []
    for number in range(draw(st.integers(0, 4 * len(nodes)))):
        primary = draw(st.sampled_from(nodes))
        template = draw(st.sampled_from(TEMPLATES))
        partners = [
            node
            for node in nodes
            if node.group == primary.group and node is not primary
        ]
        if template == "drbd" and not partners:
            template = "plain"
        homes = [primary.name]
        if template == "drbd":
            homes.append(draw(st.sampled_from(partners)).name)
        memory = draw(st.sampled_from((256, 1024, 3000)))
        if free[primary.name] < memory or any(disk_free[h] < 9000 for h in homes):
            continue
        status = draw(st.sampled_from(STATUSES))
        free[primary.name] -= memory if status == "running" else 0
        for home in homes if template in ("drbd", "plain") else ():
            disk_free[home] -= 8000
        instances.append(
            CapInstance(
                name=f"i{number}",
                memory=memory,
                disk=8000,
                vcpus=draw(st.integers(1, 3)),
                status=status,
                auto_balance=draw(st.integers(0, 9)) > 0,
                primary=homes[0],
                secondary=homes[1] if len(homes) > 1 else "",
                template=template,
                spindle_use=0,
            )
        )
    return CapCluster(
        groups=tuple(groups),
        nodes=tuple(
            msgspec.structs.replace(
                node,
                free_memory=free[node.name],
                free_disk=disk_free[node.name],
            )
            for node in nodes
        ),
        instances=tuple(instances),
    )


class Sample(msgspec.Struct, frozen=True):
    """A request, and what Debian's hspace 3.0.2 answers: specs, or its complaint."""

    request: TieredRequest
    tspec: str
    refusal: str


def samples() -> dict[str, tuple[CapCluster, Sample]]:
    """The sample clusters with what is known of them."""
    found = json.loads((SAMPLES / "expected.json").read_text("utf-8"))
    return {
        name: (
            read_text((SAMPLES / f"{name}.data").read_text("utf-8")),
            msgspec.convert(sample, Sample),
        )
        for name, sample in found.items()
    }
