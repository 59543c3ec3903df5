"""Lower bounds of the scores of pairs: what a primary and a secondary add at least."""

from __future__ import annotations

import math

import numpy as np

from ganetix.plan.capacity.hardware import Floats, Ints
from ganetix.plan.capacity.pair_scores import PairScores
from ganetix.plan.capacity.state import RESERVED, SPACE

SLACK = 1e-9
"""Far more than rounding can make of a difference of scores, relative to these."""

WEIGHTS = np.array([0.5, 0.5, 1.0, 3.0])
"""Of the deviations that only primaries change."""


class Bounds:
    """``primary[p] + secondary[s] + constant`` is no more than the score of a pair.

    A square root lies above the chord of any range that its argument is in, and the
    arguments are sums of what both nodes add and a product that hardly differs. To keep
    more memory free than what is counted here has to make scores worse.
    """

    def __init__(self, scores: PairScores, primaries: Ints, secondaries: Ints) -> None:
        changes, spread, shared = scores.changes, scores.spread, scores.shared
        self._scores = scores
        self._primaries, self._secondaries = primaries, secondaries
        ours = scores.variances[shared].take(primaries, axis=1)
        theirs = scores.steps[shared].take(secondaries, axis=1)
        primary = WEIGHTS @ scores.of_primary.take(primaries, axis=1)
        secondary = 0.25 * changes.change[RESERVED].take(secondaries)
        secondary += scores.of_reserve.take(secondaries)
        slopes, constant = self._chords(ours, theirs)
        primary += slopes @ ours
        secondary += slopes @ theirs
        if scores.some_fail:
            reserve = scores.reserves(secondaries)
            more = scores.failing_changes(reserve, primaries, secondaries)
            primary += more[0]
            secondary += more[1]
        if len(ours) < RESERVED - SPACE:
            constant += math.sqrt(spread.variances[RESERVED - 1])
        constant += spread.failing_sum + 0.25 * spread.reserved_sum
        constant += 4.0 * spread.offline_load + 16.0 * spread.offline_primaries
        self.constant = constant
        self.primary: Floats = primary
        self.secondary: Floats = secondary
        self._pair_up()

    def _chords(self, ours: Floats, theirs: Floats) -> tuple[Floats, float]:
        """For each shared column, the slope of a chord; and what all of them begin at.

        ``ours`` are variances with primaries, ``theirs`` what secondaries add to them.
        """
        scores = self._scores
        change = scores.changes.change[scores.shared]
        slopes = []
        constant = 0.0
        for least, most, low, high, down, up in zip(
            np.minimum.reduce(change, axis=1).tolist(),
            np.maximum.reduce(change, axis=1).tolist(),
            np.minimum.reduce(ours, axis=1).tolist(),
            np.maximum.reduce(ours, axis=1).tolist(),
            np.minimum.reduce(theirs, axis=1).tolist(),
            np.maximum.reduce(theirs, axis=1).tolist(),
            strict=True,
        ):
            products = (least * least, least * most, most * most)
            fall = -2.0 * max(products) / scores.square
            rise = -2.0 * min(products) / scores.square
            begin = max(0.0, low + down + fall)
            end = max(begin, high + up + rise)
            slope = 1.0 / max(math.sqrt(begin) + math.sqrt(end), 1e-30)
            slopes.append(slope)
            constant += math.sqrt(begin) + slope * (fall - begin)
        return np.array(slopes), constant

    def _pair_up(self) -> None:
        """The best of each group, which every other one is measured with."""
        candidates = self._scores.trial.candidates
        if candidates.groups == 1:
            self._best_secondary: Floats | float = float(self.secondary.min())
            self._best_primary: Floats | float = float(self.primary.min())
        else:
            groups = candidates.group
            best = self._best_of_groups(self._secondaries, self.secondary)
            self._best_secondary = best.take(groups.take(self._primaries))
            best = self._best_of_groups(self._primaries, self.primary)
            self._best_primary = best.take(groups.take(self._secondaries))
        self._with_best = self.primary + self._best_secondary
        self.likely_primary = int(self._primaries[self._with_best.argmin()])

    def _best_of_groups(self, places: Ints, values: Floats) -> Floats:
        candidates = self._scores.trial.candidates
        everywhere = np.full(len(candidates.nodes), np.inf)
        everywhere[places] = values
        by_group = everywhere.take(candidates.by_group)
        found: Floats = np.minimum.reduceat(by_group, candidates.starts)
        return found

    def below(self, score: float) -> tuple[Ints, Ints]:
        """Primaries and secondaries that may be part of a pair with such a score."""
        limit = score - self.constant + SLACK * max(1.0, abs(score))
        return (
            self._primaries[self._with_best <= limit],
            self._secondaries[self.secondary + self._best_primary <= limit],
        )
