"""How large an instance is, and how it gets smaller."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ganetix.plan.capacity.model import FailureMode, Spec

Quantity = Literal["memory", "disk", "vcpus", "spindles"]
STEPS: dict[Quantity, int] = {"memory": 64, "disk": 256, "vcpus": 1, "spindles": 1}
"""What an instance shrinks by; also the least that it may have of each."""

QUANTITIES: dict[FailureMode, Quantity] = {
    "Mem": "memory",
    "Disk": "disk",
    "CPU": "vcpus",
    "Spindles": "spindles",
}
"""What there is to be less of, by what fails; nothing for other failures."""


class Size(NamedTuple):
    """Memory and disk in MiB, CPUs, and the spindles of its disk."""

    memory: int
    disk: int
    vcpus: int
    spindles: int = 1

    def room(self, mode: FailureMode) -> int:
        """How often it can shrink by what a failure asks for."""
        quantity = QUANTITIES.get(mode)
        if quantity is None:
            return 0
        value: int = getattr(self, quantity)
        return max(0, value // STEPS[quantity] - 1)

    def shrunk(self, mode: FailureMode, times: int = 1) -> Size:
        """With less of what a failure asks for; more if ``times`` is negative."""
        match QUANTITIES.get(mode):
            case "memory":
                return self._replace(memory=self.memory - times * STEPS["memory"])
            case "disk":
                return self._replace(disk=self.disk - times * STEPS["disk"])
            case "vcpus":
                return self._replace(vcpus=self.vcpus - times * STEPS["vcpus"])
            case "spindles":
                return self._replace(spindles=self.spindles - times * STEPS["spindles"])
        return self

    def crossing(self, mode: FailureMode, least: Spec, most: Spec) -> tuple[int, int]:
        """After how many steps it is no larger than one spec, smaller than another."""
        quantity = QUANTITIES[mode]
        field = "spindle_use" if quantity == "spindles" else quantity
        value: int = getattr(self, quantity)
        step = STEPS[quantity]
        return (
            -((getattr(most, field) - value) // step),
            (value - getattr(least, field)) // step + 1,
        )
