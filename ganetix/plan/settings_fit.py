"""Whether parameters of cluster, groups and instances fit together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ganetix.config.snapshot import Snapshot
from ganetix.errors import BadParameter
from ganetix.hypervisor.params import effective_hvparams
from ganetix.objects import Cluster, HvParams, Instance, NodeGroup
from ganetix.plan.params import nic_params


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
        f"{where}nicparams: link: missing; mode bridged needs the name of a bridge"
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
