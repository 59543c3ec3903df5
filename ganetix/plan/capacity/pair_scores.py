"""Scores of pairs of nodes, from the statistics of the state before.

Replacing one value of a column changes its sum and variance in a way that does not
depend on how many nodes there are: first the primary's, then the secondary's.
"""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.hardware import Flags, Floats, Ints
from ganetix.plan.capacity.score import Spread
from ganetix.plan.capacity.state import (
    CPU,
    FAILING,
    LOAD,
    MEM,
    MEM_PROMISED,
    RESERVE,
    RESERVED,
    SPACE,
    SPINDLES,
    UNALLOCATED,
)
from ganetix.plan.capacity.trial import FITS

HALVES = np.array([[0.5], [0.5], [0.5], [1.0]])
"""The weights of what only primaries change, each time that it is added."""


class PairScores:
    """Scores in one state; nodes by their places among the candidates.

    ``steps`` are how much the variances change by each place, ``variances`` what they
    come to: of the primary first, but for the last row, which is the secondary's.
    ``of_primary`` and ``of_reserve`` are the deviations of what only one of them
    changes.
    ``shared`` are the columns that both nodes change: space, disk load, spindles.
    """

    def __init__(self, changes: Changes) -> None:
        trial = changes.trial
        state = trial.state
        spread = Spread(state)
        self.trial = trial
        self.changes = changes
        self.spread = spread
        self.square = changes.scale * changes.scale
        steps = (2.0 * spread.sums[:, None]) * changes.change
        np.subtract(changes.powers, steps, out=steps)
        steps -= changes.squares
        steps /= self.square
        self.steps: Floats = steps
        variances: Floats = steps + spread.variances[:, None]
        self.variances: Floats = np.maximum(0.0, variances, out=variances)
        self.of_primary: Floats = np.sqrt(variances[:SPACE])
        self.of_reserve: Floats = np.sqrt(variances[RESERVED])
        with_spindles = trial.guest.spindle_use != 0
        self.shared = slice(SPACE, RESERVED if with_spindles else SPINDLES)
        twice = spread.sums[self.shared, None] + changes.change[self.shared]
        twice *= 2.0
        self._twice_sums: Floats = twice
        self._halves: Floats = self.of_primary * HALVES
        self._same_spindles = 0.0
        if not with_spindles:
            self._same_spindles = 0.5 * float(np.sqrt(spread.variances[SPINDLES]))
        self.some_fail = not trial.is_strict or bool(
            trial.candidates.numbers[FAILING].any()
        )

    def scores(self, primaries: Ints, secondaries: Ints) -> Floats:
        """Scores of pairs, infinite where one does not fit; both of one group.

        The arguments are broadcast against each other.
        """
        trial, spread, changes = self.trial, self.spread, self.changes
        candidates = trial.candidates
        owed = trial.state.peers[
            trial.nodes[secondaries], candidates.place_in_group[primaries]
        ]
        owed = owed + trial.guest.reserved_memory
        reserve = np.maximum(self.reserves(secondaries), owed)
        after = reserve / candidates.memory[secondaries]
        before = changes.before[RESERVED][secondaries]
        change = after - before
        step = changes.scale * (after * after - before * before)
        step -= (2.0 * spread.sums[RESERVED]) * change
        step -= change * change
        step /= self.square
        step += spread.variances[RESERVED]
        reserved = np.sqrt(np.maximum(0.0, step))
        found = self._total(primaries, secondaries, reserved, change, reserve)
        return np.where(self._unfit(primaries, secondaries, reserve), np.inf, found)

    def without_peers(self, primaries: Ints, secondaries: Ints) -> Floats:
        """The same as if nothing of a primary had its secondary there yet.

        Only for nodes that fit; infinite only where both are the same.
        """
        reserve = self.reserves(secondaries) if self.some_fail else secondaries
        found = self._total(
            primaries,
            secondaries,
            self.of_reserve.take(secondaries),
            self.changes.change[RESERVED].take(secondaries),
            reserve,
        )
        found[primaries == secondaries] = np.inf
        return found

    def owed_more(self, primary: int, secondary: int) -> float:
        """What a secondary keeps free for the primary beyond all others.

        A share of its memory.
        """
        trial = self.trial
        state, candidates = trial.state, trial.candidates
        node = candidates.node_list[secondary]
        place = state.hardware.place_of[candidates.node_list[primary]]
        reserved = trial.guest.reserved_memory
        owed = int(state.peers[node, place]) + reserved
        kept = max(state.rows[node][RESERVE], reserved)
        more: float = max(0, owed - kept) / candidates.limits[secondary].memory
        return more

    def reserves(self, secondaries: Ints) -> Ints:
        """What secondaries keep free with the guest, but for the primary's others."""
        trial = self.trial
        before = trial.state.numbers[RESERVE].take(trial.nodes.take(secondaries))
        reserve: Ints = np.maximum(before, trial.guest.reserved_memory)
        return reserve

    def _total(
        self,
        primaries: Ints,
        secondaries: Ints,
        reserved: Floats,
        change: Floats,
        reserve: Ints,
    ) -> Floats:
        """The weighted sum in its order, twice what has two terms.

        ``reserved`` is the deviation of what is kept free, ``change`` how much more.
        """
        spread = self.spread
        shared = self._shared(primaries, secondaries)
        halves = self._halves.take(primaries, axis=1)
        space = 0.5 * shared[0]
        total: Floats = space + halves[MEM]
        if self.some_fail:
            ours, theirs = self.failing_changes(reserve, primaries, secondaries)
            total += (spread.failing_sum + ours) + theirs
        elif spread.failing_sum:
            total += spread.failing_sum
        total += reserved
        if spread.offline_load:
            total += 4.0 * spread.offline_load
            total += 16.0 * spread.offline_primaries
        total += halves[CPU]
        total += halves[LOAD]
        total += halves[LOAD]
        total += shared[1]
        total += halves[LOAD]
        spindles: Floats | float = self._same_spindles
        if len(shared) > 2:
            spindles = 0.5 * shared[2]
            total += spindles
        elif spindles:
            total += spindles
        total += halves[MEM_PROMISED]
        total += space
        total += halves[CPU]
        if len(shared) > 2 or self._same_spindles:
            total += spindles
        total += 0.25 * (spread.reserved_sum + change)
        return total

    def _shared(self, primaries: Ints, secondaries: Ints) -> Floats:
        """The deviations of the columns that both nodes change."""
        changes, rows = self.changes, self.shared
        theirs = changes.change[rows].take(secondaries, axis=1)
        step: Floats = self._twice_sums.take(primaries, axis=1) * theirs
        np.subtract(changes.powers[rows].take(secondaries, axis=1), step, out=step)
        step -= changes.squares[rows].take(secondaries, axis=1)
        step /= self.square
        step += self.variances[rows].take(primaries, axis=1)
        np.maximum(0.0, step, out=step)
        return np.sqrt(step, out=step)

    def _unfit(self, primaries: Ints, secondaries: Ints, reserve: Ints) -> Flags:
        """Where something fails, of the reserves that depend on both nodes as well."""
        trial = self.trial
        unfit: Flags = (
            (trial.primary_codes[primaries] != FITS)
            | (trial.secondary_codes[secondaries] != FITS)
            | (primaries == secondaries)
        )
        if trial.is_strict:
            numbers = trial.candidates.numbers
            risky = numbers[UNALLOCATED][secondaries] <= reserve
            unfit = unfit | (risky & (numbers[FAILING][secondaries] == 0))
        return unfit

    def failing_changes(
        self, reserve: Ints, primaries: Ints, secondaries: Ints
    ) -> tuple[Floats, Floats]:
        """How the sum of instances on nodes that keep too little free changes.

        By the primaries and by the secondaries.
        """
        load = self.changes.before[5]
        numbers = self.trial.candidates.numbers
        free, failing = numbers[UNALLOCATED], numbers[FAILING]
        left = free[primaries] - self.trial.guest.used_memory
        fails = left <= numbers[RESERVE][primaries]
        was = failing[primaries] * load[primaries]
        ours: Floats = fails * (load[primaries] + 1) - was
        fails = free[secondaries] <= reserve
        was = failing[secondaries] * load[secondaries]
        theirs: Floats = fails * (load[secondaries] + 1) - was
        return ours, theirs
