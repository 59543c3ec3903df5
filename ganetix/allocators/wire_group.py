"""Groups and policies in an allocator's input: JSON objects, and values of them."""

from __future__ import annotations

import msgspec

from ganetix.allocators.htools_policy import BUILT_IN, htools_name
from ganetix.errors import BadParameter
from ganetix.objects.group import AllocationPolicy
from ganetix.plan.capacity.model import (
    TEMPLATES,
    CapGroup,
    Policy,
    Spec,
    SpecRange,
    Template,
)


class WireSpec(msgspec.Struct, rename="kebab"):
    """A spec of a policy."""

    memory_size: int
    cpu_count: int
    disk_size: int
    disk_count: int
    nic_count: int
    spindle_use: int = 1


class WireRange(msgspec.Struct):
    """Bounds of a policy."""

    min: WireSpec
    max: WireSpec


class WirePolicy(msgspec.Struct, rename="kebab"):
    """An instance policy."""

    minmax: list[WireRange]
    std: WireSpec
    disk_templates: list[str]
    vcpu_ratio: float
    spindle_ratio: float


class WireGroup(msgspec.Struct):
    """A node group; what older masters do not send is optional."""

    name: str
    alloc_policy: AllocationPolicy = "preferred"
    networks: list[str] = []
    ipolicy: WirePolicy | None = None
    tags: list[str] = []


def template_of(what: str, name: str) -> Template:
    """A template by its name."""
    if name not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        raise BadParameter(f"{what}: disk template {name!r} is not one of {known}")
    return name


def wire_policy(policy: Policy) -> WirePolicy:
    """A policy for the wire."""
    return WirePolicy(
        minmax=[
            WireRange(min=_wire_spec(one.min), max=_wire_spec(one.max))
            for one in policy.ranges
        ],
        std=_wire_spec(policy.std),
        disk_templates=list(dict.fromkeys(map(htools_name, policy.templates))),
        vcpu_ratio=policy.vcpu_ratio,
        spindle_ratio=policy.spindle_ratio,
    )


def read_policy(what: str, policy: WirePolicy | None) -> Policy:
    """The value of a policy; htools' built-in one if there is none."""
    if policy is None:
        return BUILT_IN
    return Policy(
        std=_spec(policy.std),
        ranges=tuple(
            SpecRange(min=_spec(one.min), max=_spec(one.max)) for one in policy.minmax
        ),
        templates=tuple(template_of(what, name) for name in policy.disk_templates),
        vcpu_ratio=policy.vcpu_ratio,
        spindle_ratio=policy.spindle_ratio,
    )


def wire_group(group: CapGroup) -> WireGroup:
    """A group for the wire."""
    return WireGroup(
        name=group.name,
        alloc_policy=group.alloc_policy,
        networks=list(group.networks),
        ipolicy=wire_policy(group.policy),
        tags=list(group.tags),
    )


def read_group(uuid: str, group: WireGroup) -> CapGroup:
    """The value of a group."""
    return CapGroup(
        uuid=uuid,
        name=group.name,
        alloc_policy=group.alloc_policy,
        tags=tuple(group.tags),
        networks=tuple(group.networks),
        policy=read_policy(f"group {group.name}", group.ipolicy),
    )


def _wire_spec(spec: Spec) -> WireSpec:
    return WireSpec(
        memory_size=spec.memory,
        cpu_count=spec.vcpus,
        disk_size=spec.disk,
        disk_count=spec.disk_count,
        nic_count=spec.nic_count,
        spindle_use=spec.spindle_use,
    )


def _spec(spec: WireSpec) -> Spec:
    return Spec(
        memory=spec.memory_size,
        vcpus=spec.cpu_count,
        disk=spec.disk_size,
        disk_count=spec.disk_count,
        nic_count=spec.nic_count,
        spindle_use=spec.spindle_use,
    )
