"""Scores of pairs of nodes, from the statistics of the state before.

Replacing one value of a column changes its sum and variance in a way that does not
depend on how many nodes there are: first the primary's, then the secondary's.
"""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.hardware import Flags, Floats, Ints
from ganetix.plan.capacity.score import Spread, weigh
from ganetix.plan.capacity.state import FAILING, RESERVE, RESERVED, SPACE, UNALLOCATED
from ganetix.plan.capacity.trial import FITS

SHARED = 3
"""Columns that both nodes change: space, disk load, spindles."""


class PairScores:
    """Scores in one state; nodes by their places among the candidates."""

    def __init__(self, changes: Changes) -> None:
        trial = changes.trial
        state = trial.state
        spread = Spread(state)
        self.trial = trial
        self.changes = changes
        self.spread = spread
        self.square = changes.scale * changes.scale
        step = changes.powers_primary - (2.0 * spread.sums[:7, None]) * (
            changes.of_primary
        )
        step -= changes.squares_primary
        step /= self.square
        step += spread.variances[:7, None]
        self.variances: Floats = np.maximum(0.0, step, out=step)
        self.deviations: Floats = np.sqrt(self.variances[:SPACE])
        self.sums: Floats = (
            spread.sums[SPACE:RESERVED, None] + (changes.of_primary[SPACE:])
        )
        numbers = state.numbers[:, trial.nodes]
        self.free, self.reserve = numbers[UNALLOCATED], numbers[RESERVE]
        self.failing = numbers[FAILING]
        self.some_fail = not trial.is_strict or bool(self.failing.any())
        self.with_spindles = trial.guest.spindle_use != 0

    def scores(
        self, primaries: Ints, secondaries: Ints, *, without_peers: bool = False
    ) -> Floats:
        """Scores of pairs, infinite where one does not fit; both of one group.

        The arguments are broadcast against each other. ``without_peers`` scores them as
        if nothing of a primary had its secondary there yet.
        """
        trial, spread, changes = self.trial, self.spread, self.changes
        candidates = trial.candidates
        reserve = np.maximum(self.reserve[secondaries], trial.guest.reserved_memory)
        if without_peers:
            change = changes.of_secondary[SHARED][secondaries]
            powers = changes.powers_secondary[SHARED][secondaries]
            squares = changes.squares_secondary[SHARED][secondaries]
        else:
            owed = trial.state.peers[
                trial.nodes[secondaries], candidates.place_in_group[primaries]
            ]
            reserve = np.maximum(reserve, owed + trial.guest.reserved_memory)
            after = reserve / candidates.memory[secondaries]
            before = changes.before[RESERVED][secondaries]
            change = after - before
            powers = changes.scale * (after * after - before * before)
            squares = change * change
        deviations = [self.deviations[row][primaries] for row in range(SPACE)]
        for row in range(SHARED):
            if row == SHARED - 1 and not self.with_spindles:
                deviations.append(np.sqrt(spread.variances[SPACE + row]))
                continue
            deviations.append(self._shared(row, primaries, secondaries))
        step = ((powers - (2.0 * spread.sums[RESERVED]) * change) - squares) / (
            self.square
        )
        deviations.append(np.sqrt(np.maximum(0.0, spread.variances[RESERVED] + step)))
        found = weigh(
            deviations,
            reserved_sum=spread.reserved_sum + change,
            failing_sum=self._failing_sums(primaries, secondaries, reserve),
            offline=(spread.offline_load, spread.offline_primaries),
        )
        return np.where(self._unfit(primaries, secondaries, reserve), np.inf, found)

    def _shared(self, row: int, primaries: Ints, secondaries: Ints) -> Floats:
        """The deviation of a column that both nodes change."""
        changes = self.changes
        twice = 2.0 * self.sums[row]
        step = (
            changes.powers_secondary[row][secondaries]
            - twice[primaries] * (changes.of_secondary[row][secondaries])
        )
        step = step - changes.squares_secondary[row][secondaries]
        step /= self.square
        step += self.variances[SPACE + row][primaries]
        np.maximum(0.0, step, out=step)
        found: Floats = np.sqrt(step, out=step)
        return found

    def _unfit(self, primaries: Ints, secondaries: Ints, reserve: Ints) -> Flags:
        """Where something fails, of the reserves that depend on both nodes as well."""
        trial = self.trial
        unfit: Flags = (
            (trial.primary_codes[primaries] != FITS)
            | (trial.secondary_codes[secondaries] != FITS)
            | (primaries == secondaries)
        )
        if trial.is_strict:
            risky = self.free[secondaries] <= reserve
            unfit = unfit | (risky & (self.failing[secondaries] == 0))
        return unfit

    def _failing_sums(
        self, primaries: Ints, secondaries: Ints, reserve: Ints
    ) -> Floats | float:
        """The sum of instances on nodes that keep too little free, for each pair."""
        if not self.some_fail:
            return self.spread.failing_sum
        ours, theirs = self.failing_changes(reserve, primaries, secondaries)
        return (self.spread.failing_sum + ours) + theirs

    def failing_changes(
        self, reserve: Ints, primaries: Ints, secondaries: Ints
    ) -> tuple[Floats, Floats]:
        """How that sum changes by the primaries and by the secondaries."""
        load = self.changes.before[5]
        left = self.free[primaries] - self.trial.guest.used_memory
        fails = left <= self.reserve[primaries]
        was = self.failing[primaries] * load[primaries]
        ours: Floats = fails * (load[primaries] + 1) - was
        fails = self.free[secondaries] <= reserve
        was = self.failing[secondaries] * load[secondaries]
        theirs: Floats = fails * (load[secondaries] + 1) - was
        return ours, theirs
