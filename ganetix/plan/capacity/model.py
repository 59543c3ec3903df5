"""A cluster as capacity and allocation see it: what htools reads and nothing else.

Memory and disk are MiB, CPUs are numbers. The order of groups, nodes and instances
matters: among equally good nodes the last one wins.
"""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import Value
from ganetix.objects.group import AllocationPolicy

Template = Literal[
    "plain",
    "drbd",
    "mirror",
    "file",
    "sharedfile",
    "diskless",
    "rbd",
    "ext",
    "gluster",
    "blockdev",
]
TEMPLATES: tuple[Template, ...] = (
    "plain",
    "drbd",
    "mirror",
    "file",
    "sharedfile",
    "diskless",
    "rbd",
    "ext",
    "gluster",
    "blockdev",
)
TWO_NODES: frozenset[Template] = frozenset({"drbd", "mirror"})
"""Templates with a disk on a secondary node."""

LOCAL: frozenset[Template] = TWO_NODES | {"plain"}
"""Templates that take a node's disk space; others never do, as htools has it."""

MOVABLE: frozenset[Template] = frozenset(
    {"diskless", "sharedfile", "rbd", "ext", "gluster"}
)
"""Templates whose instances can move to any node of the group."""

GuestStatus = Literal[
    "running",
    "ADMIN_down",
    "ADMIN_offline",
    "USER_down",
    "ERROR_up",
    "ERROR_down",
    "ERROR_nodedown",
    "ERROR_nodeoffline",
    "ERROR_wrongnode",
]
DOWN: frozenset[GuestStatus] = frozenset(
    {"ADMIN_down", "ADMIN_offline", "ERROR_down", "USER_down"}
)
"""Statuses of guests that take no memory on their node."""


class Spec(Value, frozen=True, kw_only=True):
    """What one instance takes; one of a policy's bounds."""

    memory: int = 0
    vcpus: int = 0
    disk: int = 0
    disk_count: int = 0
    nic_count: int = 0
    spindle_use: int = 0


class SpecRange(Value, frozen=True, kw_only=True):
    """The smallest and the largest instance that a policy lets pass."""

    min: Spec
    max: Spec


class Policy(Value, frozen=True, kw_only=True):
    """A group's instance policy; the defaults are htools' own."""

    std: Spec = Spec(
        memory=128, vcpus=1, disk=1024, disk_count=1, nic_count=1, spindle_use=1
    )
    ranges: tuple[SpecRange, ...] = (
        SpecRange(
            min=Spec(
                memory=128,
                vcpus=1,
                disk=1024,
                disk_count=1,
                nic_count=1,
                spindle_use=1,
            ),
            max=Spec(
                memory=32768,
                vcpus=8,
                disk=1048576,
                disk_count=16,
                nic_count=8,
                spindle_use=12,
            ),
        ),
    )
    templates: tuple[Template, ...] = TEMPLATES
    vcpu_ratio: float = 4.0
    spindle_ratio: float = 32.0


class CapGroup(Value, frozen=True, kw_only=True):
    """A node group."""

    uuid: str
    name: str
    alloc_policy: AllocationPolicy = "preferred"
    tags: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    policy: Policy = Policy()


class CapNode(Value, frozen=True, kw_only=True):
    """A node; ``group`` is a UUID. ``offline`` includes drained and not vm-capable.

    ``total_*`` are what the hardware has, ``node_memory`` and ``node_cpus`` what the
    host's own system takes, ``free_*`` what the node reported. One whose figures are
    not known is offline with zeros.
    """

    name: str
    group: str
    total_memory: int = 0
    node_memory: int = 0
    free_memory: int = 0
    total_disk: int = 0
    free_disk: int = 0
    total_cpus: float = 0
    node_cpus: int = 0
    cpu_speed: float = 1.0
    offline: bool = False
    master: bool = False
    spindles: int = 1
    free_spindles: int = 0
    exclusive_storage: bool = False
    tags: tuple[str, ...] = ()


class CapInstance(Value, frozen=True, kw_only=True):
    """An instance that is there; nodes by name, ``secondary`` empty if it has none.

    ``disk`` is the sum of its disks. ``disks`` and ``disk_spindles`` are known only
    from some sources.
    """

    name: str
    memory: int
    disk: int
    vcpus: int
    status: GuestStatus = "running"
    auto_balance: bool = True
    primary: str
    secondary: str = ""
    template: Template = "plain"
    tags: tuple[str, ...] = ()
    spindle_use: int = 1
    disks: tuple[int, ...] = ()
    disk_spindles: int | None = None
    nic_count: int = 1
    forthcoming: bool = False


class CapCluster(Value, frozen=True, kw_only=True):
    """All that a computation is given. ``policy`` is the cluster's own."""

    groups: tuple[CapGroup, ...]
    nodes: tuple[CapNode, ...]
    instances: tuple[CapInstance, ...] = ()
    tags: tuple[str, ...] = ()
    policy: Policy = Policy()


class TieredRequest(Value, frozen=True, kw_only=True):
    """What to fill a cluster with, and under which rules.

    ``max_disk_usage`` is a ratio (1.0: all of it); ``min_disk`` is the share of each
    disk that stays free, in its place. ``cpu_ratio`` overrides every group's. ``specs``
    are tried in order, each from the state the last one left; none means the largest
    of the cluster's policy. ``limit`` bounds how many instances are placed; None is no
    limit.
    """

    template: Template
    specs: tuple[Spec, ...] = ()
    disk_spindles: int | None = None
    spindle_use: int | None = None
    max_disk_usage: float = 1.0
    min_disk: float | None = None
    cpu_ratio: float | None = None
    capacity_checks: bool = True
    independent_groups: bool = False
    accept_existing_errors: bool = False
    limit: int | None = None

    @property
    def free_disk(self) -> float:
        """The share of each disk that stays free."""
        # 1 - (1 - kept) is not always what was given, which would show at its edge.
        return 1 - self.max_disk_usage if self.min_disk is None else self.min_disk


FailureMode = Literal[
    "Mem", "Disk", "CPU", "N1", "Tags", "Mig", "DiskCount", "Spindles", "Internal"
]
FAILURE_MODES: tuple[FailureMode, ...] = (
    "Mem",
    "Disk",
    "CPU",
    "N1",
    "Tags",
    "Mig",
    "DiskCount",
    "Spindles",
    "Internal",
)


class TieredSpec(Value, frozen=True, kw_only=True):
    """So many instances of this size were placed, one after the other."""

    memory: int
    disk: int
    vcpus: int
    count: int
    spindles: int | None = None


class Placed(Value, frozen=True, kw_only=True):
    """One instance that was placed; ``secondary`` is empty if it has none."""

    spec: Spec
    primary: str
    secondary: str = ""


class TieredResult(Value, frozen=True, kw_only=True):
    """What fits, in the order of placement; why nothing does, in words.

    ``failures`` are those of the last step that was tried, by mode. ``reason`` is
    empty unless nothing could even be tried.
    """

    tspecs: tuple[TieredSpec, ...]
    placed: tuple[Placed, ...] = ()
    failures: dict[FailureMode, int] = {}
    reason: str = ""
