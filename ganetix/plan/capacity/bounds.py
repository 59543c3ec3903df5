"""Lower bounds of the scores of pairs: what a primary and a secondary add at least."""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.hardware import Floats, Ints
from ganetix.plan.capacity.pair_scores import SHARED, PairScores
from ganetix.plan.capacity.state import RESERVED, SPACE

SLACK = 1e-9
"""Far more than rounding can make of a difference of scores, relative to these."""


class Bounds:
    """``primary[p] + secondary[s] + constant`` is no more than the score of a pair.

    A square root lies above the chord of any range that its argument is in, and the
    arguments are sums of what both nodes add and a product that hardly differs.
    ``reserve_costs`` says that to keep more memory free makes any score worse.
    """

    def __init__(self, scores: PairScores, primaries: Ints, secondaries: Ints) -> None:
        changes, spread = scores.changes, scores.spread
        self._scores = scores
        self._primaries, self._secondaries = primaries, secondaries
        ours, theirs = scores.variances[:, primaries], changes.of_secondary
        deviations = scores.deviations[:, primaries]
        primary = 0.5 * (deviations[0] + deviations[1])
        primary += deviations[2] + 3.0 * deviations[3]
        added = changes.powers_secondary - (
            (2.0 * spread.sums[SPACE:, None]) * changes.of_secondary
        )
        added -= changes.squares_secondary
        added /= scores.square
        added = added[:, secondaries]
        theirs = theirs[:, secondaries]
        secondary, self.reserve_costs = self._reserved(added[SHARED], theirs[SHARED])
        constant = 0.0
        for row in range(SHARED):
            if row == SHARED - 1 and not scores.with_spindles:
                continue
            product = _products(changes.of_primary[SPACE + row, primaries], theirs[row])
            least, most = (-2.0 * product[1], -2.0 * product[0])
            low = float(ours[SPACE + row].min() + added[row].min())
            high = float(ours[SPACE + row].max() + added[row].max())
            low = max(0.0, low + least / scores.square)
            high = max(low, high + most / scores.square)
            slope = 1.0 / max(np.sqrt(low) + np.sqrt(high), 1e-30)
            primary += slope * ours[SPACE + row]
            secondary += slope * added[row]
            constant += np.sqrt(low) + slope * (least / scores.square - low)
        if scores.some_fail:
            reserve = np.maximum(
                scores.reserve[secondaries], scores.trial.guest.reserved_memory
            )
            more = scores.failing_changes(reserve, primaries, secondaries)
            primary += more[0]
            secondary += more[1]
        if not scores.with_spindles:
            constant += float(np.sqrt(spread.variances[RESERVED - 1]))
        constant += spread.failing_sum + 0.25 * spread.reserved_sum
        constant += 4.0 * spread.offline_load + 16.0 * spread.offline_primaries
        self.constant = constant
        self.primary, self.secondary = primary, secondary
        self.are_sound = bool(
            np.isfinite(primary).all() and np.isfinite(secondary).all()
        )
        if self.are_sound:
            self._pair_up()

    def _reserved(self, added: Floats, change: Floats) -> tuple[Floats, bool]:
        """What secondaries add by what they keep free, at least."""
        scores = self._scores
        spread = scores.spread
        deviations = np.sqrt(np.maximum(0.0, spread.variances[RESERVED] + added))
        count = scores.changes.scale
        after = scores.changes.after_reserved[self._secondaries]
        rise = count * after - spread.sums[RESERVED] - change
        rise += 0.25 * count * count * deviations
        found = deviations + 0.25 * change
        surely = rise - 0.01 * count * count * deviations
        if surely.min() > 0:
            return found, True
        # It may get better by keeping more free: by no more than at this rate.
        trial = scores.trial
        secondaries = self._secondaries
        most = scores.reserve[secondaries] + trial.guest.reserved_memory
        more = most / trial.candidates.memory[secondaries] - after
        rate = np.minimum(0.0, rise / (count * count * np.maximum(deviations, 1e-30)))
        return found + rate * np.maximum(0.0, more), False

    def _pair_up(self) -> None:
        """The best of each group, which every other one is measured with."""
        candidates = self._scores.trial.candidates
        if candidates.groups == 1:
            self._best_secondary: Floats | float = float(self.secondary.min())
            self._best_primary: Floats | float = float(self.primary.min())
        else:
            groups = candidates.group
            best = np.full(candidates.groups, np.inf)
            np.minimum.at(best, groups[self._secondaries], self.secondary)
            self._best_secondary = best[groups[self._primaries]]
            best = np.full(candidates.groups, np.inf)
            np.minimum.at(best, groups[self._primaries], self.primary)
            self._best_primary = best[groups[self._secondaries]]
        self._with_best = self.primary + self._best_secondary
        self.likely_primary = self._primaries[int(self._with_best.argmin())]

    def below(self, score: float) -> tuple[Ints, Ints]:
        """Primaries and secondaries that may be part of a pair with such a score."""
        limit = score - self.constant + SLACK * max(1.0, abs(score))
        return (
            self._primaries[self._with_best <= limit],
            self._secondaries[self.secondary + self._best_primary <= limit],
        )


def _products(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """The least and the most that the product of one of each can be."""
    corners = [
        one * other
        for one in (float(ours.min()), float(ours.max()))
        for other in (float(theirs.min()), float(theirs.max()))
    ]
    return min(corners), max(corners)
