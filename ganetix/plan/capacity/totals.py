"""Sums over all nodes of a state, offline ones too: what reports of capacity tell."""

from __future__ import annotations

import numpy as np

from ganetix.objects.base import Value
from ganetix.plan.capacity.hardware import Hardware, Ints
from ganetix.plan.capacity.score import score
from ganetix.plan.capacity.state import (
    DISK,
    FREE_SPINDLES,
    RESERVE,
    UNALLOCATED,
    VCPUS,
    ClusterState,
)


class Totals(Value, frozen=True, kw_only=True):
    """What a state's nodes have, use and could give; memory and disk in MiB.

    ``*_avail`` is what is free beyond reserves; ``*_inst`` what instances use;
    ``mem_overhead`` what neither they nor anybody else accounts for; ``max_*_avail``
    the most that one node could give; ``npu`` the CPUs that the vcpus come to, by each
    group's ratio.
    """

    mem: float
    disk: float
    cpu: float
    vcpu: int
    spindles: int
    node_count: int
    inst_count: int
    score: float
    mem_free: int
    mem_avail: int
    mem_inst: int
    mem_overhead: int
    disk_free: int
    disk_avail: int
    disk_inst: int
    spindles_free: int
    cpu_inst: int
    npu: float
    max_mem_avail: int
    max_disk_avail: int

    @property
    def mem_reserved(self) -> int:
        """Free memory that the failure of another node would need."""
        return self.mem_free - self.mem_avail

    @property
    def disk_reserved(self) -> int:
        """Free disk that is to stay free."""
        return self.disk_free - self.disk_avail

    @property
    def spindles_inst(self) -> int:
        """Spindles that are not free."""
        return self.spindles - self.spindles_free


def totals(state: ClusterState) -> Totals:
    """Sums and the score of a state as it is."""
    hardware, numbers = state.hardware, state.numbers
    node_memory = sum(node.node_memory for node in hardware.nodes)
    available = np.maximum(0, numbers[UNALLOCATED] - numbers[RESERVE])
    room = np.maximum(0, numbers[DISK] - hardware.kept_disk)
    inst_memory = sum(guest.used_memory for guest in state.guests)
    total_disk = float(hardware.disk.sum())
    free_disk = _sum(numbers[DISK])
    return Totals(
        mem=float(hardware.memory.sum()),
        disk=total_disk,
        cpu=float(hardware.cpus.sum()),
        vcpu=_sum(np.floor(hardware.vcpu_ratio * hardware.cpus).astype(np.int64)),
        spindles=sum(node.spindles for node in hardware.nodes),
        node_count=len(hardware.nodes),
        inst_count=len(state.guests),
        score=score(state),
        mem_free=_sum(numbers[UNALLOCATED]),
        mem_avail=_sum(available),
        mem_inst=inst_memory,
        mem_overhead=_sum(state.missing) + node_memory,
        disk_free=free_disk,
        disk_avail=_sum(room),
        disk_inst=int(total_disk) - free_disk,
        spindles_free=_sum(numbers[FREE_SPINDLES]),
        cpu_inst=_sum(numbers[VCPUS]),
        npu=_processors(hardware, numbers[VCPUS]),
        max_mem_avail=int(available.max(initial=0)),
        max_disk_avail=int(room.max(initial=0)),
    )


def _sum(values: Ints) -> int:
    return int(values.sum())


def _processors(hardware: Hardware, vcpus: Ints) -> float:
    """How many CPUs the vcpus come to, one node after the other."""
    found = 0.0
    for used, ratio in zip(vcpus.tolist(), hardware.vcpu_ratio.tolist(), strict=True):
        found += used / ratio if ratio else 0.0
    return found
