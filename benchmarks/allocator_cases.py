"""Random requests to allocators, each of one seed."""

from __future__ import annotations

import random

from clusters import ClusterCase
from clusters_roomy import roomy_cluster
from msgspec.structs import replace

from ganetix.allocators.protocol import read_document, request_document
from ganetix.plan.capacity.model import TWO_NODES, CapCluster, Policy, Spec, SpecRange
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    AnyRequest,
    ChangeGroup,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
    Relocate,
)

KINDS = (
    *("allocate",) * 4,
    *("relocate", "evacuate", "evacuate", "change-group", "change-group"),
    *("multi", "secondary"),
)
TAGS = (
    "htools:iextags:service",
    "htools:nlocation:power",
    "htools:desiredlocation:power",
    "htools:migration:kernel",
    "htools:allowmigration:kernel:1::kernel:2",
)
HYPERVISORS = ("xen-pvm",)
"""For kvm, hail takes 4096 MiB of each node for itself, whatever the node says."""


class Case:
    """A random cluster and request, of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pick = self.random
        self.kind = pick.choice(KINDS)
        self.with_tags = pick.random() < 0.2
        self.cluster = self._cluster(seed)
        while not self.cluster.instances and self.kind not in ("allocate", "multi"):
            seed += 100003
            self.cluster = self._cluster(seed)
        self.request = self._request()
        # Both are to read the same: what the protocol does not carry is left out.
        document = request_document(
            self.cluster, self.request, enabled_hypervisors=HYPERVISORS
        )
        self.document = document
        self.cluster, self.request = read_document(document)

    def _cluster(self, seed: int) -> CapCluster:
        """A cluster without exclusive storage, where hail counts something else."""
        pick = self.random
        made = ClusterCase(seed)
        while made.exclusive:
            seed += 1000003
            made = ClusterCase(seed)
        cluster = made.cluster if pick.random() < 0.4 else roomy_cluster(pick)
        groups = [
            replace(group, policy=_countable(group.policy)) for group in cluster.groups
        ]
        if all(group.alloc_policy == "unallocable" for group in groups):
            groups[0] = replace(groups[0], alloc_policy="preferred")
        nodes = list(cluster.nodes)
        if pick.random() < 0.8:
            # Most random clusters are not redundant: have fewer nodes offline.
            nodes = [
                replace(
                    node,
                    offline=not node.total_memory
                    or (node.offline and pick.random() < 0.1),
                )
                for node in nodes
            ]
        # Allocators are not told of speeds, nor of instances that are not balanced.
        nodes = [replace(node, cpu_speed=1.0) for node in nodes]
        instances = [replace(one, auto_balance=True) for one in cluster.instances]
        tags: tuple[str, ...] = ()
        if self.with_tags:
            tags = tuple(tag for tag in TAGS if pick.random() < 0.7)
            nodes = [
                replace(
                    node,
                    tags=(
                        f"power:{pick.choice('ab')}",
                        *(
                            (f"kernel:{pick.choice('12')}",)
                            if pick.random() < 0.8
                            else ()
                        ),
                    ),
                )
                for node in nodes
            ]
            instances = [replace(one, tags=self._tags()) for one in instances]
        if pick.random() < 0.5:
            instances = [
                replace(one, template="sharedfile") if one.template == "plain" else one
                for one in instances
            ]
        return replace(
            cluster,
            groups=tuple(groups),
            nodes=tuple(nodes),
            instances=tuple(instances),
            tags=tags,
            policy=_countable(cluster.policy),
        )

    def _tags(self) -> tuple[str, ...]:
        pick = self.random
        found = []
        if pick.random() < 0.4:
            found.append(f"service:{pick.choice('abcd')}")
        if pick.random() < 0.3:
            found.append(f"power:{pick.choice('ab')}")
        return tuple(found)

    def _newcomer(self, number: int = 0) -> Newcomer:
        pick = self.random
        disk = pick.choice((1024, 10240, 51200))
        template = pick.choice(
            ("drbd", "drbd", "drbd", "plain", "plain", "sharedfile", "rbd", "file")
        )
        names = [node.name for node in self.cluster.nodes]
        chosen: tuple[str, ...] = ()
        if self.kind == "allocate" and pick.random() < 0.1:
            # In a request for several, hail does not look at this.
            chosen = tuple(pick.sample(names, max(1, len(names) // 2)))
        return Newcomer(
            name=f"new{number}",
            memory=pick.choice((256, 1024, 4096, 9000)),
            vcpus=pick.choice((1, 2, 4)),
            disk=disk,
            disks=(disk,),
            template=template,  # type: ignore[arg-type]
            spindle_use=pick.choice((0, 1)),
            tags=self._tags() if self.with_tags else (),
            restrict_to_nodes=chosen,
        )

    def _request(self) -> AnyRequest:
        pick, cluster = self.random, self.cluster
        instances = [one.name for one in cluster.instances]
        group = ""
        if pick.random() < 0.25:
            group = pick.choice(cluster.groups).name
        match self.kind:
            case "allocate":
                return Allocate(instance=self._newcomer(), group=group)
            case "multi":
                return MultiAllocate(
                    instances=tuple(
                        self._newcomer(n) for n in range(pick.randint(1, 4))
                    ),
                    group=group,
                )
            case "relocate":
                one = pick.choice(cluster.instances)
                old = one.secondary if one.template in TWO_NODES else one.primary
                return Relocate(instance=one.name, relocate_from=(old,))
            case "secondary":
                return AllocateSecondary(instance=pick.choice(instances))
            case "evacuate":
                node = pick.choice(cluster.nodes).name
                mode = pick.choice(("primary-only", "secondary-only", "all"))
                chosen = [
                    one.name
                    for one in cluster.instances
                    if node == (one.secondary if mode[0] == "s" else one.primary)
                ]
                return NodeEvacuate(
                    instances=tuple(chosen or pick.sample(instances, 1)),
                    mode=mode,  # type: ignore[arg-type]
                )
            case _:
                count = min(len(instances), pick.randint(1, 4))
                return ChangeGroup(
                    instances=tuple(pick.sample(instances, count)),
                    target_groups=tuple(
                        one.uuid for one in cluster.groups if pick.random() < 0.5
                    ),
                )


def _countable(policy: Policy) -> Policy:
    """A policy whose smallest instance is not nothing: hail may count them."""
    least = Spec(memory=1, vcpus=1)
    return replace(
        policy,
        std=least,
        ranges=tuple(SpecRange(min=least, max=one.max) for one in policy.ranges[:1]),
    )
