"""How large an instance is, and how it gets smaller."""

from __future__ import annotations

from typing import NamedTuple

MEMORY_STEP, DISK_STEP, VCPU_STEP, SPINDLE_STEP = 64, 256, 1, 1
"""What an instance shrinks by; also the smallest that it may have of each."""


class Size(NamedTuple):
    """Memory and disk in MiB, CPUs, and the spindles of its disk."""

    memory: int
    disk: int
    vcpus: int
    spindles: int = 1

    def shrunk(self, mode: str, times: int = 1) -> Size | None:
        """With less of what a failure mode asks for; None if that cannot be less."""
        match mode:
            case "Mem" if self.memory - times * MEMORY_STEP >= MEMORY_STEP:
                return self._replace(memory=self.memory - times * MEMORY_STEP)
            case "Disk" if self.disk - times * DISK_STEP >= DISK_STEP:
                return self._replace(disk=self.disk - times * DISK_STEP)
            case "CPU" if self.vcpus - times * VCPU_STEP >= VCPU_STEP:
                return self._replace(vcpus=self.vcpus - times * VCPU_STEP)
            case "Spindles" if self.spindles - times * SPINDLE_STEP >= SPINDLE_STEP:
                return self._replace(spindles=self.spindles - times * SPINDLE_STEP)
        return None
