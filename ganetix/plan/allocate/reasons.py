"""Why an instance cannot go to a node, in words and figures."""

from __future__ import annotations

import math

from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.model import FailureMode
from ganetix.plan.capacity.state import (
    DISK,
    FREE_SPINDLES,
    PROMISED,
    RESERVE,
    SPINDLE_USE,
    UNALLOCATED,
    VCPUS,
    ClusterState,
)

POLICY_WORDS: dict[FailureMode, str] = {
    "Mem": "size of memory",
    "Disk": "size of a disk, or its disk template",
    "CPU": "number of vcpus",
    "Spindles": "use of spindles",
    "DiskCount": "number of disks",
}
NOT_REDUNDANT = "with it there, some node's instances would have no place to fail over"


class Reasons:
    """The reasons for one guest in one state."""

    def __init__(self, state: ClusterState, guest: Guest) -> None:
        self._state = state
        self._guest = guest

    def policy(self, group: str, mode: FailureMode) -> str:
        """A group's policy does not let the guest pass."""
        what = POLICY_WORDS.get(mode, mode)
        return f"the policy of group {group} does not allow its {what}"

    def primary(self, node: int, mode: FailureMode) -> str:
        """Why not as a primary: the figures of a failure mode that was found there."""
        numbers = self._figures(node)
        guest = self._guest
        free = numbers[UNALLOCATED]
        match mode:
            case "Mem" if free <= guest.used_memory:
                return _short(free, guest.used_memory, "MiB free")
            case "Mem" if free - guest.used_memory <= numbers[RESERVE]:
                return (
                    f"would have {free - guest.used_memory} MiB free, needs more than"
                    f" {numbers[RESERVE]} to be N+1 safe"
                )
            case "Mem":
                return _short(
                    numbers[PROMISED],
                    guest.memory,
                    "MiB free if all its instances that are down were started",
                )
            case "CPU":
                limits = self._state.hardware
                most = float(limits.vcpu_ratio[node]) * float(limits.cpus[node])
                used = numbers[VCPUS] + guest.used_vcpus
                return f"{used} of {math.floor(most)} allowed vcpus"
            case _:
                return self._disk(node, mode)

    def secondary(self, node: int, mode: FailureMode, primary: int | None) -> str:
        """Why not as a secondary of a primary; of any if that is None."""
        numbers = self._figures(node)
        if mode != "Mem":
            return self._disk(node, mode)
        state = self._state
        owed = 0
        if primary is not None:
            owed = int(state.peers[node, state.hardware.place[primary]])
        needed = max(numbers[RESERVE], owed + self._guest.reserved_memory)
        if numbers[UNALLOCATED] <= needed:
            return (
                f"as secondary: has {numbers[UNALLOCATED]} MiB free, needs more than"
                f" {needed} to be N+1 safe"
            )
        return "as secondary: " + _short(
            numbers[PROMISED],
            self._guest.reserved_memory,
            "MiB free if all its instances that are down were started",
        )

    def _disk(self, node: int, mode: FailureMode) -> str:
        numbers = self._figures(node)
        guest, limits = self._guest, self._state.hardware
        if mode == "Spindles":
            own = guest.disk_spindles or 0
            return f"{numbers[FREE_SPINDLES]} free spindles, needs {own}"
        if mode != "Disk":
            return f"fails for {mode}"
        left = numbers[DISK] - guest.disk
        if left <= 0:
            return _short(numbers[DISK], guest.disk, "MiB of disk free")
        kept = int(limits.kept_disk[node])
        if left < kept:
            return f"would have {left} MiB of disk free, {kept} are to stay free"
        use = numbers[SPINDLE_USE] + guest.spindle_use
        return f"{use} of {limits.max_spindle_use[node]:g} allowed uses of its spindles"

    def _figures(self, node: int) -> list[int]:
        found: list[int] = self._state.numbers[:, node].tolist()
        return found


def _short(there: int, needed: int, what: str) -> str:
    return f"{there} {what}, needs more than {needed}"
