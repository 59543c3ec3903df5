"""What a request to change the cluster's parameters comes to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import AlreadyExists, BadParameter, WrongState
from ganetix.hypervisor.params import HV_PARAMETERS
from ganetix.netutils.address import node_address
from ganetix.objects import Cluster, Instance
from ganetix.objects.base import Value
from ganetix.objects.words import some
from ganetix.opcodes import OpClusterModify, OpClusterRename
from ganetix.plan.addresses import check_ipv6_secondary, check_master_address
from ganetix.plan.candidates import with_promotions
from ganetix.plan.settings import (
    capacity_given,
    check_serial,
    disk_templates,
    hypervisors,
    whole,
)
from ganetix.plan.settings_fit import check_hypervisors, check_nics, check_template
from ganetix.plan.settings_shown import Change, cluster_given, differences
from ganetix.storage.params import DISK_TEMPLATES

_AS_GIVEN = (
    *("candidate_pool_size", "mac_prefix"),
    *("default_iallocator", "master_netdev", "ipv6_secondary", "remote_commands"),
    *("cache_seconds", "watcher_seconds", "max_running_jobs"),
)


class ClusterChange(Value, frozen=True, kw_only=True):
    """The cluster before and after, and what is different."""

    before: Cluster
    after: Cluster
    changes: tuple[Change, ...]


def changed_cluster(op: OpClusterModify, snapshot: Snapshot) -> ClusterChange:
    """The cluster as it is to be; ``Refused`` if a part of that cannot be."""
    before = snapshot.cluster
    check_serial("cluster", before, op.expected_serial)
    fields: dict[str, object] = {
        field: value for field in _AS_GIVEN if (value := getattr(op, field)) is not None
    }
    if op.default_group is not None:
        fields["default_group"] = snapshot.group(op.default_group).uuid
    if op.enabled_hypervisors is not None:
        fields["enabled_hypervisors"] = _enabled(
            "hypervisor",
            op.enabled_hypervisors,
            tuple(HV_PARAMETERS),
            snapshot,
            lambda instance: instance.hypervisor,
        )
    if op.enabled_disk_templates is not None:
        fields["enabled_disk_templates"] = _enabled(
            "disk template",
            op.enabled_disk_templates,
            tuple(DISK_TEMPLATES),
            snapshot,
            lambda instance: instance.disk_template,
        )
    if op.master_ip is not None:
        fields["master_ip"] = op.master_ip and node_address("master_ip", op.master_ip)
    if op.master_netmask is not None:
        fields["master_netmask"] = op.master_netmask or None
    size = before.capacity.max_inst_spec
    nic = whole(before.nicparams, op.nicparams)
    after = replace(
        before,
        **fields,
        beparams=whole(before.beparams, op.beparams),
        hvparams=hypervisors(before.hvparams, op.hvparams),
        diskparams=disk_templates(before.diskparams, op.diskparams),
        nic_mode=nic.mode,
        nic_link=nic.link,
        ndparams=whole(before.ndparams, op.ndparams),
        capacity=whole(before.capacity, capacity_given(op.capacity, size)),
    )
    _check_whole(before, after, snapshot)
    groups = snapshot.groups
    return ClusterChange(
        before=before,
        after=after,
        changes=differences(
            cluster_given(before, groups), cluster_given(after, groups)
        ),
    )


def check_interface(name: str | None, known: Sequence[str]) -> None:
    """Refuse an interface for the master's address that the master node lacks.

    :param known: the interfaces of that node
    """
    if name and name not in known:
        raise BadParameter(
            f"master_netdev: {name!r} is not an interface of the master node, which has"
            f" {some(known)}"
        )


def modified(op: OpClusterModify, snapshot: Snapshot) -> Edits:
    """The change as edits, with the promotions that a larger pool needs."""
    change = changed_cluster(op, snapshot)
    if not change.changes:
        return Edits()
    return with_promotions(snapshot, Edits(put=(change.after,)))


def renamed(op: OpClusterRename, snapshot: Snapshot) -> Edits:
    """The cluster under another name."""
    if op.name == snapshot.cluster.name:
        raise AlreadyExists(f"the cluster is named {op.name} already")
    return Edits(put=(replace(snapshot.cluster, name=op.name),))


def _enabled(
    what: str,
    wanted: tuple[str, ...],
    known: tuple[str, ...],
    snapshot: Snapshot,
    used: Callable[[Instance], str],
) -> tuple[str, ...]:
    for name in wanted:
        if name not in known:
            raise BadParameter(
                f"enabled_{what.replace(' ', '_')}s: {name!r} is not one of"
                f" {', '.join(known)}"
            )
    instances = [*snapshot.instances.values()]
    instances += (intent.instance for intent in snapshot.intents.values())
    in_use: dict[str, set[str]] = {}
    for instance in instances:
        if (name := used(instance)) not in wanted:
            in_use.setdefault(name, set()).add(instance.name)
    for name, names in sorted(in_use.items()):
        raise WrongState(f"{what} {name} stays enabled: it is used by {some(names)}")
    return tuple(dict.fromkeys(wanted))


def _check_whole(before: Cluster, after: Cluster, snapshot: Snapshot) -> None:
    """Refuse values that are each good but do not go together."""
    if after.nicparams != before.nicparams:
        check_nics(after, snapshot.groups.values(), snapshot)
    if after.master_ip and not after.master_netdev:
        raise BadParameter(
            "master_netdev: missing; the master's address is to be put on an interface"
        )
    check_master_address(snapshot, after.master_ip, after.master_netmask)
    if before.ipv6_secondary and not after.ipv6_secondary:
        check_ipv6_secondary(snapshot)
    if (after.capacity, after.enabled_disk_templates) != (
        before.capacity,
        before.enabled_disk_templates,
    ):
        enabled = after.enabled_disk_templates
        check_template("capacity", after.capacity.default_template, enabled)
        for group in snapshot.groups.values():
            own = group.capacity.default_template
            check_template(f"group {group.name}: capacity", own, enabled)
    if after.hvparams != before.hvparams:
        check_hypervisors(after, snapshot.groups.values(), snapshot)
