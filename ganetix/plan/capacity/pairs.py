"""The best pair of nodes for a guest with a primary and a secondary.

Of all pairs only a few are scored. Pairs of equal nodes have equal scores, and a score
is nearly the sum of what the primary and the secondary add: a lower bound of that kind
leaves out nearly all others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ganetix.plan.capacity.bounds import Bounds
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.hardware import NONE, Floats, Ints
from ganetix.plan.capacity.kinds import Kinds
from ganetix.plan.capacity.pair_scores import PairScores
from ganetix.plan.capacity.state import RESERVED
from ganetix.plan.capacity.trial import FITS

FEW = 1200
"""So many pairs are scored at once rather than thought about."""

MANY = 1 << 17
"""More than these are scored in parts."""

MARGIN = 0.02
"""What more reserved memory has to add to a score at least, for each of its memory."""

NOISE = 1.3e-7
"""More than what rounding can make of a deviation, relative to the largest value."""


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
    primaries = (trial.primary_codes == FITS).nonzero()[0]
    secondaries = (trial.secondary_codes == FITS).nonzero()[0]
    if not len(primaries) or not len(secondaries):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = PairScores(changes)
        found = best_by_kinds(scores, primaries, secondaries)
        if found is None:
            found = best_of(scores, primaries, secondaries)
    if found is None:
        return None
    score, primary, secondary = found
    node_list = trial.candidates.node_list
    return Choice(node_list[primary], node_list[secondary], score)


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
    primaries, secondaries = _of_one_group(scores, primaries, secondaries)
    return _best_listed(scores, primaries, secondaries) if len(primaries) else None


def _best_listed(
    scores: PairScores, primaries: Ints, secondaries: Ints
) -> Place | None:
    """The best of some pairs, in the order of their primaries and secondaries."""
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


def _of_one_group(
    scores: PairScores, primaries: Ints, secondaries: Ints
) -> tuple[Ints, Ints]:
    """All pairs inside of groups, the first and the second of each."""
    group = scores.trial.candidates.group
    same = group.take(primaries)[:, None] == group.take(secondaries)
    rows, columns = same.nonzero()
    return primaries.take(rows), secondaries.take(columns)


def best_by_kinds(
    scores: PairScores, primaries: Ints, secondaries: Ints
) -> Place | None:
    """The best pair, where few of them are scored; None if that does not decide.

    Of nodes that are equal in all their numbers one stands for all. Scores are those
    without what a secondary keeps free for the primary's other instances, which makes
    them worse: where that plays a role the next ones are looked at.
    """
    if not reserve_costs(scores):
        return None
    kinds = Kinds(scores, primaries, secondaries)
    ours, theirs = kinds.primaries, kinds.secondaries
    if len(ours) * len(theirs) > FEW * scores.trial.candidates.groups:
        ours, theirs = within_bounds(scores, ours, theirs)
    if scores.trial.candidates.groups > 1:
        ours, theirs = _of_one_group(scores, ours, theirs)
        if not len(ours):
            return None
        found = scores.without_peers(ours, theirs)
    else:
        found = scores.without_peers(ours[:, None], theirs[None, :])
    low = float(found.min())
    if not low < np.inf:
        return None
    tied = (found == low).nonzero()
    alike = zip(ours[tied[0]].tolist(), theirs[tied[-1]].tolist(), strict=True)
    best = (NONE, NONE)
    for primary, secondary in sorted(alike, reverse=True):
        if primary < best[0]:
            break
        best = max(best, kinds.last_free(primary, secondary) or best)
    if best[0] != NONE:
        return low, *best
    return _best_near(scores, kinds, (ours, theirs), found)


def reserve_costs(scores: PairScores) -> bool:
    """Whether to keep more memory free makes any score worse, and visibly so.

    The deviation falls by less than the weight of the sum rises, where enough nodes
    count: no value is farther from the mean than the root of their number times it.
    """
    count = scores.changes.scale
    hardware = scores.trial.state.hardware
    if not hardware.is_regular or count < 2:
        return False
    margin = _margin(count)
    largest = float(scores.changes.after[RESERVED].max())
    return margin > MARGIN and NOISE * largest * hardware.most_memory < margin


def _margin(count: float) -> float:
    """What a score rises by for each more of reserved memory, at least."""
    return 0.25 - math.sqrt(count - 1) / count


def within_bounds(
    scores: PairScores, primaries: Ints, secondaries: Ints
) -> tuple[Ints, Ints]:
    """Those of them that may be part of the best pair."""
    candidates = scores.trial.candidates
    bounds = Bounds(scores, primaries, secondaries)
    first = np.array([bounds.likely_primary])
    partners = secondaries
    if candidates.groups > 1:
        partners = partners[candidates.group[partners] == candidates.group[first]]
    upper = float(scores.scores(first, partners).min())
    return (primaries, secondaries) if upper == np.inf else bounds.below(upper)


def _best_near(
    scores: PairScores, kinds: Kinds, pairs: tuple[Ints, Ints], found: Floats
) -> Place | None:
    """The best pair where those that seem the best are not; None if too many seem so.

    ``found`` are scores without what is kept free for the same primary.
    """
    ours, theirs = pairs
    flat = found.ravel()
    for count in (16, 128, len(flat)):
        is_all = count >= len(flat)
        limit = np.inf if is_all else float(np.partition(flat, count)[count])
        near = (found < limit).nonzero()
        primaries, secondaries = ours[near[0]], theirs[near[-1]]
        if kinds.all_differ:
            best = _first_surely(scores, primaries, secondaries, found[near])
            if best is not None:
                return best
        else:
            primaries, secondaries = kinds.all_pairs(primaries, secondaries, FEW)
        if len(primaries):
            best = _best_listed(scores, primaries, secondaries)
            if best is not None and best[0] < limit:
                return best
        if is_all:
            break
    return None


def _first_surely(
    scores: PairScores, primaries: Ints, secondaries: Ints, found: Floats
) -> Place | None:
    """The first of some pairs with nothing kept free for the primary, if that is best.

    The others before it are worse by what they have to keep free, and by how much at
    least is known.
    """
    order = found.argsort(kind="stable")
    limit = np.inf
    margin = 0.99 * _margin(scores.changes.scale)
    best: Place | None = None
    for at in order.tolist():
        score = float(found[at])
        primary, secondary = int(primaries[at]), int(secondaries[at])
        if best is not None and score > best[0]:
            return best
        if score >= limit:
            return None
        more = scores.owed_more(primary, secondary)
        if more <= 0:
            best = _better(best, (score, primary, secondary))
        else:
            limit = min(limit, score + margin * more - NOISE)
    return None
