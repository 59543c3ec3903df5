"""One snapshot with the indexes that listings need, each made at most once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NotFound
from ganetix.objects import HvParams, Instance, Node, NodeGroup
from ganetix.plan.params import (
    Layers,
    backend_layers,
    capacity_layers,
    disk_layers,
    hypervisor_layers,
    nic_layers,
    node_layers,
    own_disk_layers,
)
from ganetix.query.table import by_name


class View:
    """What getters look at beside their own object.

    :param hv_defaults: hypervisors' built-in parameters, by hypervisor
    """

    def __init__(self, snapshot: Snapshot, hv_defaults: Mapping[str, HvParams]) -> None:
        self.snapshot = snapshot
        self.hv_defaults = hv_defaults

    @cached_property
    def instances_by_node(self) -> Mapping[str, Sequence[str]]:
        """Names of instances by the UUID of their primary node."""
        found: dict[str, list[str]] = defaultdict(list)
        for instance in self.snapshot.instances.values():
            found[instance.primary_node].append(instance.name)
        return {uuid: sorted(names, key=by_name) for uuid, names in found.items()}

    @cached_property
    def nodes_by_group(self) -> Mapping[str, Sequence[Node]]:
        """Nodes by the UUID of their group, by name."""
        found: dict[str, list[Node]] = defaultdict(list)
        for node in sorted(self.snapshot.nodes.values(), key=lambda n: by_name(n.name)):
            found[node.group].append(node)
        return found

    def group_of(self, node_uuid: str) -> NodeGroup:
        """The group of a node."""
        return self.snapshot.groups[self.snapshot.nodes[node_uuid].group]

    def backend(self, group: NodeGroup, instance: Instance | None = None) -> Layers:
        """Backend parameters of an instance there, or of those that have no own."""
        return backend_layers(self.snapshot.cluster, group, instance)

    def hypervisor(
        self, name: str, group: NodeGroup | None, instance: Instance | None = None
    ) -> Layers:
        """A hypervisor's parameters, with the built-in ones."""
        defaults = self.hv_defaults.get(name)
        return hypervisor_layers(name, self.snapshot.cluster, group, instance, defaults)

    def node_params(self, node: Node) -> Layers:
        """A node's parameters."""
        group = self.snapshot.groups[node.group]
        return node_layers(self.snapshot.cluster, group, node)

    def disks(self, template: str, group: NodeGroup | None) -> Layers:
        """A disk template's parameters, for disks that are made in that group."""
        return disk_layers(template, self.snapshot.cluster, group)

    def nics_and_disks(self, instance: Instance) -> dict[str, Layers]:
        """Parameters of an instance's NICs and disks: ``nic/0``, ``disk/0`` …"""
        cluster, group = self.snapshot.cluster, self.group_of(instance.primary_node)
        nics = {
            f"nic/{number}": nic_layers(cluster, group, instance, nic)
            for number, nic in enumerate(instance.nics)
        }
        disks = {
            f"disk/{number}": own_disk_layers(instance, disk)
            for number, disk in enumerate(instance.disks)
        }
        return {**nics, **disks}

    def group_families(self, group: NodeGroup | None) -> dict[str, Layers]:
        """All that a group's objects inherit, by family; for None, the cluster's."""
        cluster = self.snapshot.cluster
        return {
            "be": backend_layers(cluster, group),
            **{
                f"hv/{name}": self.hypervisor(name, group)
                for name in cluster.enabled_hypervisors
            },
            **{
                f"disk/{template}": self.disks(template, group)
                for template in cluster.enabled_disk_templates
            },
            "nic": nic_layers(cluster, group),
            "nd": node_layers(cluster, group),
            "capacity": capacity_layers(cluster, group),
        }

    def groups(self, names: Sequence[str], group: str | None) -> list[NodeGroup]:
        """The groups named, or all by name."""
        wanted = [*names, *([group] if group else [])]
        if wanted:
            return [self.snapshot.group(name) for name in dict.fromkeys(wanted)]
        every = self.snapshot.groups.values()
        return sorted(every, key=lambda found: by_name(found.name))

    def nodes(self, names: Sequence[str], group: str | None) -> list[Node]:
        """The nodes named, or all by name; those of one group only, if given."""
        chosen = self.snapshot.group(group) if group else None
        if names:
            named = [self.snapshot.node(name) for name in dict.fromkeys(names)]
            for node in named:
                if chosen and node.group != chosen.uuid:
                    raise NotFound(f"node {node.name} is not in group {chosen.name}")
            return named
        if chosen:
            return list(self.nodes_by_group.get(chosen.uuid, ()))
        every = self.snapshot.nodes.values()
        return sorted(every, key=lambda node: by_name(node.name))

    def instances(self, names: Sequence[str], group: str | None) -> list[Instance]:
        """The instances named, or all by name; those of one group only, if given."""
        chosen = self.snapshot.group(group) if group else None
        if names:
            named = [self.snapshot.instance(name) for name in dict.fromkeys(names)]
            for instance in named:
                if chosen and self.group_of(instance.primary_node) != chosen:
                    raise NotFound(
                        f"instance {instance.name} is not in group {chosen.name}"
                    )
            return named
        every = sorted(
            self.snapshot.instances.values(),
            key=lambda instance: by_name(instance.name),
        )
        if chosen is None:
            return every
        return [i for i in every if self.group_of(i.primary_node) is chosen]
