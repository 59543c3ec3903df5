"""Fields of nodes."""

from __future__ import annotations

from collections.abc import Callable

from ganetix.api.types import Cell
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import DiskSpace, NodeInfo
from ganetix.opcodes.parameters import NODE
from ganetix.plan.params import Layers
from ganetix.query.common import object_columns
from ganetix.query.params import parameter_columns, shown_origins
from ganetix.query.status import role_of
from ganetix.query.table import Column, Table, column
from ganetix.query.view import View


class NodeRow(Value, frozen=True, kw_only=True):
    """A node, and what it answered if it was asked and did."""

    view: View
    node: Node
    info: NodeInfo | None = None

    @property
    def instances(self) -> list[str]:
        """Names of its primary instances."""
        return list(self.view.instances_by_node.get(self.node.uuid, ()))


def _live(get: Callable[[NodeInfo], Cell]) -> Callable[[NodeRow], Cell]:
    return lambda row: None if row.info is None else get(row.info)


def _disk(get: Callable[[DiskSpace], Cell]) -> Callable[[NodeRow], Cell]:
    """Of the first storage that takes space."""
    return _live(lambda info: get(info.disk_space[0]) if info.disk_space else None)


def _params(row: NodeRow) -> Layers:
    return row.view.node_params(row.node)


_COLUMNS: tuple[Column[NodeRow], ...] = (
    column("name", "Node", "Its name", lambda r: r.node.name, default=True),
    column(
        "group",
        "Group",
        "Its node group",
        lambda r: r.view.group_of(r.node.uuid).name,
        default=True,
    ),
    column("group.uuid", "GroupUUID", "Its node group's UUID", lambda r: r.node.group),
    column("pip", "PrimaryIP", "Primary address", lambda r: r.node.primary_ip),
    column("sip", "SecondaryIP", "Secondary address", lambda r: r.node.secondary_ip),
    column("port", "Port", "Its daemon's port", lambda r: r.node.port, "number"),
    column(
        "role",
        "Role",
        "M master, C candidate, R regular, D drained, O offline",
        lambda r: role_of(r.node, r.view.snapshot.cluster),
        default=True,
    ),
    column(
        "mtotal",
        "MTotal",
        "Memory of the host",
        _live(lambda i: i.memory_total_mib),
        "mib",
        live=True,
        default=True,
    ),
    column(
        "mfree",
        "MFree",
        "Free memory of the host",
        _live(lambda i: i.memory_free_mib),
        "mib",
        live=True,
        default=True,
    ),
    column(
        "dtotal",
        "DTotal",
        "Space of the disk storage",
        _disk(lambda d: d.total_mib),
        "mib",
        live=True,
        default=True,
    ),
    column(
        "dfree",
        "DFree",
        "Free space of the disk storage",
        _disk(lambda d: d.free_mib),
        "mib",
        live=True,
        default=True,
    ),
    column(
        "ctotal",
        "CTotal",
        "CPUs of the host",
        _live(lambda i: i.cpus),
        "number",
        live=True,
    ),
    column(
        "pinst_cnt",
        "Pinst",
        "How many instances have it as primary node",
        lambda r: len(r.instances),
        "number",
        default=True,
    ),
    column(
        "pinst_list",
        "PriInstances",
        "Instances that have it as primary node",
        lambda r: r.instances,
        "list",
    ),
    column(
        "sinst_cnt",
        "Sinst",
        "How many instances have it as secondary node",
        lambda r: 0,
        "number",
    ),
    column(
        "sinst_list",
        "SecInstances",
        "Instances that have it as secondary node",
        lambda r: [],
        "list",
    ),
    column("offline", "Offline", "Not to be used", lambda r: r.node.offline, "bool"),
    column("drained", "Drained", "Takes no more", lambda r: r.node.drained, "bool"),
    column(
        "master_candidate",
        "MasterC",
        "Keeps a copy of the state",
        lambda r: r.node.master_candidate,
        "bool",
    ),
    column(
        "master_capable",
        "MasterCapable",
        "May become a candidate",
        lambda r: r.node.master_capable,
        "bool",
    ),
    column(
        "vm_capable",
        "VMCapable",
        "May run instances",
        lambda r: r.node.vm_capable,
        "bool",
    ),
    column(
        "readd",
        "Readd",
        "Whether it was promised to join again, and has not yet",
        lambda r: r.node.uuid in r.view.snapshot.tokens,
        "bool",
    ),
    column(
        "certificate",
        "Certificate",
        "SHA-256 fingerprint of its certificate",
        lambda r: r.node.certificate,
    ),
    column(
        "version",
        "Version",
        "Version of its daemon",
        _live(lambda i: i.version),
        live=True,
    ),
    column(
        "bootid",
        "BootID",
        "Changes with each boot of the host",
        _live(lambda i: i.boot_id),
        live=True,
    ),
    *parameter_columns("nd", NODE, _params),
    column(
        "params",
        "Parameters",
        "Its parameters, each with where it comes from",
        lambda r: shown_origins({"nd": _params(r)}),
        "other",
    ),
    *object_columns(lambda r: r.node),
)

NODES: Table[NodeRow] = Table("node", _COLUMNS)
