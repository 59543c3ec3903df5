"""Fields of the cluster."""

from __future__ import annotations

from ganetix.objects import Cluster
from ganetix.query.common import object_columns
from ganetix.query.table import Column, Table, column
from ganetix.query.view import View


def _cluster(view: View) -> Cluster:
    return view.snapshot.cluster


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
    column(
        "enabled_hypervisors",
        "Hypervisors",
        "What instances may run under; the first is the default",
        lambda v: list(_cluster(v).enabled_hypervisors),
        "list",
        default=True,
    ),
    column(
        "enabled_disk_templates",
        "DiskTemplates",
        "Where disks may be",
        lambda v: list(_cluster(v).enabled_disk_templates),
        "list",
    ),
    column(
        "candidate_pool_size",
        "PoolSize",
        "How many master candidates are wanted",
        lambda v: _cluster(v).candidate_pool_size,
        "number",
    ),
    column(
        "be/memory",
        "Memory",
        "Memory of an instance that names none",
        lambda v: _cluster(v).beparams.memory_mib,
        "mib",
    ),
    column(
        "be/vcpus",
        "VCPUs",
        "Virtual CPUs of an instance that names none",
        lambda v: _cluster(v).beparams.vcpus,
        "number",
    ),
    column(
        "hvparams",
        "HvParams",
        "Hypervisor parameters that differ from the built-in ones",
        lambda v: {name: dict(given) for name, given in _cluster(v).hvparams.items()},
        "other",
    ),
    column("nic_mode", "NICMode", "Mode of a NIC", lambda v: _cluster(v).nic_mode),
    column("nic_link", "NICLink", "Bridge of a NIC", lambda v: _cluster(v).nic_link),
    column(
        "mac_prefix",
        "MACPrefix",
        "First half of generated MAC addresses",
        lambda v: _cluster(v).mac_prefix,
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
