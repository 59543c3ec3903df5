"""The running cluster as capacity and allocation see it."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from operator import attrgetter

from ganetix.config.snapshot import Snapshot
from ganetix.objects import (
    BackendParams,
    CapacityParams,
    GuestInfo,
    Instance,
    Node,
    NodeGroup,
)
from ganetix.objects.node_calls import NodeInfo
from ganetix.plan.capacity.driven import driven
from ganetix.plan.capacity.model import (
    TEMPLATES,
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    GuestStatus,
    Policy,
    Spec,
    SpecRange,
    Template,
    TieredRequest,
)
from ganetix.plan.capacity.requests import Newcomer
from ganetix.plan.params import BackendOf, backend_params, capacity_params, node_params

SMALLEST = Spec(memory=1, vcpus=1)
"""External allocators count how many of a policy's smallest fit: never of nothing."""

LARGEST = Spec(
    memory=1 << 24,
    vcpus=1 << 10,
    disk=1 << 30,
    disk_count=16,
    nic_count=8,
    spindle_use=1024,
)


def policy_of(params: CapacityParams) -> Policy:
    """A policy that lets everything pass but what the CPU ratio forbids.

    Spindles play no role.
    """
    return Policy(
        std=SMALLEST,
        ranges=(SpecRange(min=SMALLEST, max=LARGEST),),
        templates=TEMPLATES,
        vcpu_ratio=params.max_cpu_ratio,
    )


def request_of(params: CapacityParams) -> TieredRequest:
    """What a group's capacity is computed for."""
    size = params.max_inst_spec
    return TieredRequest(
        template=_template(params.default_template),
        specs=(Spec(memory=size.memory_mib, disk=size.disk_mib, vcpus=size.vcpus),),
        spindle_use=0,
        max_disk_usage=params.max_disk_usage,
        capacity_checks=params.capacity_checks,
    )


def cap_cluster(
    snapshot: Snapshot,
    infos: Mapping[str, NodeInfo],
    groups: Collection[str] | None = None,
    parameters: Mapping[str, CapacityParams] | None = None,
) -> CapCluster:
    """The cluster, or some of its groups, with what its nodes said by UUID.

    Groups, nodes and instances come by name. A node that said nothing counts as
    offline. Instances that are just being made on a node count as there, and what is
    being moved to it takes its memory.

    :param parameters: by group UUID, in place of what is configured
    """
    return driven(cap_cluster_steps(snapshot, infos, groups, parameters))


def cap_cluster_steps(
    snapshot: Snapshot,
    infos: Mapping[str, NodeInfo],
    groups: Collection[str] | None = None,
    parameters: Mapping[str, CapacityParams] | None = None,
) -> Generator[None, None, CapCluster]:
    """The same node by node."""
    chosen = sorted(
        (g for g in snapshot.groups.values() if groups is None or g.uuid in groups),
        key=lambda group: group.name,
    )
    params = {
        group.uuid: (parameters or {}).get(group.uuid)
        or capacity_params(snapshot.cluster, group)
        for group in chosen
    }
    backend = BackendOf(snapshot)
    nodes: list[CapNode] = []
    instances: list[CapInstance] = []
    for group in chosen:
        for node in snapshot.nodes_of(group.uuid):
            info = infos.get(node.uuid)
            nodes.append(_node(snapshot, node, info, params[group.uuid], backend))
            instances += _instances(snapshot, node, info, backend)
            yield
    return CapCluster(
        groups=tuple(_group(group, params[group.uuid]) for group in chosen),
        nodes=tuple(nodes),
        instances=tuple(sorted(instances, key=attrgetter("name"))),
        tags=snapshot.cluster.tags,
        policy=policy_of(capacity_params(snapshot.cluster, None)),
    )


def newcomer_of(
    instance: Instance,
    snapshot: Snapshot,
    group: NodeGroup,
    nodes: tuple[str, ...] = (),
) -> Newcomer:
    """An instance that is to be placed in a group, on one of these nodes if named."""
    backend = backend_params(instance, snapshot, group)
    sizes = tuple(disk.size_mib for disk in instance.disks)
    return Newcomer(
        name=instance.name,
        memory=backend.memory_mib,
        vcpus=backend.vcpus,
        disk=sum(sizes),
        template=_template(instance.disk_template),
        disks=sizes,
        spindle_use=0,
        networks=("",) * len(instance.nics),
        tags=instance.tags,
        os=instance.os,
        hypervisor=instance.hypervisor,
        restrict_to_nodes=nodes,
    )


def _group(group: NodeGroup, params: CapacityParams) -> CapGroup:
    return CapGroup(
        uuid=group.uuid,
        name=group.name,
        alloc_policy=group.alloc_policy,
        tags=group.tags,
        policy=policy_of(params),
    )


def _node(
    snapshot: Snapshot,
    node: Node,
    info: NodeInfo | None,
    params: CapacityParams,
    backend: BackendOf,
) -> CapNode:
    own = node_params(node, snapshot)
    is_usable = not (node.offline or node.drained) and node.vm_capable
    if info is None:
        return CapNode(name=node.name, group=node.group, offline=True, tags=node.tags)
    space = {entry.template: entry for entry in info.disk_space}
    disk = space.get(params.default_template) or next(iter(space.values()), None)
    return CapNode(
        name=node.name,
        group=node.group,
        total_memory=info.memory_total_mib,
        node_memory=own.reserved_memory_mib,
        free_memory=info.memory_free_mib
        - _not_yet_taken(snapshot, node, info, backend),
        total_disk=disk.total_mib if disk else 0,
        free_disk=disk.free_mib if disk else 0,
        total_cpus=info.cpus,
        node_cpus=own.reserved_cpus,
        cpu_speed=own.cpu_speed,
        offline=not is_usable,
        master=node.uuid == snapshot.cluster.master_node,
        spindles=own.spindle_count,
        exclusive_storage=own.exclusive_storage,
        tags=node.tags,
    )


def _not_yet_taken(
    snapshot: Snapshot, node: Node, info: NodeInfo, backend: BackendOf
) -> int:
    """MiB that are promised to guests which did not run when the node was asked."""
    running = {guest.uuid for guest in info.guests if guest.is_up}
    wanted = (
        *(i for i in snapshot.instances_on(node.uuid) if i.admin_state == "up"),
        *_to_come(snapshot, node.uuid),
        *_to_arrive(snapshot, node.uuid),
    )
    return sum(
        backend(instance).memory_mib
        for instance in wanted
        if instance.uuid not in running
    )


def _to_arrive(snapshot: Snapshot, node_uuid: str) -> Iterator[Instance]:
    """Instances of other nodes that are being moved to this one, to run there."""
    for intent in snapshot.intents.values():
        if intent.target_node == node_uuid and intent.instance.admin_state == "up":
            yield intent.instance


def _to_come(snapshot: Snapshot, node_uuid: str) -> Iterator[Instance]:
    """Instances that are just being made on a node."""
    for intent in snapshot.intents.values():
        if intent.action == "create" and intent.instance.primary_node == node_uuid:
            yield intent.instance


def _instances(
    snapshot: Snapshot, node: Node, info: NodeInfo | None, backend: BackendOf
) -> Iterator[CapInstance]:
    """What has a node as its primary, or is just being made there."""
    guests = {guest.uuid: guest for guest in info.guests} if info else {}
    for instance in snapshot.instances_on(node.uuid):
        guest = guests.get(instance.uuid)
        yield _instance(instance, guest, node, info, backend(instance))
    for instance in _to_come(snapshot, node.uuid):
        guest = guests.get(instance.uuid)
        yield _instance(instance, guest, node, info, backend(instance))


def _instance(
    instance: Instance,
    guest: GuestInfo | None,
    node: Node,
    info: NodeInfo | None,
    backend: BackendParams,
) -> CapInstance:
    sizes = tuple(disk.size_mib for disk in instance.disks)
    return CapInstance(
        name=instance.name,
        memory=backend.memory_mib,
        disk=sum(sizes),
        vcpus=backend.vcpus,
        status=_status(instance, guest, node, info),
        auto_balance=backend.auto_balance,
        primary=node.name,
        template=_template(instance.disk_template),
        tags=instance.tags,
        spindle_use=0,
        disks=sizes,
        nic_count=len(instance.nics),
    )


def _status(
    instance: Instance, guest: GuestInfo | None, node: Node, info: NodeInfo | None
) -> GuestStatus:
    if instance.admin_state == "offline":
        return "ADMIN_offline"
    if node.offline:
        return "ERROR_nodeoffline"
    if info is None:
        return "ERROR_nodedown"
    is_up = guest is not None and guest.is_up
    if instance.admin_state == "down":
        return "ERROR_up" if is_up else "ADMIN_down"
    # One that is to run keeps its memory, whether it has come up yet or not.
    return "running"


def _template(name: str) -> Template:
    for template in TEMPLATES:
        if template == name:
            return template
    return "ext"
