"""Random clusters, each of one seed, for comparisons with Debian's htools."""

from __future__ import annotations

import random

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
    TieredRequest,
)

STATUSES = (
    *("running",) * 8,
    *("ADMIN_down", "ADMIN_offline", "USER_down", "ERROR_up", "ERROR_down"),
    *("ERROR_nodedown", "ERROR_nodeoffline", "ERROR_wrongnode"),
)
OPEN = SpecRange(
    min=Spec(),
    max=Spec(
        memory=1 << 20,
        vcpus=1024,
        disk=1 << 30,
        disk_count=16,
        nic_count=8,
        spindle_use=1024,
    ),
)


class ClusterCase:
    """A random cluster and what is asked of it, all of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pick = self.random
        self.template: Template = pick.choice(
            (
                "drbd",
                "drbd",
                "drbd",
                "plain",
                "plain",
                "diskless",
                "file",
                "sharedfile",
                "rbd",
            )
        )
        self.with_spindles = pick.random() < 0.25
        self.exclusive = pick.random() < 0.2
        self.with_tags = pick.random() < 0.1
        self.ranged = pick.random() < 0.25
        self.spec = Spec(
            memory=pick.choice((1000, 1024, 3000, 4096, 8192)),
            disk=pick.choice((1024, 10240, 25000, 102400)),
            vcpus=pick.choice((1, 2, 4, 8)),
        )
        self.cluster = self._cluster()
        self.request = TieredRequest(
            template=self.template,
            specs=() if self.ranged and pick.random() < 0.5 else (self.spec,),
            spindle_use=None if self.with_spindles or self.ranged else 0,
            disk_spindles=pick.choice((2, 3)) if self.exclusive else None,
            max_disk_usage=pick.choice((1.0, 1.0, 0.9, 0.75)),
            cpu_ratio=pick.choice((2.0, 16.0)) if pick.random() < 0.1 else None,
            capacity_checks=pick.random() < 0.5,
            independent_groups=pick.random() < 0.2,
            accept_existing_errors=pick.random() < 0.2,
        )

    def _cluster(self) -> CapCluster:
        pick = self.random
        groups = [self._group(number) for number in range(pick.choice((1, 1, 2, 3, 4)))]
        nodes: list[CapNode] = []
        tight = pick.random() < 0.3
        alike = pick.random() < 0.5
        for group in groups:
            figures = self._figures()
            for _node in range(pick.choice((2, 3, 5, 8, 12))):
                if not alike:
                    figures = self._figures()
                nodes.append(self._node(group, len(nodes), figures))
        load = pick.choice((0.0, 0.0, 0.3, 0.5, 0.8))
        templates: tuple[Template, ...] = pick.choice(
            (
                ("drbd",),
                ("plain",),
                ("drbd", "plain"),
                ("drbd", "plain", "diskless", "file", "rbd"),
            )
        )
        instances, nodes = self._instances(nodes, load, templates, tight)
        tags = ("htools:iextags:service",) if self.with_tags else ()
        policy = groups[0].policy
        return CapCluster(
            groups=tuple(groups),
            nodes=tuple(nodes),
            instances=tuple(instances),
            tags=tags,
            policy=policy,
        )

    def _group(self, number: int) -> CapGroup:
        pick = self.random
        use = pick.choice((1, 2)) if self.with_spindles else int(self.ranged)
        ranges: tuple[SpecRange, ...] = (OPEN,)
        if self.ranged:
            ranges = tuple(self._range() for _range in range(pick.choice((1, 1, 2))))
        return CapGroup(
            uuid=f"{pick.getrandbits(32):08x}-0000-4000-8000-{number:012x}",
            name=f"group{number}",
            alloc_policy=pick.choice(
                ("preferred",) * 5 + ("last_resort", "unallocable")
            ),
            policy=Policy(
                std=Spec(
                    memory=512,
                    vcpus=1,
                    disk=1024,
                    disk_count=1,
                    nic_count=1,
                    spindle_use=use,
                ),
                ranges=ranges,
                templates=TEMPLATES,
                vcpu_ratio=pick.choice((1.0, 2.0, 4.0, 4.0, 4.0, 32.0, 64.0)),
                spindle_ratio=pick.choice((8.0, 32.0)) if self.with_spindles else 32.0,
            ),
        )

    def _range(self) -> SpecRange:
        pick = self.random
        return SpecRange(
            min=Spec(
                memory=pick.choice((0, 128, 512)),
                vcpus=1,
                disk=pick.choice((0, 1024, 2048)),
                disk_count=1,
                nic_count=1,
                spindle_use=pick.choice((0, 1)),
            ),
            max=Spec(
                memory=pick.choice((2048, 4096, 8192)),
                vcpus=pick.choice((2, 4, 8)),
                disk=pick.choice((10240, 102400)),
                disk_count=pick.choice((1, 16)),
                nic_count=8,
                spindle_use=pick.choice((2, 3, 12)),
            ),
        )

    def _figures(self) -> dict[str, float]:
        pick = self.random
        memory = pick.choice((8192, 12345, 16384, 32768))
        return {
            "total_memory": memory,
            "node_memory": pick.choice((0, 512, 1024)),
            "total_disk": pick.choice((51200, 204800, 409600, 1048576)),
            "total_cpus": pick.choice((4, 8, 16)),
            "node_cpus": pick.choice((0, 0, 0, 1, 2)),
            "cpu_speed": pick.choice((1.0, 1.0, 1.0, 0.8, 1.5)),
            "spindles": pick.choice((1, 2, 4)) if self.with_spindles else 1,
        }

    def _node(self, group: CapGroup, number: int, figures: dict[str, float]) -> CapNode:
        pick = self.random
        offline = pick.random() < 0.07
        if offline and pick.random() < 0.5:
            return CapNode(
                name=f"n{number:03d}", group=group.uuid, offline=True, spindles=1
            )
        spindles = int(figures["spindles"])
        if self.exclusive:
            spindles = pick.choice((6, 10, 20))
        return CapNode(
            name=f"n{number:03d}",
            group=group.uuid,
            total_memory=int(figures["total_memory"]),
            node_memory=int(figures["node_memory"]),
            free_memory=int(figures["total_memory"] - figures["node_memory"]),
            total_disk=int(figures["total_disk"]),
            free_disk=int(figures["total_disk"]),
            total_cpus=figures["total_cpus"],
            node_cpus=int(figures["node_cpus"]),
            cpu_speed=figures["cpu_speed"],
            offline=offline,
            spindles=spindles,
            free_spindles=spindles if self.exclusive else 0,
            exclusive_storage=self.exclusive,
        )

    def _instances(
        self,
        nodes: list[CapNode],
        load: float,
        templates: tuple[Template, ...],
        tight: bool,
    ) -> tuple[list[CapInstance], list[CapNode]]:
        """Instances up to a share of memory, and nodes that report what these leave."""
        pick = self.random
        free = {node.name: node.free_memory for node in nodes}
        disk = {node.name: node.free_disk for node in nodes}
        spindles = {node.name: node.free_spindles for node in nodes}
        by_group: dict[str, list[CapNode]] = {}
        for node in nodes:
            by_group.setdefault(node.group, []).append(node)
        found: list[CapInstance] = []
        for node in nodes:
            budget = node.total_memory * load
            while budget > 0 and len(found) < 250:
                memory = pick.choice((256, 512, 1024, 1111, 4096))
                size = pick.choice((1024, 5120, 7777, 20480))
                template = pick.choice(templates)
                others = [n.name for n in by_group[node.group] if n is not node]
                if not others and template == "drbd":
                    template = "plain"
                homes = [node.name]
                if template == "drbd":
                    homes.append(pick.choice(others))
                status = pick.choice(STATUSES)
                budget -= memory
                if free[node.name] < memory:
                    break
                own = pick.choice((1, 2)) if self.exclusive else None
                if template in ("drbd", "plain"):
                    if any(disk[home] < size for home in homes):
                        continue
                    if own and any(spindles[home] < own for home in homes):
                        continue
                    for home in homes:
                        disk[home] -= size
                        spindles[home] -= own or 0
                if status not in ("ADMIN_down", "ADMIN_offline", "ERROR_down"):
                    free[node.name] -= memory if status != "USER_down" else 0
                found.append(
                    CapInstance(
                        name=f"i{len(found):04d}",
                        memory=memory,
                        disk=size,
                        vcpus=pick.choice((1, 1, 2, 4)),
                        status=status,  # type: ignore[arg-type]
                        auto_balance=pick.random() < 0.93,
                        primary=homes[0],
                        secondary=homes[1] if len(homes) > 1 else "",
                        template=template,
                        spindle_use=1 if self.with_spindles else 0,
                        disk_spindles=own,
                        tags=(
                            (f"service:{pick.choice('abc')}",) if self.with_tags else ()
                        ),
                    )
                )
        noise = pick.random() < 0.4
        result = []
        for node in nodes:
            left = free[node.name]
            if noise:
                left = max(0, left + pick.choice((-300, -20, 0, 0, 17, 270)))
            if tight and pick.random() < 0.5:
                left = min(left, pick.choice((600, 1500, 3000)))
            result.append(
                CapNode(
                    **{
                        name: getattr(node, name)
                        for name in node.__struct_fields__
                        if name not in ("free_memory", "free_disk", "free_spindles")
                    },
                    free_memory=left,
                    free_disk=disk[node.name],
                    free_spindles=spindles[node.name],
                )
            )
        return found, result
