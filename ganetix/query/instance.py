"""Fields of instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from ganetix.api.types import Cell
from ganetix.objects import Disk, GuestInfo, Instance, Nic, NicParams, NodeGroup
from ganetix.objects.base import Value
from ganetix.opcodes.parameters import BACKEND
from ganetix.plan.params import Layers, effective, nic_params
from ganetix.query.common import object_columns
from ganetix.query.params import as_cell, parameter_columns, shown_origins
from ganetix.query.status import NodeState, is_up, status_of
from ganetix.query.table import Column, Table, column
from ganetix.query.view import View


class InstanceRow(Value, frozen=True, kw_only=True):
    """An instance, and what its primary node knows of it.

    ``node`` is None when the node was not asked.
    """

    view: View
    instance: Instance
    guest: GuestInfo | None = None
    node: NodeState | None = None


def _backend(row: InstanceRow) -> Layers:
    return row.view.backend(_group(row), row.instance)


def _hypervisor(row: InstanceRow) -> Layers:
    return row.view.hypervisor(row.instance.hypervisor, _group(row), row.instance)


def _group(row: InstanceRow) -> NodeGroup:
    return row.view.group_of(row.instance.primary_node)


def _hvparams(row: InstanceRow) -> dict[str, object]:
    return {**effective(_hypervisor(row))}


def _status(row: InstanceRow) -> Cell:
    if row.node is None:
        return None
    return status_of(row.instance, row.guest, row.node)


def _oper_state(row: InstanceRow) -> Cell:
    return is_up(row.guest) if row.node == "live" else None


def _live(get: Callable[[GuestInfo], Cell]) -> Callable[[InstanceRow], Cell]:
    """Of a guest that is up."""
    return lambda row: get(row.guest) if row.guest and is_up(row.guest) else None


def _detail(row: InstanceRow) -> Cell:
    if row.guest is None:
        return "" if row.node == "live" else None
    words = {"starting": "no sign of life yet", "unknown": "QEMU does not answer"}
    said = (words.get(row.guest.state, ""), row.guest.detail)
    return "; ".join(text for text in said if text)


def _disk(disk: Disk) -> dict[str, object]:
    return {
        "uuid": disk.uuid,
        "size_mib": disk.size_mib,
        "mode": disk.mode,
        **disk.params,
    }


def _nic_params(row: InstanceRow, nic: Nic) -> NicParams:
    found = nic_params(row.view.snapshot.cluster, _group(row), nic)
    return found if found.mode == "bridged" else replace(found, link="")


def _nic(row: InstanceRow, nic: Nic) -> dict[str, object]:
    params = _nic_params(row, nic)
    return {
        "uuid": nic.uuid,
        "mac": nic.mac,
        "mode": params.mode,
        "link": params.link,
        "ip": nic.ip,
    }


def _origins(row: InstanceRow) -> dict[str, object]:
    return shown_origins(
        {
            "be": _backend(row),
            "hv": _hypervisor(row),
            **row.view.nics_and_disks(row.instance),
        }
    )


def _hv_column(parameter: str) -> Column[InstanceRow]:
    return column(
        f"hv/{parameter}",
        f"hv/{parameter}",
        f"Hypervisor parameter {parameter}",
        lambda r: as_cell(effective(_hypervisor(r)).get(parameter)),
    )


_COLUMNS: tuple[Column[InstanceRow], ...] = (
    column("name", "Instance", "Its name", lambda r: r.instance.name, default=True),
    column(
        "hypervisor",
        "Hypervisor",
        "What it runs under",
        lambda r: r.instance.hypervisor,
        default=True,
    ),
    column("os", "OS", "Its OS definition", lambda r: r.instance.os, default=True),
    column(
        "pnode",
        "PrimaryNode",
        "The node it runs on",
        lambda r: r.view.snapshot.nodes[r.instance.primary_node].name,
        default=True,
    ),
    column(
        "pnode.group",
        "PrimaryNodeGroup",
        "The group of its primary node",
        lambda r: r.view.group_of(r.instance.primary_node).name,
    ),
    column(
        "pnode.uuid",
        "PrimaryNodeUUID",
        "The UUID of its primary node",
        lambda r: r.instance.primary_node,
    ),
    column("snodes", "SecondaryNodes", "Its secondary nodes", lambda r: [], "list"),
    column(
        "status",
        "Status",
        "running, ADMIN_down, USER_down, ERROR_down, ERROR_up, ERROR_nodedown …",
        _status,
        live=True,
        default=True,
    ),
    column(
        "admin_state", "AdminState", "What is wanted", lambda r: r.instance.admin_state
    ),
    column(
        "admin_state_source",
        "AdminStateSource",
        "Whose wish that is: the administrator's, or the guest's user's",
        lambda r: r.instance.admin_state_source,
    ),
    column("oper_state", "Running", "Whether it runs", _oper_state, "bool", live=True),
    column(
        "oper_ram",
        "Memory",
        "Memory it has now",
        _live(lambda g: g.memory_mib),
        "mib",
        live=True,
        default=True,
    ),
    column(
        "oper_vcpus",
        "VCPUs",
        "Virtual CPUs it has now",
        _live(lambda g: g.vcpus),
        "number",
        live=True,
    ),
    column(
        "accelerator",
        "Accelerator",
        "kvm or tcg",
        _live(lambda g: g.accelerator),
        live=True,
    ),
    column(
        "oper_since",
        "Since",
        "Since when the guest has been in its state",
        lambda r: r.guest.since if r.guest else None,
        "time",
        live=True,
    ),
    column("detail", "Detail", "What else is known of the guest", _detail, live=True),
    column(
        "disk_template",
        "DiskTemplate",
        "Where its disks are",
        lambda r: r.instance.disk_template,
    ),
    *parameter_columns("be", BACKEND, _backend),
    column(
        "disk.count",
        "Disks",
        "How many disks it has",
        lambda r: len(r.instance.disks),
        "number",
    ),
    column(
        "disk.sizes",
        "DiskSizes",
        "Sizes of its disks in MiB",
        lambda r: [str(disk.size_mib) for disk in r.instance.disks],
        "list",
    ),
    column(
        "disk_usage",
        "DiskUsage",
        "Size of all its disks",
        lambda r: sum(disk.size_mib for disk in r.instance.disks),
        "mib",
    ),
    column(
        "disks",
        "DiskTable",
        "Its disks by number",
        lambda r: {str(n): _disk(disk) for n, disk in enumerate(r.instance.disks)},
        "other",
    ),
    column(
        "nic.count",
        "NICs",
        "How many NICs it has",
        lambda r: len(r.instance.nics),
        "number",
    ),
    column(
        "nic.macs",
        "NicMACs",
        "MAC addresses of its NICs",
        lambda r: [nic.mac for nic in r.instance.nics],
        "list",
    ),
    column(
        "nic.modes",
        "NicModes",
        "Modes of its NICs",
        lambda r: [_nic_params(r, nic).mode for nic in r.instance.nics],
        "list",
    ),
    column(
        "nic.links",
        "NicLinks",
        "Bridges of its NICs",
        lambda r: [_nic_params(r, nic).link for nic in r.instance.nics],
        "list",
    ),
    column(
        "nic.ips",
        "NicIPs",
        "Addresses of its NICs",
        lambda r: [nic.ip for nic in r.instance.nics],
        "list",
    ),
    column(
        "nics",
        "NicTable",
        "Its NICs by number",
        lambda r: {str(n): _nic(r, nic) for n, nic in enumerate(r.instance.nics)},
        "other",
    ),
    column(
        "hvparams",
        "HvParams",
        "All its hypervisor parameters",
        _hvparams,
        "other",
    ),
    column(
        "params",
        "Parameters",
        "All its parameters, each with where it comes from",
        _origins,
        "other",
    ),
    column(
        "osparams",
        "OsParams",
        "Parameters of its OS definition",
        lambda r: dict(r.instance.osparams),
        "other",
    ),
    *object_columns(lambda r: r.instance),
)


def instance_table(hv_parameters: Iterable[str]) -> Table[InstanceRow]:
    """The table of instances with a field ``hv/NAME`` for each of these names."""
    hv_columns = (_hv_column(name) for name in sorted(set(hv_parameters)))
    return Table("instance", (*_COLUMNS, *hv_columns))


def instances_of(view: View) -> Table[InstanceRow]:
    """The table with all hypervisor parameters that there are."""
    every = (
        *view.hv_defaults.values(),
        *view.snapshot.cluster.hvparams.values(),
        *(i.hvparams for i in view.snapshot.instances.values()),
    )
    return instance_table(name for params in every for name in params)
