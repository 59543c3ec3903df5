"""The best pair of nodes for a guest with a primary and a secondary.

The score of each pair comes from the statistics of the state by replacing one node's
values after the other's, which costs the same however many nodes there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ganetix.plan.capacity.hardware import NONE, Floats, Ints
from ganetix.plan.capacity.score import Spread, weigh
from ganetix.plan.capacity.state import FAILING, RESERVE, UNALLOCATED
from ganetix.plan.capacity.trial import FITS, MODE, Trial


class Choice(NamedTuple):
    """Nodes by number and the score of the cluster with the guest there."""

    primary: int
    secondary: int
    score: float


class PairScores:
    """Scores of pairs in a state, for one trial; nodes by their place in the trial."""

    def __init__(self, trial: Trial) -> None:
        state, nodes = trial.state, trial.nodes
        spread = Spread(state)
        count = spread.count
        self.trial = trial
        self.spread = spread
        self.before = state.columns[:, state.hardware.position[nodes]]
        self.sums = spread.sums[:, None]
        self.square = float(count * count)
        change = trial.after_primary - self.before[:7]
        self.variances = self._replaced(
            spread.variances[:7, None],
            self.sums[:7],
            change,
            self._powers(trial.after_primary, self.before[:7]),
        )
        self.deviations: Floats = np.sqrt(self.variances)
        self.sums_after = self.sums[4:7] + change[4:7]
        after, before = trial.after_secondary[4:7], self.before[4:7]
        self.changes = after - before
        self.powers = self._powers(after, before)
        numbers = state.numbers[:, nodes]
        self._free, self._reserve = numbers[UNALLOCATED], numbers[RESERVE]
        self._failing = numbers[FAILING]
        self._some_fail = bool(self._failing.any())

    def _powers(self, after: Floats, before: Floats) -> Floats:
        return float(self.spread.count) * (after * after - before * before)

    def _replaced(
        self, variances: Floats, sums: Floats, changes: Floats, powers: Floats
    ) -> Floats:
        """Variances after a value changed; ``powers`` are n times those of squares."""
        step = ((powers - (2.0 * sums) * changes) - changes * changes) / self.square
        return np.maximum(0.0, variances + step)

    def scores(self, primaries: Ints, secondaries: Ints) -> Floats:
        """Scores of pairs, infinite where one does not fit; both of one group.

        The arguments are broadcast against each other.
        """
        trial, spread, state = self.trial, self.spread, self.trial.state
        reserved = trial.guest.reserved_memory
        owed = state.peers[
            trial.nodes[secondaries], state.hardware.place[trial.nodes[primaries]]
        ]
        reserve = np.maximum(self._reserve[secondaries], owed + reserved)
        after = reserve / state.hardware.memory[trial.nodes[secondaries]]
        before = self.before[7][secondaries]
        changes = after - before
        deviations = [self.deviations[row][primaries] for row in range(4)]
        for row in range(3):
            deviations.append(
                np.sqrt(
                    self._replaced(
                        self.variances[4 + row][primaries],
                        self.sums_after[row][primaries],
                        self.changes[row][secondaries],
                        self.powers[row][secondaries],
                    )
                )
            )
        deviations.append(
            np.sqrt(
                self._replaced(
                    spread.variances[7],
                    spread.sums[7],
                    changes,
                    self._powers(after, before),
                )
            )
        )
        found = weigh(
            deviations,
            reserved_sum=spread.reserved_sum + changes,
            failing_sum=self._failing_sums(primaries, secondaries, reserve),
            offline=(spread.offline_load, spread.offline_primaries),
        )
        risky = (self._free[secondaries] <= reserve) & (self._failing[secondaries] == 0)
        unfit = (
            (trial.primary_codes[primaries] != FITS)
            | (trial.secondary_codes[secondaries] != FITS)
            | (primaries == secondaries)
        )
        if trial.is_strict:
            unfit = unfit | risky
        return np.where(unfit, np.inf, found)

    def _failing_sums(
        self, primaries: Ints, secondaries: Ints, reserve: Ints
    ) -> Floats | float:
        """The sum of instances on nodes that keep too little free, for each pair."""
        if not self._some_fail and self.trial.is_strict:
            return self.spread.failing_sum
        load = self.before[5]
        left = self._free[primaries] - self.trial.guest.used_memory
        fails = left <= self._reserve[primaries]
        was = self._failing[primaries] * load[primaries]
        found = self.spread.failing_sum + (fails * (load[primaries] + 1) - was)
        fails = self._free[secondaries] <= reserve
        was = self._failing[secondaries] * load[secondaries]
        found = found + (fails * (load[secondaries] + 1) - was)
        return np.asarray(found, dtype=np.float64)


def best_pair(trial: Trial) -> Choice | None:
    """The pair with the lowest score; of equals the last primary's last secondary."""
    if not len(trial.nodes):
        return None
    scores = PairScores(trial)
    best: Choice | None = None
    place = (NONE, NONE)
    for group in np.unique(trial.group):
        members = np.flatnonzero(trial.group == group)
        primaries = members[trial.primary_codes[members] == FITS]
        secondaries = members[trial.secondary_codes[members] == FITS]
        if not len(primaries) or not len(secondaries):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            block = scores.scores(primaries[:, None], secondaries[None, :])
        low = float(block.min())
        if low == np.inf or (best is not None and low > best.score):
            continue
        row, column = divmod(int(np.flatnonzero(block == low)[-1]), block.shape[1])
        at = (int(primaries[row]), int(secondaries[column]))
        if best is None or low < best.score or at > place:
            place = at
            best = Choice(int(trial.nodes[at[0]]), int(trial.nodes[at[1]]), low)
    return best


def pair_counts(trial: Trial) -> list[int]:
    """How many pairs fail in each mode, by its code; last how many fit."""
    counts = [0] * (FITS + 1)
    for group in np.unique(trial.group):
        members = np.flatnonzero(trial.group == group)
        codes = trial.primary_codes[members]
        others = len(members) - 1
        for mode, number in enumerate(trial.counts(codes)[:FITS]):
            counts[mode] += number * others
        fitting = members[codes == FITS]
        if not len(fitting) or not others:
            continue
        for mode, number in enumerate(trial.counts(trial.secondary_codes[members])):
            counts[mode] += number * len(fitting)
        for mode, number in enumerate(trial.counts(trial.secondary_codes[fitting])):
            counts[mode] -= number
        refused = _too_much_owed(trial, fitting, members)
        counts[FITS] -= refused
        counts[MODE["Mem"]] += refused
    return counts


def _too_much_owed(trial: Trial, primaries: Ints, members: Ints) -> int:
    """Pairs that fail only for what the secondary keeps free for the primary."""
    if not trial.is_strict:
        return 0
    state = trial.state
    secondaries = members[trial.secondary_codes[members] == FITS]
    nodes = trial.nodes[secondaries]
    numbers = state.numbers[:, nodes]
    spare = numbers[UNALLOCATED] - trial.guest.reserved_memory
    near = (numbers[FAILING] == 0) & (spare <= numbers[RESERVE])
    if not near.any():
        return 0
    places = state.hardware.place[trial.nodes[primaries]]
    owed = state.peers[nodes[near]][:, places]
    return int(np.count_nonzero(owed >= spare[near][:, None]))


def pair_places(trial: Trial) -> Iterator[tuple[int, int]]:
    """All pairs of nodes where a trial's guest fits."""
    for group in np.unique(trial.group):
        members = np.flatnonzero(trial.group == group)
        primaries = members[trial.primary_codes[members] == FITS]
        secondaries = members[trial.secondary_codes[members] == FITS]
        for primary in primaries.tolist():
            for secondary in secondaries.tolist():
                if primary != secondary and not _too_much_owed(
                    trial, np.array([primary]), np.array([secondary])
                ):
                    yield int(trial.nodes[primary]), int(trial.nodes[secondary])
