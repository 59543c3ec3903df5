"""One instance as the arithmetic of capacity sees it, wherever it is placed."""

from __future__ import annotations

from ganetix.objects.base import Value
from ganetix.plan.capacity.model import (
    DOWN,
    LOCAL,
    TWO_NODES,
    CapInstance,
    FailureMode,
    GuestStatus,
    Policy,
    Spec,
    SpecRange,
    Template,
)


class Guest(Value, frozen=True, kw_only=True):
    """What an instance takes from its nodes; memory and disk in MiB.

    ``disk`` is the sum, ``disks`` the sizes that policies look at; ``disk_spindles``
    counts on nodes with exclusive storage, ``spindle_use`` on all others.
    """

    memory: int
    disk: int
    vcpus: int
    template: Template
    name: str = ""
    status: GuestStatus = "running"
    auto_balance: bool = True
    spindle_use: int = 1
    disks: tuple[int, ...] = ()
    disk_spindles: int | None = None
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, instance: CapInstance) -> Guest:
        """An instance that is there."""
        return cls(
            name=instance.name,
            memory=instance.memory,
            disk=instance.disk,
            vcpus=instance.vcpus,
            template=instance.template,
            status=instance.status,
            auto_balance=instance.auto_balance,
            spindle_use=instance.spindle_use,
            disks=instance.disks or (instance.disk,),
            disk_spindles=instance.disk_spindles,
            tags=instance.tags,
        )

    @classmethod
    def new(
        cls,
        spec: Spec,
        template: Template,
        *,
        spindle_use: int,
        disk_spindles: int | None = None,
    ) -> Guest:
        """An instance to come: running, balanced, with one disk."""
        return cls(
            memory=spec.memory,
            disk=spec.disk,
            vcpus=spec.vcpus,
            template=template,
            spindle_use=spindle_use,
            disks=(spec.disk,),
            disk_spindles=disk_spindles,
        )

    @property
    def used_memory(self) -> int:
        """What it takes of the free memory of its primary node; nothing when down."""
        return 0 if self.status in DOWN else self.memory

    @property
    def used_vcpus(self) -> int:
        """What counts against the node's CPUs; a guest that is down counts as well."""
        return 0 if self.status == "ADMIN_offline" else self.vcpus

    @property
    def reserved_memory(self) -> int:
        """What its secondary node keeps free for it."""
        kept = self.auto_balance and self.status != "ADMIN_offline"
        return self.memory if kept else 0

    @property
    def is_local(self) -> bool:
        """Whether it takes disk space of its nodes."""
        return self.template in LOCAL

    def free_spindles(self, free: int, sign: int = 1) -> int:
        """What is left of a node's free spindles with it, or without it again.

        All templates take some, as htools has it; where it is not known how many, the
        node has too few from then on.
        """
        if self.disk_spindles is None:
            return -1 if sign > 0 else free
        return free - sign * self.disk_spindles

    @property
    def is_pair(self) -> bool:
        """Whether it needs a secondary node."""
        return self.template in TWO_NODES


def policy_failure(
    guest: Guest, policy: Policy, *, exclusive: bool = False
) -> FailureMode | None:
    """Why a policy does not let a guest pass; None if it does.

    With several ranges one that fits is enough; the first one names the reason.
    ``exclusive`` says that its primary node has exclusive storage.
    """
    first: FailureMode | None = None
    for bounds in policy.ranges:
        failure = _range_failure(guest, bounds, exclusive)
        if failure is None:
            break
        first = first or failure
    else:
        if first is not None:
            return first
    names = ("drbd", "mirror") if guest.is_pair else (guest.template,)
    return None if any(name in policy.templates for name in names) else "Disk"


def _range_failure(
    guest: Guest, bounds: SpecRange, exclusive: bool
) -> FailureMode | None:
    """The first quantity that is outside of one range, the smallest side first."""
    spindles = (guest.disk_spindles or 0) if exclusive else guest.spindle_use
    for spec, sign in ((bounds.min, 1), (bounds.max, -1)):
        if sign * guest.memory < sign * spec.memory:
            return "Mem"
        if any(sign * disk < sign * spec.disk for disk in guest.disks):
            return "Disk"
        if sign * guest.vcpus < sign * spec.vcpus:
            return "CPU"
        if sign * spindles < sign * spec.spindle_use:
            return "Spindles"
        count_matters = guest.template != "diskless"
        if count_matters and sign * len(guest.disks) < sign * spec.disk_count:
            return "DiskCount"
    return None
