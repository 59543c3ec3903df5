"""Fields of node groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ganetix.api.types import Cell
from ganetix.objects import Node, NodeGroup
from ganetix.objects.base import Value
from ganetix.objects.node_calls import NodeInfo
from ganetix.opcodes.parameters import BACKEND, NIC, NODE
from ganetix.plan.params import Layers
from ganetix.query.common import object_columns
from ganetix.query.params import (
    capacity_columns,
    disk_columns,
    hypervisor_columns,
    parameter_columns,
    shown_origins,
)
from ganetix.query.table import Column, Table, column
from ganetix.query.view import View


class GroupRow(Value, frozen=True, kw_only=True):
    """A node group, and what those of its nodes answered that were asked and did.

    ``infos`` is None if none was asked, and where some of them did not answer: what
    the whole group has is not known then.
    """

    view: View
    group: NodeGroup
    infos: tuple[NodeInfo, ...] | None = None

    @property
    def nodes(self) -> Sequence[Node]:
        """Its nodes by name."""
        return self.view.nodes_by_group.get(self.group.uuid, ())

    @property
    def instances(self) -> list[str]:
        """Names of the instances on its nodes."""
        by_node = self.view.instances_by_node
        return [name for node in self.nodes for name in by_node.get(node.uuid, ())]


def _sum(get: Callable[[NodeInfo], int]) -> Callable[[GroupRow], Cell]:
    """Over all nodes; unknown if none was asked, or not all answered."""
    return lambda row: sum(map(get, row.infos)) if row.infos else None


def _disk_free(info: NodeInfo) -> int:
    return info.disk_space[0].free_mib if info.disk_space else 0


def _disk_total(info: NodeInfo) -> int:
    return info.disk_space[0].total_mib if info.disk_space else 0


def _family(name: str) -> Callable[[GroupRow], Layers]:
    return lambda row: row.view.group_families(row.group)[name]


_COLUMNS: tuple[Column[GroupRow], ...] = (
    column("name", "Group", "Its name", lambda r: r.group.name, default=True),
    column(
        "node_cnt",
        "Nodes",
        "How many nodes it has",
        lambda r: len(r.nodes),
        "number",
        default=True,
    ),
    column(
        "node_list",
        "NodeList",
        "Its nodes",
        lambda r: [node.name for node in r.nodes],
        "list",
    ),
    column(
        "pinst_cnt",
        "Instances",
        "How many instances it has",
        lambda r: len(r.instances),
        "number",
        default=True,
    ),
    column(
        "pinst_list", "InstanceList", "Its instances", lambda r: r.instances, "list"
    ),
    column(
        "alloc_policy",
        "AllocPolicy",
        "Whether new instances may be placed here",
        lambda r: r.group.alloc_policy,
        default=True,
    ),
    column(
        "default",
        "Default",
        "Takes new nodes and instances that name no group",
        lambda r: r.group.uuid == r.view.snapshot.cluster.default_group,
        "bool",
        default=True,
    ),
    column(
        "min_candidates",
        "MinCandidates",
        "How many of its nodes are to be master candidates at least",
        lambda r: r.group.min_candidates,
        "number",
    ),
    column(
        "candidate_cnt",
        "Candidates",
        "How many of its nodes are master candidates",
        lambda r: sum(node.master_candidate for node in r.nodes),
        "number",
    ),
    column(
        "mtotal",
        "MTotal",
        "Memory of its nodes",
        _sum(lambda info: info.memory_total_mib),
        "mib",
        live=True,
    ),
    column(
        "mfree",
        "MFree",
        "Free memory of its nodes",
        _sum(lambda info: info.memory_free_mib),
        "mib",
        live=True,
    ),
    column(
        "dtotal",
        "DTotal",
        "Space of its nodes' disk storage",
        _sum(_disk_total),
        "mib",
        live=True,
    ),
    column(
        "dfree",
        "DFree",
        "Free space of its nodes' disk storage",
        _sum(_disk_free),
        "mib",
        live=True,
    ),
    *parameter_columns("be", BACKEND, _family("be")),
    *disk_columns(lambda r, template: r.view.disks(template, r.group)),
    *hypervisor_columns(lambda r, name: r.view.hypervisor(name, r.group)),
    *parameter_columns("nic", NIC, _family("nic")),
    *parameter_columns("nd", NODE, _family("nd")),
    *capacity_columns(_family("capacity")),
    column(
        "params",
        "Parameters",
        "All that its objects inherit, each with where it comes from",
        lambda r: shown_origins(r.view.group_families(r.group)),
        "other",
    ),
    *object_columns(lambda r: r.group),
)

GROUPS: Table[GroupRow] = Table("group", _COLUMNS)
