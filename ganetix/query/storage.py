"""Fields of disks on nodes, and of the space that there is for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ganetix.api.types import Cell
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import DiskInfo, DiskList, DiskSpace, NodeInfo
from ganetix.query.status import NodeState
from ganetix.query.table import Table, column
from ganetix.query.view import View


class VolumeRow(Value, frozen=True, kw_only=True):
    """A disk on a node; None of one that did not answer."""

    view: View
    node: Node
    disk: DiskInfo | None = None

    @property
    def instance(self) -> str | None:
        """The name of the instance that has it, nothing if none does."""
        if self.disk is None:
            return None
        owner = self.view.snapshot.instances.get(self.disk.instance_uuid)
        return owner.name if owner else ""


class StorageRow(Value, frozen=True, kw_only=True):
    """The space of one disk template on a node; None of one that did not answer."""

    view: View
    node: Node
    space: DiskSpace | None = None


def _disk(get: Callable[[DiskInfo], Cell]) -> Callable[[VolumeRow], Cell]:
    return lambda row: None if row.disk is None else get(row.disk)


def _space(get: Callable[[DiskSpace], Cell]) -> Callable[[StorageRow], Cell]:
    return lambda row: None if row.space is None else get(row.space)


VOLUMES: Table[VolumeRow] = Table(
    "volume",
    (
        column("node", "Node", "Its node", lambda r: r.node.name, default=True),
        column(
            "instance",
            "Instance",
            "The instance that has it; none: it belongs to no instance",
            lambda r: r.instance,
            live=True,
            default=True,
        ),
        column(
            "template",
            "Template",
            "Its disk template",
            _disk(lambda d: d.template),
            live=True,
            default=True,
        ),
        column(
            "size",
            "Size",
            "Its size as the instance sees it",
            _disk(lambda d: d.size_mib),
            "mib",
            live=True,
            default=True,
        ),
        column(
            "used",
            "Used",
            "What it takes on the medium",
            _disk(lambda d: d.used_mib),
            "mib",
            live=True,
            default=True,
        ),
        column(
            "path",
            "Path",
            "Where it is on the node",
            _disk(lambda d: d.path),
            live=True,
            default=True,
        ),
        column(
            "group",
            "Group",
            "Its node's group",
            lambda r: r.view.group_of(r.node.uuid).name,
        ),
        column(
            "uuid", "UUID", "The disk's UUID", _disk(lambda d: d.disk_uuid), live=True
        ),
        column(
            "instance.uuid",
            "InstanceUUID",
            "The UUID of the instance it was made for",
            _disk(lambda d: d.instance_uuid),
            live=True,
        ),
    ),
)

STORAGE: Table[StorageRow] = Table(
    "storage",
    (
        column("node", "Node", "The node", lambda r: r.node.name, default=True),
        column(
            "template",
            "Template",
            "The disk template whose disks take this space",
            _space(lambda s: s.template),
            live=True,
            default=True,
        ),
        column(
            "total",
            "Total",
            "Space in all",
            _space(lambda s: s.total_mib),
            "mib",
            live=True,
            default=True,
        ),
        column(
            "free",
            "Free",
            "Space that is free",
            _space(lambda s: s.free_mib),
            "mib",
            live=True,
            default=True,
        ),
        column(
            "used",
            "Used",
            "Space that is taken, by whatever",
            _space(lambda s: s.total_mib - s.free_mib),
            "mib",
            live=True,
            default=True,
        ),
        column(
            "group",
            "Group",
            "The node's group",
            lambda r: r.view.group_of(r.node.uuid).name,
        ),
    ),
)


def volume_rows(
    view: View,
    nodes: Sequence[Node],
    answers: Mapping[str, DiskList],
    states: Mapping[str, NodeState],
) -> list[tuple[VolumeRow, NodeState]]:
    """A row a disk, and one for each node that did not answer."""
    rows: list[tuple[VolumeRow, NodeState]] = []
    for node in nodes:
        answer = answers.get(node.uuid)
        found: Sequence[DiskInfo | None] = (None,) if answer is None else answer.disks
        made = [VolumeRow(view=view, node=node, disk=disk) for disk in found]
        made.sort(key=lambda row: (row.instance or "", row.disk and row.disk.path))
        rows += ((row, states[node.uuid]) for row in made)
    return rows


def storage_rows(
    view: View,
    nodes: Sequence[Node],
    answers: Mapping[str, NodeInfo],
    states: Mapping[str, NodeState],
) -> list[tuple[StorageRow, NodeState]]:
    """A row a template, and one for each node that did not answer."""
    rows: list[tuple[StorageRow, NodeState]] = []
    for node in nodes:
        answer = answers.get(node.uuid)
        found: Sequence[DiskSpace | None] = (
            (None,) if answer is None else answer.disk_space
        )
        rows += (
            (StorageRow(view=view, node=node, space=space), states[node.uuid])
            for space in found
        )
    return rows
