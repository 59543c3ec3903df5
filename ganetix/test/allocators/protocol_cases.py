"""A small cluster, and a request of every kind about it."""

from __future__ import annotations

from ganetix.objects.params import CapacityOverrides, InstanceSize
from ganetix.plan.capacity.model import CapCluster, CapGroup, CapInstance, CapNode
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    AnyRequest,
    Capacity,
    ChangeGroup,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
    Relocate,
)


def node(name: str, group: str = "u1", **values: bool) -> CapNode:
    """A node with room."""
    return CapNode(
        name=name,
        group=group,
        total_memory=16384,
        node_memory=512,
        free_memory=15000,
        total_disk=204800,
        free_disk=204800,
        total_cpus=8,
        offline=values.get("offline", False),
    )


CLUSTER = CapCluster(
    groups=(
        CapGroup(uuid="u1", name="g1"),
        CapGroup(uuid="u2", name="g2", alloc_policy="last_resort"),
    ),
    nodes=(
        *(node(f"n{number}") for number in range(1, 5)),
        node("off", offline=True),
        node("far", "u2"),
        node("far2", "u2"),
    ),
    instances=(
        CapInstance(
            name="i1",
            memory=1024,
            disk=10368,
            disks=(10240,),
            vcpus=1,
            primary="n1",
            secondary="n2",
            template="drbd",
        ),
        CapInstance(
            name="i2", memory=512, disk=1024, vcpus=1, primary="n1", template="rbd"
        ),
    ),
)


PAIR = Newcomer(
    name="new", memory=512, vcpus=2, disk=1152, disks=(1024,), template="drbd"
)


SINGLE = Newcomer(
    name="one",
    memory=512,
    vcpus=2,
    disk=1152,
    disks=(1000, 152),
    disk_spindles=3,
    template="plain",
    networks=("", "net1"),
    tags=("t",),
    os="tiny",
    hypervisor="kvm",
    restrict_to_nodes=("n1", "n2"),
)


REQUESTS: tuple[AnyRequest, ...] = (
    Allocate(instance=PAIR),
    Allocate(instance=SINGLE, group="g1"),
    MultiAllocate(instances=(PAIR, SINGLE), group="g1"),
    Relocate(instance="i1", relocate_from=("n2",)),
    NodeEvacuate(instances=("i1", "i2"), mode="secondary-only"),
    ChangeGroup(instances=("i1",), target_groups=("u2",)),
    AllocateSecondary(instance="i2"),
    Capacity(
        groups=("u1",),
        parameters={
            "u1": CapacityOverrides(
                max_inst_spec=InstanceSize(memory_mib=1, disk_mib=2, vcpus=3),
                max_cpu_ratio=2.0,
            )
        },
    ),
)
