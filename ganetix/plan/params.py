"""What parameters are in effect, and where each comes from. Pure.

All families inherit alike: an object sees a sequence of layers, from the built-in
values over those of the cluster and the group to its own; the last that has a
parameter decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec.structs import asdict

from ganetix.config.snapshot import Snapshot
from ganetix.objects import (
    BackendParams,
    CapacityParams,
    Cluster,
    Disk,
    DiskParams,
    HvParams,
    Instance,
    InstanceSize,
    Nic,
    NicParams,
    Node,
    NodeGroup,
    NodeParams,
)
from ganetix.objects.base import Value
from ganetix.storage.params import DISK_TEMPLATES

ParamValue = str | int | float | bool | InstanceSize


class Layer(Value, frozen=True, kw_only=True):
    """Parameters given at one place: ``default``, ``cluster``, ``group rack1`` …"""

    origin: str
    given: Mapping[str, ParamValue]


Layers = Sequence[Layer]


class Origin(Value, frozen=True, kw_only=True):
    """A value in effect, and the origin of the layer that decided it."""

    value: ParamValue
    origin: str


def effective(layers: Layers) -> dict[str, ParamValue]:
    """The values in effect by parameter."""
    return {name: value for layer in layers for name, value in layer.given.items()}


def origins(layers: Layers) -> dict[str, Origin]:
    """The values in effect with their origins, by parameter."""
    return {
        name: Origin(value=value, origin=layer.origin)
        for layer in layers
        for name, value in layer.given.items()
    }


def backend_layers(
    cluster: Cluster, group: NodeGroup | None, instance: Instance | None = None
) -> Layers:
    """Backend parameters of an instance of that group, or of any that has no own."""
    return (
        *_cluster_layers(cluster.beparams),
        *_layer("group", group, group.beparams if group else {}),
        *_layer("instance", instance, instance.beparams if instance else {}),
    )


def hypervisor_layers(
    hypervisor: str,
    cluster: Cluster,
    group: NodeGroup | None,
    instance: Instance | None = None,
    defaults: Mapping[str, ParamValue] | None = None,
) -> Layers:
    """A hypervisor's parameters for an instance of that group.

    :param defaults: the hypervisor's built-in ones, if they are wanted as well
    """
    return (
        *([Layer(origin="default", given=defaults)] if defaults else []),
        Layer(origin="cluster", given=cluster.hvparams.get(hypervisor, {})),
        *_layer("group", group, group.hvparams.get(hypervisor, {}) if group else {}),
        *_layer("instance", instance, instance.hvparams if instance else {}),
    )


def nic_layers(
    cluster: Cluster,
    group: NodeGroup | None,
    instance: Instance | None = None,
    nic: Nic | None = None,
) -> Layers:
    """How a NIC of an instance of that group is connected, or any that has no own."""
    return (
        *_cluster_layers(cluster.nicparams),
        *_layer("group", group, group.nicparams if group else {}),
        *_layer("instance", instance, _own(nic) if nic else {}),
    )


def disk_layers(template: str, cluster: Cluster, group: NodeGroup | None) -> Layers:
    """A disk template's parameters, for disks that are made in that group."""
    return (
        *_template_layers(template),
        Layer(origin="cluster", given=cluster.diskparams.get(template, {})),
        *_layer("group", group, group.diskparams.get(template, {}) if group else {}),
    )


def own_disk_layers(instance: Instance, disk: Disk) -> Layers:
    """The parameters of a disk, which it has had since it was made."""
    return (
        *_template_layers(instance.disk_template),
        *_layer("instance", instance, disk.params),
    )


def node_layers(
    cluster: Cluster, group: NodeGroup | None, node: Node | None = None
) -> Layers:
    """Node parameters of a node of that group."""
    return (
        *_cluster_layers(cluster.ndparams),
        *_layer("group", group, group.ndparams if group else {}),
        *_layer("node", node, node.ndparams if node else {}),
    )


def capacity_layers(cluster: Cluster, group: NodeGroup | None) -> Layers:
    """How a group's capacity is computed."""
    given = asdict(group.capacity) if group else {}
    own = {name: value for name, value in given.items() if value is not None}
    return (*_cluster_layers(cluster.capacity), *_layer("group", group, own))


def group_of(snapshot: Snapshot, node_uuid: str) -> NodeGroup | None:
    """The group of a node; None of one that is not in the configuration."""
    node = snapshot.nodes.get(node_uuid)
    return snapshot.groups.get(node.group) if node else None


def backend_params(
    instance: Instance, snapshot: Snapshot, group: NodeGroup | None = None
) -> BackendParams:
    """An instance's backend parameters, on its node or in a group it is to come to."""
    group = group or group_of(snapshot, instance.primary_node)
    layers = backend_layers(snapshot.cluster, group, instance)
    return BackendParams(**effective(layers))  # type: ignore[arg-type]


class BackendOf:
    """``backend_params`` of many instances of one configuration.

    Most have the same parameters as others of their group, and share theirs.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._found: dict[tuple[object, ...], BackendParams] = {}

    def __call__(self, instance: Instance) -> BackendParams:
        """An instance's backend parameters on its node."""
        node = self._snapshot.nodes.get(instance.primary_node)
        key = (node.group if node else None, *instance.beparams.items())
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = backend_params(instance, self._snapshot)
        return found


def hv_params(
    instance: Instance, snapshot: Snapshot, group: NodeGroup | None = None
) -> HvParams:
    """An instance's hypervisor parameters, without those that nobody gave."""
    group = group or group_of(snapshot, instance.primary_node)
    layers = hypervisor_layers(instance.hypervisor, snapshot.cluster, group, instance)
    return effective(layers)  # type: ignore[return-value]


def nic_params(
    cluster: Cluster, group: NodeGroup | None, nic: Nic | None = None
) -> NicParams:
    """How a NIC in that group is connected, or any that has no own parameters."""
    inherited = effective(nic_layers(cluster, group))
    return NicParams(**{**inherited, **(_own(nic) if nic else {})})  # type: ignore[arg-type]


def disk_params(template: str, cluster: Cluster, group: NodeGroup | None) -> DiskParams:
    """The parameters of a disk that is made in that group and has no own."""
    return effective(disk_layers(template, cluster, group))  # type: ignore[return-value]


def node_params(node: Node, snapshot: Snapshot) -> NodeParams:
    """A node's parameters."""
    layers = node_layers(snapshot.cluster, snapshot.groups.get(node.group), node)
    return NodeParams(**effective(layers))  # type: ignore[arg-type]


def capacity_params(cluster: Cluster, group: NodeGroup | None) -> CapacityParams:
    """How a group's capacity is computed, or that of groups without own parameters."""
    return CapacityParams(**effective(capacity_layers(cluster, group)))  # type: ignore[arg-type]


def _layer(
    kind: str,
    owner: NodeGroup | Node | Instance | None,
    given: Mapping[str, ParamValue],
) -> tuple[Layer, ...]:
    if owner is None or not given:
        return ()
    return (Layer(origin=f"{kind} {owner.name}", given=given),)


def _own(nic: Nic) -> dict[str, str]:
    given = {"mode": nic.mode, "link": nic.link}
    return {name: value for name, value in given.items() if value is not None}


def _template_layers(template: str) -> tuple[Layer, ...]:
    known = DISK_TEMPLATES.get(template, {})
    built_in = {name: parameter.default for name, parameter in known.items()}
    return (Layer(origin="default", given=built_in),) if built_in else ()


@lru_cache(maxsize=64)
def _cluster_layers(
    params: BackendParams | NicParams | NodeParams | CapacityParams,
) -> tuple[Layer, Layer]:
    """The built-in values, and those of the cluster that are other ones."""
    built_in = asdict(type(params)())
    own = {n: value for n, value in asdict(params).items() if value != built_in[n]}
    return (
        Layer(origin="default", given=built_in),
        Layer(origin="cluster", given=own),
    )
