"""Fields of node groups."""

from __future__ import annotations

from collections.abc import Sequence

from ganetix.objects import Node, NodeGroup
from ganetix.objects.base import Value
from ganetix.query.common import object_columns
from ganetix.query.table import Column, Table, column
from ganetix.query.view import View


class GroupRow(Value, frozen=True, kw_only=True):
    """A node group."""

    view: View
    group: NodeGroup

    @property
    def nodes(self) -> Sequence[Node]:
        """Its nodes by name."""
        return self.view.nodes_by_group.get(self.group.uuid, ())

    @property
    def instances(self) -> list[str]:
        """Names of the instances on its nodes."""
        by_node = self.view.instances_by_node
        return [name for node in self.nodes for name in by_node.get(node.uuid, ())]


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
    *object_columns(lambda r: r.group),
)

GROUPS: Table[GroupRow] = Table("group", _COLUMNS)
