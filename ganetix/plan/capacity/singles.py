"""The best node for a guest that needs only one.

Scores are from scratch and differ in their last bits for equal nodes; since that takes
time for each node, it is only done for nodes that are among the best but for these.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.hardware import NONE, Floats, Ints
from ganetix.plan.capacity.pairs import Choice
from ganetix.plan.capacity.score import Spread, spread_of, weigh
from ganetix.plan.capacity.state import (
    MEM,
    MEM_PROMISED,
    RESERVE,
    RESERVED,
    SPACE,
    SPINDLES,
    UNALLOCATED,
)
from ganetix.plan.capacity.trial import FITS

CHUNK = 1 << 17
"""How many numbers are scored at once."""

ERROR = 1e-15
"""The error of a variance for each node and square of a value, with room to spare."""

WEIGHTS = np.array([0.5, 0.5, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0])[:, None]


def best_single(changes: Changes, *, is_scored: bool = True) -> Choice | None:
    """The node with the lowest score, the last one of equals."""
    return next(singles_by_score(changes, is_scored=is_scored), None)


def singles_by_score(changes: Changes, *, is_scored: bool = True) -> Iterator[Choice]:
    """All nodes where the guest fits, lowest score first, the last one of equals.

    Without ``is_scored`` their scores need not be right, only their order.
    """
    trial = changes.trial
    places = np.flatnonzero(trial.primary_codes == FITS)
    if not len(places):
        return
    spread = Spread(trial.state)
    with np.errstate(divide="ignore", invalid="ignore"):
        near, error = approximate_scores(changes, spread, places)
        if not np.isfinite(near).all():
            near, error = np.zeros(len(places)), 0.0
        order = np.argsort(near, kind="stable")
        places, near = places[order], near[order]
        start = 0
        while start < len(places):
            end = _end_of_ties(near, start, error)
            tied = places[start:end]
            if len(tied) == 1 and not is_scored:
                yield Choice(int(trial.nodes[tied[0]]), NONE, float(near[start]))
                start = end
                continue
            yield from _exactly(changes, spread, tied)
            start = end


def _end_of_ties(near: Floats, start: int, error: float) -> int:
    """Where the first gap is that cannot be an error."""
    end = start + 1
    while end < len(near) and near[end] - near[end - 1] <= error:
        end += 1
    return end


def _exactly(changes: Changes, spread: Spread, tied: Ints) -> Iterator[Choice]:
    """Places in the order of their exact scores."""
    nodes = changes.trial.nodes
    scores = exact_scores(changes, spread, tied)
    scores[np.isnan(scores)] = np.inf
    for at in np.lexsort((-tied, scores)):
        yield Choice(int(nodes[tied[at]]), NONE, float(scores[at]))


def approximate_scores(
    changes: Changes, spread: Spread, places: Ints
) -> tuple[Floats, float]:
    """Scores with the guest at some places, and by how much two of them may be off."""
    sums, variances = spread.sums[:7, None], spread.variances[:7, None]
    step = changes.powers[:7, places] - (2.0 * sums) * changes.change[:7, places]
    step -= changes.squares[:7, places]
    step /= changes.scale * changes.scale
    step += variances
    deviations = np.sqrt(np.maximum(0.0, step, out=step))
    guest = changes.trial.guest
    if not guest.is_local and not changes.trial.candidates.some_exclusive:
        deviations[SPACE] = 0.0
    if not guest.is_local or not guest.spindle_use:
        deviations[SPINDLES] = 0.0
    total: Floats = (WEIGHTS[:7] * deviations).sum(axis=0)
    largest = np.abs(changes.after[:7, places]).max(axis=1, initial=0)
    largest = np.maximum(largest, np.abs(changes.before[:7]).max(axis=1, initial=0))
    error = ERROR * (changes.scale + 8) * largest * largest
    least = np.maximum(deviations.min(axis=1), np.sqrt(error))
    off = float((WEIGHTS[:7, 0] * error / np.maximum(least, 1e-150)).sum())
    total += failing_changes(changes, places)
    return total, 4.0 * (off + 1e-15 * float(np.abs(total).max()))


def failing_changes(changes: Changes, places: Ints) -> Floats:
    """How the sum of instances on nodes that are not N+1 safe changes."""
    trial = changes.trial
    state = trial.state
    if trial.is_strict and not state.failing_sum:
        return np.zeros(len(places))
    nodes = trial.nodes[places]
    left = state.numbers[UNALLOCATED, nodes] - trial.guest.used_memory
    fails = left <= state.numbers[RESERVE, nodes]
    if trial.is_strict:
        fails &= state.failing_loads[nodes] > 0
    found: Floats = fails * changes.after[5, places] - state.failing_loads[nodes]
    return found


def exact_scores(changes: Changes, spread: Spread, places: Ints) -> Floats:
    """Scores from scratch of the state with the guest at each place."""
    step = max(1, CHUNK // max(1, spread.columns.size))
    parts = [
        _scores(changes, spread, places[start : start + step])
        for start in range(0, len(places), step)
    ]
    return np.concatenate(parts)


def _scores(changes: Changes, spread: Spread, places: Ints) -> Floats:
    guest = changes.trial.guest
    position = changes.trial.candidates.position[places]
    with_space = guest.is_local or changes.trial.candidates.some_exclusive
    rows = [row for row in range(RESERVED) if with_space or row != SPACE]
    if not guest.is_local or not guest.spindle_use:
        rows.remove(SPINDLES)
    same_memory = bool(
        (changes.after[MEM, places] == changes.after[MEM_PROMISED, places]).all()
        and (spread.columns[MEM] == spread.columns[MEM_PROMISED]).all()
    )
    if same_memory:
        rows.remove(MEM_PROMISED)
    columns = np.repeat(spread.columns[None, rows, :], len(places), axis=0)
    after = changes.after[rows][:, places]
    columns[np.arange(len(places)), :, position] = after.T
    _sums, variances = spread_of(columns)
    deviations: list[Floats] = [np.sqrt(spread.variances[row]) for row in range(8)]
    for row, found in zip(rows, np.sqrt(variances).T, strict=True):
        deviations[row] = found
    if same_memory:
        deviations[MEM_PROMISED] = deviations[MEM]
    return weigh(
        deviations,
        reserved_sum=spread.reserved_sum,
        failing_sum=spread.failing_sum + failing_changes(changes, places),
        offline=(spread.offline_load, spread.offline_primaries),
    )
