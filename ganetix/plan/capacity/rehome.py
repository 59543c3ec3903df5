"""Where an instance of a lost node would go: the best of the nodes that are left."""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Floats, Ints
from ganetix.plan.capacity.score import Spread, spread_of, weigh
from ganetix.plan.capacity.state import RESERVE, UNALLOCATED, ClusterState
from ganetix.plan.capacity.trial import FITS, Trial


def best_refuge(
    state: ClusterState,
    guest: Guest,
    nodes: Ints,
    *,
    scored: Ints | None = None,
    obeys_policy: bool = True,
) -> int | None:
    """The node where a guest of a lost node would go, offline ones among them.

    Only limits that cannot be bent count. ``scored`` are the nodes that count in the
    score, all if None.
    """
    candidates = Candidates(state, nodes)
    trial = Trial(candidates, guest, is_strict=False, obeys_policy=obeys_policy)
    places = np.flatnonzero(trial.primary_codes == FITS)
    if not len(places):
        return None
    if len(places) == 1:
        return int(nodes[places[0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = _scores(Changes(trial), places, scored)
    scores[np.isnan(scores)] = np.inf
    return int(nodes[places[np.flatnonzero(scores == scores.min())[-1]]])


def _scores(changes: Changes, places: Ints, scored: Ints | None) -> Floats:
    """Scores from scratch with the guest at each place."""
    trial = changes.trial
    state = trial.state
    nodes = trial.nodes[places]
    position = trial.candidates.position[places]
    columns = np.repeat(state.columns[None, :, :], len(places), axis=0)
    online = np.flatnonzero(position != NONE)
    columns[online, :7, position[online]] = changes.after[:, places[online]].T
    spread = Spread(state, scored)
    if scored is not None:
        columns = columns[:, :, spread.positions]
    _sums, variances = spread_of(columns)
    left = state.numbers[UNALLOCATED, nodes] - trial.guest.used_memory
    fails = left <= state.numbers[RESERVE, nodes]
    more = fails * changes.after[5, places] - state.failing_loads[nodes]
    gone = (position == NONE).astype(np.float64)
    return weigh(
        np.sqrt(variances).T,
        reserved_sum=spread.reserved_sum,
        failing_sum=spread.failing_sum + np.where(gone, 0.0, more),
        offline=(spread.offline_load + gone, spread.offline_primaries + gone),
    )
