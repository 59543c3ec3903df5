"""Fields of the cluster."""

from __future__ import annotations

from collections.abc import Callable

from ganetix.api.types import Cell, FieldKind
from ganetix.objects import Cluster
from ganetix.opcodes.parameters import BACKEND, NIC, NODE, full_name
from ganetix.plan.params import Layers, origins
from ganetix.plan.settings_shown import cluster_settings
from ganetix.query.common import object_columns
from ganetix.query.params import (
    as_cell,
    capacity_columns,
    disk_columns,
    parameter_columns,
    shown_origins,
    shown_values,
)
from ganetix.query.table import Column, Table, column
from ganetix.query.view import View


def _cluster(view: View) -> Cluster:
    return view.snapshot.cluster


_SETTINGS: tuple[tuple[str, str, FieldKind], ...] = (
    ("candidate_pool_size", "How many master candidates are wanted", "number"),
    (
        "enabled_hypervisors",
        "What instances may run under; the first is the default",
        "list",
    ),
    ("enabled_disk_templates", "Where disks may be", "list"),
    ("mac_prefix", "First half of generated MAC addresses", "text"),
    ("default_iallocator", "What places instances", "text"),
    ("master_ip", "An address that moves with the master's role", "text"),
    ("master_netdev", "The interface that master_ip is put on", "text"),
    ("master_netmask", "Length of the prefix of master_ip's network", "number"),
    ("ipv6_secondary", "Whether secondary addresses may be IPv6", "bool"),
    ("remote_commands", "Whether commands run and files go to all nodes", "bool"),
    ("cache_time", "Longest life of cached state in seconds", "number"),
    ("watcher_interval", "Seconds between two rounds of repair", "number"),
    ("max_running_jobs", "How many jobs are done at once", "number"),
)


def _setting(name: str) -> Callable[[View], Cell]:
    return lambda view: as_cell(_settings(view)[name])


def _settings(view: View) -> dict[str, object]:
    return cluster_settings(view.snapshot.cluster, view.snapshot.groups)


def _family(name: str) -> Callable[[View], Layers]:
    return lambda view: view.group_families(None)[name]


def cluster_parameters(view: View) -> dict[str, Cell]:
    """All parameters by name, as they are where no group or object has its own."""
    every = {**_settings(view), **shown_values(view.group_families(None))}
    return {name: as_cell(value) for name, value in every.items()}


def cluster_origins(view: View) -> dict[str, str]:
    """Where those of the parameters come from that inherit, by name."""
    return {
        full_name(family, field): found.origin
        for family, layers in view.group_families(None).items()
        for field, found in origins(layers).items()
    }


_COLUMNS: tuple[Column[View], ...] = (
    column("name", "Cluster", "Its name", lambda v: _cluster(v).name, default=True),
    column(
        "master_node",
        "Master",
        "The node that commands",
        lambda v: v.snapshot.nodes[_cluster(v).master_node].name,
        default=True,
    ),
    column(
        "default_group",
        "DefaultGroup",
        "Takes new nodes and instances that name no group",
        lambda v: v.snapshot.groups[_cluster(v).default_group].name,
        default=True,
    ),
    column(
        "primary_ip_version",
        "IPVersion",
        "4, or 6 for a hybrid cluster",
        lambda v: _cluster(v).primary_ip_version,
        "number",
        default=True,
    ),
    *(column(name, name, doc, _setting(name), kind) for name, doc, kind in _SETTINGS),
    *parameter_columns("be", BACKEND, _family("be")),
    *disk_columns(lambda v, template: v.disks(template, None)),
    *parameter_columns("nic", NIC, _family("nic")),
    *parameter_columns("nd", NODE, _family("nd")),
    *capacity_columns(_family("capacity")),
    column(
        "hvparams",
        "HvParams",
        "Hypervisor parameters that differ from the built-in ones",
        lambda v: {name: dict(given) for name, given in _cluster(v).hvparams.items()},
        "other",
    ),
    column(
        "params",
        "Parameters",
        "All that its objects inherit, each with where it comes from",
        lambda v: shown_origins(v.group_families(None)),
        "other",
    ),
    column(
        "revision",
        "Revision",
        "Revision of the configuration",
        lambda v: v.snapshot.revision,
        "number",
    ),
    *object_columns(_cluster),
)

CLUSTERS: Table[View] = Table("cluster", _COLUMNS)
