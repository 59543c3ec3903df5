"""Parameters that inherit from the cluster to its objects."""

from __future__ import annotations

from ganetix.objects.base import Value

HvValue = str | int | bool
HvParams = dict[str, HvValue]
DiskParams = dict[str, str]


class BackendParams(Value, frozen=True, kw_only=True):
    """What the host must give a guest: memory in MiB and virtual CPUs."""

    memory_mib: int = 128
    vcpus: int = 1
    auto_balance: bool = True


NodeParamValue = int | float | bool


class NodeParams(Value, frozen=True, kw_only=True):
    """What is known of a host beyond what it reports; the defaults of all nodes.

    ``reserved_memory_mib`` and ``reserved_cpus`` are kept for the host's own system.
    ``cpu_speed`` is relative to an ordinary one.
    """

    reserved_memory_mib: int = 1024
    reserved_cpus: int = 0
    spindle_count: int = 1
    exclusive_storage: bool = False
    cpu_speed: float = 1.0


class InstanceSize(Value, frozen=True, kw_only=True):
    """The size of an instance: MiB of memory, MiB of disk in all, virtual CPUs."""

    memory_mib: int
    disk_mib: int
    vcpus: int


class CapacityParams(Value, frozen=True, kw_only=True):
    """How capacity is computed where a group does not say otherwise (R41).

    ``max_disk_usage`` is a ratio, ``max_cpu_ratio`` virtual CPUs to one of the host's.
    ``capacity_checks`` is whether all must stay N+1 redundant.
    """

    max_inst_spec: InstanceSize = InstanceSize(
        memory_mib=8192, disk_mib=102400, vcpus=4
    )
    default_template: str = "file"
    max_cpu_ratio: float = 4.0
    max_disk_usage: float = 1.0
    capacity_checks: bool = True


class CapacityOverrides(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What a group has different from the cluster's ``CapacityParams``."""

    max_inst_spec: InstanceSize | None = None
    default_template: str | None = None
    max_cpu_ratio: float | None = None
    max_disk_usage: float | None = None
    capacity_checks: bool | None = None
