"""One allocation: the best place for one more guest, or what stands against it."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.hardware import NONE
from ganetix.plan.capacity.model import FAILURE_MODES, FailureMode
from ganetix.plan.capacity.pair_places import (
    pair_counts,
    pair_places,
    pairs_stay_redundant,
)
from ganetix.plan.capacity.pairs import Choice, best_pair
from ganetix.plan.capacity.redundancy import Redundancy
from ganetix.plan.capacity.singles import best_single, singles_by_score
from ganetix.plan.capacity.trial import FITS, MODE, Trial

Counts = tuple[int, ...]
"""How often each mode of FAILURE_MODES was met."""


def best(changes: Changes, *, is_scored: bool = True) -> Choice | None:
    """The best place for a trial's guest; None if it fits nowhere.

    Without ``is_scored`` the score that is told need not be right.
    """
    if changes.trial.guest.is_pair:
        return best_pair(changes)
    return best_single(changes, is_scored=is_scored)


def counts(trial: Trial) -> Counts:
    """What stands against a trial's guest, over all places."""
    return fitting_and_counts(trial)[1]


def fitting_and_counts(trial: Trial) -> tuple[int, Counts]:
    """How many places there are for a trial's guest, and what stands against others."""
    if trial.guest.is_pair:
        found = pair_counts(trial)
    else:
        found = np.bincount(trial.primary_codes, minlength=FITS + 1).tolist()
    return found[FITS], tuple(found[:FITS])


def best_redundant(
    changes: Changes, redundancy: Redundancy
) -> Generator[None, None, tuple[Choice | None, int]]:
    """The best node that leaves the cluster redundant, and how many better ones do not.

    Only for guests that need one node.
    """
    trial = changes.trial
    state = trial.state
    rejected = 0
    for choice in singles_by_score(changes, is_scored=False):
        mark = state.mark()
        state.add(trial.guest, choice.primary)
        holds = yield from redundancy.steps()
        state.rollback(mark)
        if holds:
            return choice, rejected
        rejected += 1
    return None, rejected


def with_rejected(found: Counts, rejected: int) -> Counts:
    """Failures with those places that would not have left the cluster redundant."""
    n1 = MODE["N1"]
    return (*found[:n1], found[n1] + rejected, *found[n1 + 1 :])


def failures_of(found: Counts) -> dict[FailureMode, int]:
    """Failures by name, without those that were not met."""
    return {
        mode: number
        for mode, number in zip(FAILURE_MODES, found, strict=True)
        if number
    }


def counts_fitting(trial: Trial) -> int:
    """How many places there are for a trial's guest."""
    return fitting_and_counts(trial)[0]


def any_redundant(
    trial: Trial, redundancy: Redundancy
) -> Generator[None, None, int | None]:
    """None if some place leaves the cluster redundant, else how many there were."""
    state = trial.state
    if trial.guest.is_pair and redundancy.all_are_pairs:
        yield
        return None if pairs_stay_redundant(trial) else counts_fitting(trial)
    if trial.guest.is_pair:
        places = [
            (int(primaries[0]), secondary)
            for primaries, secondaries in pair_places(trial)
            for secondary in secondaries.tolist()
        ]
    else:
        choices = trial.nodes[trial.primary_codes == FITS].tolist()
        places = [(node, NONE) for node in choices]
    for primary, secondary in places:
        mark = state.mark()
        state.add(trial.guest, primary, secondary)
        holds = yield from redundancy.steps()
        state.rollback(mark)
        if holds:
            return None
    return len(places)
