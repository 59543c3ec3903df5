"""How many more fit into each group alone, and into the cluster as their sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from ganetix.errors import BadParameter
from ganetix.objects.params import CapacityOverrides, CapacityParams, InstanceSize
from ganetix.plan.capacity.model import (
    TEMPLATES,
    CapCluster,
    CapGroup,
    Spec,
    Template,
    TieredRequest,
    TieredSpec,
)
from ganetix.plan.capacity.part import of_group
from ganetix.plan.capacity.requests import (
    Answer,
    Capacities,
    Capacity,
    GroupCapacity,
)
from ganetix.plan.capacity.tiered import tiered


def capacities(cluster: CapCluster, request: Capacity) -> Answer:
    """The capacity of the groups that are asked about.

    A group that may not be allocated to is computed, but counts nothing in the sum.
    """
    groups = {group.uuid: group for group in cluster.groups}
    for uuid in (*request.groups, *request.parameters):
        if uuid not in groups:
            raise BadParameter(f"there is no group {uuid!r}")
    found = {
        uuid: _capacity(
            cluster,
            groups[uuid],
            parameters_of(groups[uuid], request.parameters.get(uuid)),
        )
        for uuid in request.groups or groups
    }
    counted = [
        capacity.tspecs
        for uuid, capacity in found.items()
        if groups[uuid].alloc_policy != "unallocable"
    ]
    total = merged(counted)
    count = sum(spec.count for spec in total)
    return Answer(
        info=f"Request successful: {count} more instances in {len(found)} groups",
        result=Capacities(cluster=total, groups=found),
    )


def parameters_of(group: CapGroup, given: CapacityOverrides | None) -> CapacityParams:
    """What is given, and for the rest what the group's policy says."""
    given = given or CapacityOverrides()
    policy = group.policy
    template = given.default_template or next(iter(policy.templates), None)
    if template is None:
        raise BadParameter(
            f"group {group.name}: its policy has no template: give default_template"
        )
    size = given.max_inst_spec
    if size is None:
        if not policy.ranges:
            raise BadParameter(
                f"group {group.name}: its policy has no bounds: give max_inst_spec"
            )
        most = policy.ranges[0].max
        size = InstanceSize(
            memory_mib=most.memory, disk_mib=most.disk, vcpus=most.vcpus
        )
    cpu_ratio, disk_usage = given.max_cpu_ratio, given.max_disk_usage
    return CapacityParams(
        max_inst_spec=size,
        default_template=template,
        max_cpu_ratio=policy.vcpu_ratio if cpu_ratio is None else cpu_ratio,
        max_disk_usage=1.0 if disk_usage is None else disk_usage,
        capacity_checks=given.capacity_checks is not False,
    )


def merged(lists: Iterable[Iterable[TieredSpec]]) -> tuple[TieredSpec, ...]:
    """Lists of tiered specs as one: equal sizes added up, the larger ones first."""
    counts: Counter[tuple[int, int, int]] = Counter()
    for tspecs in lists:
        for spec in tspecs:
            counts[spec.memory, spec.disk, spec.vcpus] += spec.count
    return tuple(
        TieredSpec(memory=memory, disk=disk, vcpus=vcpus, count=count)
        for (memory, disk, vcpus), count in sorted(counts.items(), reverse=True)
    )


def _capacity(
    cluster: CapCluster, group: CapGroup, parameters: CapacityParams
) -> GroupCapacity:
    size = parameters.max_inst_spec
    alone = of_group(cluster, group.uuid)
    # It is shown what would fit, were the group open.
    opened = replace(alone, groups=(replace(group, alloc_policy="preferred"),))
    result = tiered(
        opened,
        TieredRequest(
            template=_template(group, parameters.default_template),
            specs=(Spec(memory=size.memory_mib, disk=size.disk_mib, vcpus=size.vcpus),),
            spindle_use=group.policy.std.spindle_use,
            max_disk_usage=parameters.max_disk_usage,
            cpu_ratio=parameters.max_cpu_ratio,
            capacity_checks=parameters.capacity_checks,
        ),
    )
    return GroupCapacity(
        tspecs=result.tspecs, parameters=parameters, reason=result.reason
    )


def _template(group: CapGroup, name: str) -> Template:
    if name not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        raise BadParameter(
            f"group {group.name}: disk template {name!r} is not one of {known}"
        )
    return name
