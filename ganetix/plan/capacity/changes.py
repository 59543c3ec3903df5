"""What a guest changes of the columns of the nodes where it could go."""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.hardware import Floats, Ints
from ganetix.plan.capacity.state import (
    PRIMARIES,
    PROMISED,
    RESERVE,
    SECONDARIES,
    UNALLOCATED,
    VCPUS,
)
from ganetix.plan.capacity.trial import Trial


class Changes:
    """Columns before and after, for each candidate of a trial; kept up by ``refresh``.

    ``of_primary`` has the first seven columns of the state, ``of_secondary`` the last
    four, as if nothing of the primary had its secondary there yet. ``powers_*`` are n
    times how much the squares change, ``squares_*`` the squares of the changes.
    """

    def __init__(self, trial: Trial) -> None:
        count = len(trial.nodes)
        self.trial = trial
        self.scale = float(trial.state.columns.shape[1])
        self.before: Floats = np.zeros((8, count))
        self.after: Floats = np.zeros((7, count))
        self.of_primary: Floats = np.zeros((7, count))
        self.powers_primary: Floats = np.zeros((7, count))
        self.squares_primary: Floats = np.zeros((7, count))
        self.after_reserved: Floats = np.zeros(count)
        self.of_secondary: Floats = np.zeros((4, count))
        self.powers_secondary: Floats = np.zeros((4, count))
        self.squares_secondary: Floats = np.zeros((4, count))
        self._seen = trial.state.clock
        self._compute(np.arange(count))

    def refresh(self) -> None:
        """Compute anew what changed in the state since the last time."""
        changed = self.trial.changed_since(self._seen)
        self._seen = self.trial.state.clock
        if len(changed):
            self._compute(changed)

    def _compute(self, at: Ints) -> None:
        trial = self.trial
        guest, candidates, state = trial.guest, trial.candidates, trial.state
        numbers = state.numbers[:, trial.nodes[at]]
        memory = candidates.memory[at]
        disk, use, spindles = trial.local(at, numbers)
        after: Floats = np.empty((7, len(at)))
        with np.errstate(divide="ignore", invalid="ignore"):
            after[0] = (numbers[UNALLOCATED] - guest.used_memory) / memory
            after[1] = (numbers[PROMISED] - guest.memory) / memory
            vcpus = numbers[VCPUS] + guest.used_vcpus
            after[2] = vcpus / candidates.cpus[at] / candidates.speed[at]
            after[3] = numbers[PRIMARIES] + 1
            after[4] = disk / candidates.disk[at]
            after[5] = numbers[PRIMARIES] + numbers[SECONDARIES] + 1
            after[6] = use / candidates.max_spindle_use[at]
            if candidates.some_have_no_disk:
                after[4][candidates.has_no_disk[at]] = 1.0
            if candidates.some_exclusive:
                share = spindles / candidates.spindles[at]
                after[4] = np.where(candidates.exclusive[at], share, after[4])
        before = state.columns[:, candidates.position[at]]
        change = after - before[:7]
        powers = self.scale * (after * after - before[:7] * before[:7])
        squares = change * change
        self.before[:, at] = before
        self.after[:, at] = after
        self.of_primary[:, at] = change
        self.powers_primary[:, at] = powers
        self.squares_primary[:, at] = squares
        if guest.is_pair:
            reserve = np.maximum(numbers[RESERVE], guest.reserved_memory)
            reserved = reserve / memory
            owed = reserved - before[7]
            self.after_reserved[at] = reserved
            self.of_secondary[:3, at] = change[4:]
            self.of_secondary[3, at] = owed
            self.powers_secondary[:3, at] = powers[4:]
            self.powers_secondary[3, at] = self.scale * (
                reserved * reserved - before[7] * before[7]
            )
            self.squares_secondary[:3, at] = squares[4:]
            self.squares_secondary[3, at] = owed * owed
