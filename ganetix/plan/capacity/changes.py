"""What a guest changes of the columns of the nodes where it could go."""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.hardware import Floats, Ints, ratio
from ganetix.plan.capacity.state import (
    PRIMARIES,
    PROMISED,
    RESERVE,
    RESERVED,
    SECONDARIES,
    UNALLOCATED,
    VCPUS,
)
from ganetix.plan.capacity.trial import FEW, Trial


class Changes:
    """Columns before and after, for each candidate of a trial; kept up by ``refresh``.

    They are the state's: of its primary where a node can be one, the last one of its
    secondary, as if nothing of the primary had its secondary there yet. ``change`` is
    the difference, ``powers`` n times how much the squares change, ``squares`` the
    squares of the changes.
    """

    def __init__(self, trial: Trial) -> None:
        count = len(trial.nodes)
        self.trial = trial
        self.scale = float(trial.state.columns.shape[1])
        self._table: Floats = np.empty((40, count))
        self.before, self.after, self.change, self.powers, self.squares = (
            self._table[start : start + 8] for start in range(0, 40, 8)
        )
        self._memory = trial.guest.used_memory
        self._vcpus = trial.guest.used_vcpus
        self._reserved = trial.guest.reserved_memory
        self._seen = trial.state.clock
        self._compute()

    def refresh(self) -> None:
        """Compute anew what changed in the state since the last time."""
        changed = self.trial.changed_since(self._seen)
        self._seen = self.trial.state.clock
        if len(changed) > FEW:
            self._compute()
            return
        for place in changed:
            self._compute_at(place)

    def _compute(self) -> None:
        """All places at once."""
        trial = self.trial
        candidates = trial.candidates
        before, after = self.before, self.after
        before[:] = trial.state.columns.take(candidates.position, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._fill(candidates.numbers)
            np.subtract(after, before, out=self.change)
            np.multiply(after, after, out=self.powers)
            self.powers -= before * before
            self.powers *= self.scale
            np.multiply(self.change, self.change, out=self.squares)

    def _fill(self, numbers: Ints) -> None:
        """The columns with the guest there."""
        trial, after = self.trial, self.after
        guest, candidates = trial.guest, trial.candidates
        disk, use, spindles = trial.local(numbers)
        memory = candidates.memory
        np.divide(numbers[UNALLOCATED] - self._memory, memory, out=after[0])
        np.divide(numbers[PROMISED] - guest.memory, memory, out=after[1])
        np.divide(numbers[VCPUS] + self._vcpus, candidates.cpus, out=after[2])
        after[2] /= candidates.speed
        np.add(numbers[PRIMARIES], 1, out=after[3])
        np.divide(disk, candidates.disk, out=after[4])
        np.add(after[3], numbers[SECONDARIES], out=after[5])
        np.divide(use, candidates.max_spindle_use, out=after[6])
        if candidates.some_have_no_disk:
            after[4][candidates.has_no_disk] = 1.0
        if candidates.some_exclusive:
            np.divide(
                spindles, candidates.spindles, out=after[4], where=candidates.exclusive
            )
        if guest.is_pair:
            reserve = np.maximum(numbers[RESERVE], self._reserved)
            np.divide(reserve, memory, out=after[RESERVED])
        else:
            after[RESERVED] = self.before[RESERVED]

    def _compute_at(self, place: int) -> None:
        """One place."""
        trial = self.trial
        guest, candidates, state = trial.guest, trial.candidates, trial.state
        node = candidates.node_list[place]
        row, facts = state.rows[node], candidates.limits[place]
        before = state.columns[:, state.hardware.position_of[node]].tolist()
        disk, use, spindles = trial.local_at(row, facts)
        if facts.exclusive:
            space = ratio(spindles, facts.spindles)
        elif facts.disk:
            space = disk / facts.disk
        else:
            space = 1.0
        reserved = before[RESERVED]
        if guest.is_pair:
            reserved = ratio(max(row[RESERVE], self._reserved), facts.memory)
        after = [
            ratio(row[UNALLOCATED] - self._memory, facts.memory),
            ratio(row[PROMISED] - guest.memory, facts.memory),
            ratio(ratio(row[VCPUS] + self._vcpus, facts.cpus), facts.speed),
            row[PRIMARIES] + 1.0,
            space,
            row[PRIMARIES] + row[SECONDARIES] + 1.0,
            ratio(use, facts.max_spindle_use),
            reserved,
        ]
        values = list(zip(before, after, strict=True))
        change = [new - old for old, new in values]
        scale = self.scale
        powers = [scale * (new * new - old * old) for old, new in values]
        squares = [one * one for one in change]
        self._table[:, place] = before + after + change + powers + squares
