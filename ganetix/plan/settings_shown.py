"""Parameters by the names that people see, and how a change differs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import asdict

from ganetix.objects import Cluster, NodeGroup
from ganetix.objects.base import Value
from ganetix.opcodes.parameters import full_name

Shown = dict[str, object]
"""Values by the names that people see, fit for JSON."""

_CLUSTER_NAMES: Mapping[str, str] = {
    "candidate_pool_size": "candidate_pool_size",
    "enabled_hypervisors": "enabled_hypervisors",
    "enabled_disk_templates": "enabled_disk_templates",
    "mac_prefix": "mac_prefix",
    "default_iallocator": "default_iallocator",
    "master_ip": "master_ip",
    "master_netdev": "master_netdev",
    "master_netmask": "master_netmask",
    "ipv6_secondary": "ipv6_secondary",
    "remote_commands": "remote_commands",
    "cache_seconds": "cache_time",
    "watcher_seconds": "watcher_interval",
    "max_running_jobs": "max_running_jobs",
}
"""The cluster's own parameters, by field: the names that people see."""


class Change(Value, frozen=True, kw_only=True):
    """A parameter before and after; None is one that is inherited."""

    name: str
    before: object
    after: object


def differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[Change, ...]:
    """What is not the same, in the order of the names."""
    return tuple(
        Change(name=name, before=before.get(name), after=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def cluster_settings(cluster: Cluster, groups: Mapping[str, NodeGroup]) -> Shown:
    """All parameters of a cluster that inherit nothing, by the names people see."""
    return {
        "default_group": groups[cluster.default_group].name,
        **{
            shown: msgspec.to_builtins(getattr(cluster, field))
            for field, shown in _CLUSTER_NAMES.items()
        },
    }


def cluster_given(cluster: Cluster, groups: Mapping[str, NodeGroup]) -> Shown:
    """All parameters of a cluster, those that its objects inherit among them."""
    return {
        **cluster_settings(cluster, groups),
        **_family("be", asdict(cluster.beparams)),
        **_nested("hv", cluster.hvparams),
        **_nested("disk", cluster.diskparams),
        **_family("nic", asdict(cluster.nicparams)),
        **_family("nd", asdict(cluster.ndparams)),
        **_family("capacity", asdict(cluster.capacity)),
    }


def group_given(group: NodeGroup) -> Shown:
    """What a group has different from its cluster, and its own parameters."""
    return {
        "alloc_policy": group.alloc_policy,
        "min_candidates": group.min_candidates,
        **_family("be", group.beparams),
        **_nested("hv", group.hvparams),
        **_nested("disk", group.diskparams),
        **_family("nic", group.nicparams),
        **_family("nd", group.ndparams),
        **_family("capacity", asdict(group.capacity)),
    }


def _family(family: str, given: Mapping[str, object]) -> Shown:
    return {
        full_name(family, field): msgspec.to_builtins(value)
        for field, value in given.items()
    }


def _nested(family: str, given: Mapping[str, Mapping[str, object]]) -> Shown:
    return {
        f"{family}/{owner}/{name}": value
        for owner, params in given.items()
        for name, value in params.items()
    }
