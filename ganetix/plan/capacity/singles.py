"""The best node for a guest that needs only one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganetix.plan.capacity.hardware import NONE, Floats, Ints
from ganetix.plan.capacity.pairs import Choice
from ganetix.plan.capacity.score import Spread, spread_of, weigh
from ganetix.plan.capacity.state import RESERVE, UNALLOCATED
from ganetix.plan.capacity.trial import FITS, Trial

CHUNK = 1 << 18
"""How many numbers are scored at once."""


def best_single(trial: Trial, scored: Ints | None = None) -> Choice | None:
    """The node with the lowest score, the last one of equals.

    ``scored`` are the nodes that count in the score, all if None.
    """
    return next(singles_by_score(trial, scored), None)


def singles_by_score(trial: Trial, scored: Ints | None = None) -> Iterator[Choice]:
    """All nodes where the guest fits, lowest score first, the last one of equals."""
    places = np.flatnonzero(trial.primary_codes == FITS)
    if not len(places):
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = exact_scores(trial, places, scored)
    order = np.lexsort((-places, scores))
    for place, score in zip(places[order], scores[order], strict=True):
        yield Choice(int(trial.nodes[place]), NONE, float(score))


def exact_scores(trial: Trial, places: Ints, scored: Ints | None = None) -> Floats:
    """Scores from scratch of the state with the guest at each place of the trial."""
    size = trial.state.columns.size
    step = max(1, CHUNK // max(1, size))
    parts = [
        _scores(trial, places[start : start + step], scored)
        for start in range(0, len(places), step)
    ]
    return np.concatenate(parts)


def _scores(trial: Trial, places: Ints, scored: Ints | None) -> Floats:
    state = trial.state
    hardware = state.hardware
    nodes = trial.nodes[places]
    position = hardware.position[nodes]
    columns = np.repeat(state.columns[None, :, :], len(places), axis=0)
    online = np.flatnonzero(position != NONE)
    columns[online, :7, position[online]] = trial.after_primary[:, places[online]].T
    spread = Spread(state, scored)
    if scored is not None:
        columns = columns[:, :, spread.positions]
    _sums, variances = spread_of(columns)
    load = trial.after_primary[5, places]
    left = state.numbers[UNALLOCATED, nodes] - trial.guest.used_memory
    failing = (left <= state.numbers[RESERVE, nodes]) * load
    was = state.failing_loads[nodes]
    gone = (position == NONE).astype(np.float64)
    return weigh(
        np.sqrt(variances).T,
        reserved_sum=spread.reserved_sum,
        failing_sum=spread.failing_sum + np.where(gone, 0.0, failing - was),
        offline=(spread.offline_load + gone, spread.offline_primaries + gone),
    )
