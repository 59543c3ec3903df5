"""Changing parameters: what is asked for put over what is there. Pure.

A parameter given as None goes back to what it inherits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec.structs import asdict, replace

from ganetix.config.snapshot import Snapshot
from ganetix.errors import BadParameter, ConfigConflict
from ganetix.hypervisor.params import check_hvparams, effective_hvparams
from ganetix.objects import (
    BackendParams,
    CapacityOverrides,
    CapacityParams,
    Cluster,
    ConfigObject,
    DiskParams,
    HvParams,
    HvValue,
    Instance,
    InstanceSize,
    NicParams,
    NodeGroup,
    NodeParams,
)
from ganetix.objects.base import Value
from ganetix.opcodes.parameters import CAPACITY, full_name
from ganetix.opcodes.settings import CapacityValue
from ganetix.plan.params import nic_params
from ganetix.storage.params import check_disk_params, disk_parameters

P = TypeVar("P", BackendParams, NicParams, NodeParams, CapacityParams)
V = TypeVar("V")

Shown = dict[str, object]
"""Values by the names that people see, fit for JSON."""

SHOWN = 8

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


def whole(params: P, given: Mapping[str, object]) -> P:
    """The cluster's parameters of a family after a change; None is the built-in."""
    built_in = type(params)()
    return replace(
        params,
        **{
            field: getattr(built_in, field) if value is None else value
            for field, value in given.items()
        },
    )


def overridden(own: Mapping[str, V], given: Mapping[str, V | None]) -> dict[str, V]:
    """The parameters that differ from the inherited ones, after a change."""
    both = {**own, **given}
    return {name: value for name, value in both.items() if value is not None}


def hypervisors(
    own: Mapping[str, HvParams], given: Mapping[str, Mapping[str, HvValue | None]]
) -> dict[str, HvParams]:
    """Parameters by hypervisor after a change; ``BadParameter`` for unknown ones."""
    for hypervisor, params in given.items():
        # One that goes back to the inherited value must be a parameter all the same.
        known = effective_hvparams(hypervisor)
        for name, value in params.items():
            tried = known.get(name, "") if value is None else value
            check_hvparams(hypervisor, {name: tried})
    return _nested_overridden(own, given)


def disk_templates(
    own: Mapping[str, DiskParams], given: Mapping[str, Mapping[str, str | None]]
) -> dict[str, DiskParams]:
    """Parameters by disk template after a change; ``BadParameter`` for unknown ones."""
    for template, params in given.items():
        known = disk_parameters(template)
        for name, value in params.items():
            is_reset = value is None and name in known
            tried = known[name].default if is_reset else value or ""
            check_disk_params(template, {name: tried})
    return _nested_overridden(own, given)


def _nested_overridden(
    own: Mapping[str, Mapping[str, V]], given: Mapping[str, Mapping[str, V | None]]
) -> dict[str, dict[str, V]]:
    both = {
        name: overridden(own.get(name, {}), given.get(name, {}))
        for name in (*own, *(name for name in given if name not in own))
    }
    return {name: params for name, params in both.items() if params}


def capacity_given(
    given: Mapping[str, CapacityValue | None], size: InstanceSize
) -> dict[str, object]:
    """Changes of capacity parameters with their sizes whole.

    :param size: the one in effect: what a given size leaves out
    """
    changed: dict[str, object] = {}
    for field, value in given.items():
        if isinstance(value, dict):
            changed[field] = replace(size, **value)
        elif field in CAPACITY and CAPACITY[field].kind == "number" and value:
            changed[field] = float(value)
        else:
            changed[field] = value
    return changed


def check_nics(
    cluster: Cluster, groups: Iterable[NodeGroup], snapshot: Snapshot
) -> None:
    """Refuse bridged NICs without the name of a bridge, in cluster or groups.

    Instances' NICs that inherit only a part are looked at as well.
    """
    by_uuid = {group.uuid: group for group in groups}
    for group in (None, *by_uuid.values()):
        found = nic_params(cluster, group)
        if found.mode == "bridged" and not found.link:
            raise _no_bridge(f"group {group.name}: " if group else "")
    for instance in snapshot.instances.values():
        place = by_uuid.get(snapshot.nodes[instance.primary_node].group)
        if place is not None:
            _check_own_nics(instance, cluster, place)


def _check_own_nics(instance: Instance, cluster: Cluster, group: NodeGroup) -> None:
    for nic in instance.nics:
        if (nic.mode is None) == (nic.link is None):
            # Nothing of its own, or all.
            continue
        found = nic_params(cluster, group, nic)
        if found.mode == "bridged" and not found.link:
            raise _no_bridge(f"instance {instance.name}: ")


def _no_bridge(where: str) -> BadParameter:
    return BadParameter(
        f"{where}nic link: missing; mode bridged needs the name of a bridge"
    )


def check_template(where: str, template: str | None, enabled: Iterable[str]) -> None:
    """Refuse to compute capacity for a disk template that is not enabled."""
    allowed = tuple(enabled)
    if template is not None and template not in allowed:
        raise BadParameter(
            f"{where}: default_template: {template!r} is not enabled in this cluster;"
            f" there are {', '.join(allowed)}"
        )


def check_hypervisors(
    cluster: Cluster, groups: Iterable[NodeGroup], snapshot: Snapshot
) -> None:
    """Refuse parameters that do not fit together in the cluster or one of the groups.

    Instances with own parameters are looked at as well, once for each combination.
    """
    for name, given in cluster.hvparams.items():
        effective_hvparams(name, given)
    by_uuid = {group.uuid: group for group in groups}
    for group in by_uuid.values():
        for name, given in group.hvparams.items():
            _check_layers(
                f"group {group.name}", name, cluster.hvparams.get(name, {}), given
            )
    seen: set[object] = set()
    for instance in snapshot.instances.values():
        if not instance.hvparams:
            continue
        place = by_uuid.get(snapshot.nodes[instance.primary_node].group)
        if place is None:
            continue
        own = tuple(instance.hvparams.items())
        if (key := (place.uuid, instance.hypervisor, own)) in seen:
            continue
        seen.add(key)
        _check_own_hypervisor(instance, cluster, place)


def check_moves(moves: Mapping[str, str], snapshot: Snapshot) -> None:
    """Refuse to take instances where their parameters do not fit together.

    :param moves: the group that each node is to come to, by UUIDs
    """
    for node_uuid, group_uuid in moves.items():
        group = snapshot.groups[group_uuid]
        for instance in snapshot.instances_on(node_uuid):
            _check_own_nics(instance, snapshot.cluster, group)
            _check_own_hypervisor(instance, snapshot.cluster, group)


def _check_own_hypervisor(
    instance: Instance, cluster: Cluster, group: NodeGroup
) -> None:
    name = instance.hypervisor
    _check_layers(
        f"instance {instance.name}",
        name,
        cluster.hvparams.get(name, {}),
        group.hvparams.get(name, {}),
        instance.hvparams,
    )


def _check_layers(where: str, hypervisor: str, *layers: HvParams) -> None:
    try:
        effective_hvparams(hypervisor, *layers)
    except BadParameter as error:
        raise BadParameter(f"{where}: {error}") from None


def check_serial(kind: str, current: ConfigObject, expected: int | None) -> None:
    """Tell the second of two administrators that the object is not what he saw."""
    if expected is not None and current.serial_no != expected:
        raise ConfigConflict(
            f"{kind} {current.name} changed since it was read (serial number"
            f" {expected}, now {current.serial_no}); look at it again",
            **{kind: current.name},
        )


def overrides(
    own: CapacityOverrides, given: Mapping[str, CapacityValue | None], cluster: Cluster
) -> CapacityOverrides:
    """A group's capacity parameters after a change."""
    size = own.max_inst_spec or cluster.capacity.max_inst_spec
    return replace(own, **capacity_given(given, size))


def some(names: Iterable[str]) -> str:
    """Names with commas between, the first few of many."""
    every = sorted(names)
    return ", ".join(every[:SHOWN]) + (" …" if len(every) > SHOWN else "")
