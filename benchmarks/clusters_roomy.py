"""Random clusters where most nodes can be lost, unlike in those of ``clusters``."""

from __future__ import annotations

import random

from clusters import OPEN
from msgspec.structs import replace

from ganetix.objects import AllocationPolicy
from ganetix.plan.capacity.model import (
    TEMPLATES,
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    Policy,
)

POLICIES: tuple[AllocationPolicy, ...] = (
    *("preferred",) * 4,
    "last_resort",
    "unallocable",
)


def roomy_cluster(pick: random.Random) -> CapCluster:
    """A cluster of up to three groups, with all choices from ``pick``."""
    groups = tuple(
        CapGroup(
            uuid=f"uuid-{number}",
            name=f"group{number}",
            alloc_policy=pick.choice(POLICIES),
            policy=Policy(
                ranges=(OPEN,), templates=TEMPLATES, vcpu_ratio=pick.choice((4, 8))
            ),
        )
        for number in range(pick.choice((1, 2, 2, 3)))
    )
    templates = pick.choice(
        (("drbd",), ("drbd",), ("drbd", "sharedfile"), ("drbd", "plain", "rbd"))
    )
    nodes: list[CapNode] = []
    instances: list[CapInstance] = []
    for group in groups:
        names = [f"n{len(nodes) + at:02d}" for at in range(pick.randint(3, 9))]
        used, taken = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        for name in names:
            for _one in range(pick.randint(0, 4)):
                template = pick.choice(templates)
                homes = [name]
                if template == "drbd":
                    homes.append(pick.choice([one for one in names if one != name]))
                memory = pick.choice((256, 512, 1024, 2000, 3072))
                disk = pick.choice((1024, 5000, 20480))
                is_down = pick.random() < 0.15
                used[name] += 0 if is_down else memory
                for home in homes if template != "rbd" else ():
                    taken[home] += disk
                instances.append(
                    CapInstance(
                        name=f"i{len(instances):03d}",
                        memory=memory,
                        disk=disk,
                        vcpus=pick.choice((1, 2, 4)),
                        status="ADMIN_down" if is_down else "running",
                        primary=name,
                        secondary=homes[1] if len(homes) > 1 else "",
                        template=template,  # type: ignore[arg-type]
                        spindle_use=pick.choice((0, 1)),
                    )
                )
        for name in names:
            memory = pick.choice((16384, 24576, 32768))
            disk = pick.choice((204800, 409600))
            nodes.append(
                CapNode(
                    name=name,
                    group=group.uuid,
                    total_memory=memory,
                    node_memory=512,
                    free_memory=memory - 512 - used[name] - pick.choice((0, 0, 0, 100)),
                    total_disk=disk,
                    free_disk=disk - taken[name],
                    total_cpus=pick.choice((8, 16)),
                    node_cpus=pick.choice((0, 1)),
                )
            )
    if pick.random() < 0.15:
        at = pick.randrange(len(nodes))
        nodes[at] = replace(nodes[at], offline=True)
    return CapCluster(groups=groups, nodes=tuple(nodes), instances=tuple(instances))
