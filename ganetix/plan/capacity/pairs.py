"""The best pair of nodes for a guest with a primary and a secondary.

Of all pairs only a few are scored: a score is nearly the sum of what the primary and
the secondary add, and a lower bound of that kind leaves out nearly all others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ganetix.plan.capacity.bounds import Bounds
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.hardware import Flags, Ints
from ganetix.plan.capacity.pair_scores import PairScores
from ganetix.plan.capacity.trial import FITS

FEW = 1200
"""So many pairs are scored at once rather than thought about."""

MANY = 1 << 17
"""More than these are scored in parts."""


class Choice(NamedTuple):
    """Nodes by number and the score of the cluster with the guest there."""

    primary: int
    secondary: int
    score: float


Place = tuple[float, int, int]
"""The score of a pair and its places, the primary's first."""


def best_pair(changes: Changes) -> Choice | None:
    """The pair with the lowest score; of equals the last primary's last secondary."""
    trial = changes.trial
    primaries = np.flatnonzero(trial.primary_codes == FITS)
    secondaries = np.flatnonzero(trial.secondary_codes == FITS)
    if not len(primaries) or not len(secondaries):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = PairScores(changes)
        found = None
        if len(primaries) * len(secondaries) > FEW:
            found = best_within_bounds(scores, primaries, secondaries)
        if found is None:
            found = best_of(scores, primaries, secondaries)
    if found is None:
        return None
    score, primary, secondary = found
    return Choice(int(trial.nodes[primary]), int(trial.nodes[secondary]), score)


def best_of(scores: PairScores, primaries: Ints, secondaries: Ints) -> Place | None:
    """The best of all pairs of some primaries and some secondaries."""
    candidates = scores.trial.candidates
    best: Place | None = None
    if candidates.groups > 1 and len(primaries) * len(secondaries) <= MANY:
        return _best_across(scores, primaries, secondaries)
    for group in range(candidates.groups):
        ours, theirs = primaries, secondaries
        if candidates.groups > 1:
            ours = primaries[candidates.group[primaries] == group]
            theirs = secondaries[candidates.group[secondaries] == group]
        if not len(ours) or not len(theirs):
            continue
        rows = max(1, MANY // len(theirs))
        for start in range(0, len(ours), rows):
            found = _best_in_block(scores, ours[start : start + rows], theirs)
            best = _better(best, found)
    return best


def _best_across(
    scores: PairScores, primaries: Ints, secondaries: Ints
) -> Place | None:
    """The same with the pairs of all groups at once."""
    group = scores.trial.candidates.group
    same = group[primaries][:, None] == group[secondaries][None, :]
    rows, columns = np.nonzero(same)
    if not len(rows):
        return None
    primaries, secondaries = primaries[rows], secondaries[columns]
    found = scores.scores(primaries, secondaries)
    found[np.isnan(found)] = np.inf
    low = float(found.min())
    if low == np.inf:
        return None
    last = int(np.flatnonzero(found == low)[-1])
    return low, int(primaries[last]), int(secondaries[last])


def _best_in_block(
    scores: PairScores, primaries: Ints, secondaries: Ints
) -> Place | None:
    block = scores.scores(primaries[:, None], secondaries[None, :])
    block[np.isnan(block)] = np.inf
    low = float(block.min())
    if low == np.inf:
        return None
    last = int(np.flatnonzero(block == low)[-1])
    row, column = divmod(last, len(secondaries))
    return low, int(primaries[row]), int(secondaries[column])


def _better(one: Place | None, other: Place | None) -> Place | None:
    """The lower score; of equals the later primary, then the later secondary."""
    if one is None or other is None:
        return other if one is None else one
    if one[0] != other[0]:
        return one if one[0] < other[0] else other
    return max(one, other)


def best_within_bounds(
    scores: PairScores, primaries: Ints, secondaries: Ints
) -> Place | None:
    """The best pair by way of bounds; None if these do not help."""
    candidates = scores.trial.candidates
    bounds = Bounds(scores, primaries, secondaries)
    if not bounds.are_sound:
        return None
    first = int(bounds.likely_primary)
    partners = secondaries
    if candidates.groups > 1:
        partners = partners[candidates.group[partners] == candidates.group[first]]
    row = scores.scores(np.array(first), partners)
    upper = float(row.min())
    if upper == np.inf:
        return None
    ours, theirs = bounds.below(upper)
    if len(ours) * len(theirs) > FEW:
        found = _best_of_kinds(scores, bounds, ours, theirs)
        if found is not None:
            return found
    return best_of(scores, ours, theirs)


def _best_of_kinds(
    scores: PairScores, bounds: Bounds, primaries: Ints, secondaries: Ints
) -> Place | None:
    """The best pair where many nodes are equal in all their numbers.

    Pairs of equal nodes have equal scores, but for those whose secondary keeps more
    free for the primary than for any other; these score worse. None if that does not
    decide.
    """
    trial = scores.trial
    state, group = trial.state, trial.candidates.group
    if not bounds.reserve_costs:
        return None
    kind_of_primary = state.kinds[trial.nodes[primaries]]
    kind_of_secondary = state.kinds[trial.nodes[secondaries]]
    ours = _last_of_kind(primaries, kind_of_primary)
    theirs = _last_of_kind(secondaries, kind_of_secondary)
    if len(ours) * len(theirs) > len(primaries) * len(secondaries) // 4:
        return None
    is_rest = ~np.isin(secondaries, theirs)
    rest = _last_of_kind(secondaries[is_rest], kind_of_secondary[is_rest])
    theirs = np.concatenate((theirs, rest))
    rows, columns = np.nonzero(group[ours][:, None] == group[theirs][None, :])
    found = scores.scores(ours[rows], theirs[columns], without_peers=True)
    low = float(found.min())
    if low == np.inf:
        return None
    tied = found == low
    kinds = state.kinds[trial.nodes]
    tied_primaries, tied_secondaries = (
        kinds[ours[rows[tied]]],
        kinds[theirs[columns[tied]]],
    )
    for primary in primaries[np.isin(kind_of_primary, tied_primaries)][::-1]:
        wanted = tied_secondaries[tied_primaries == kinds[primary]]
        partners = secondaries[np.isin(kind_of_secondary, wanted)]
        partners = partners[partners != primary]
        owed = state.peers[
            trial.nodes[partners], trial.candidates.place_in_group[primary]
        ]
        reserved = trial.guest.reserved_memory
        free_of = owed + reserved <= np.maximum(scores.reserve[partners], reserved)
        partners = partners[free_of]
        if len(partners):
            return low, int(primary), int(partners[-1])
    return None


def _last_of_kind(places: Ints, kinds: Ints) -> Ints:
    """The last place of each kind, in order."""
    if not len(places):
        return places
    last = np.zeros(int(kinds.max()) + 1, dtype=np.int64)
    last[kinds] = places
    is_last: Flags = last[kinds] == places
    found: Ints = places[is_last]
    return found
