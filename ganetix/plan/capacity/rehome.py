"""Where instances of a lost node would go: one after the other, the best node each.

Scores are followed from one placement to the next; where that does not tell which node
is the best because others are as good, but for the last bits, they have to be equal in
all numbers: then it does not matter which one it is. Else scores are from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Floats, Ints
from ganetix.plan.capacity.score import Spread, spread_of, weigh
from ganetix.plan.capacity.state import (
    DISK,
    FAILING,
    PRIMARIES,
    RESERVE,
    SECONDARIES,
    UNALLOCATED,
)
from ganetix.plan.capacity.trial import FITS, Trial

NEAR = 1e-9
"""Scores that differ by less may be those of equal nodes."""

SMALL = 1e-8
"""Variances below this are not known well enough."""

WEIGHTS = np.array([0.5, 0.5, 1.0, 3.0, 1.0, 1.0, 1.0])[:, None]


class Tie(Exception):
    """Nodes that are not equal are equally good, as far as it can be told."""


class Rehoming:
    """Nodes that take the guests of a lost one, without any change to the state."""

    def __init__(self, candidates: Candidates) -> None:
        state = candidates.state
        hardware = state.hardware
        if (candidates.position == NONE).any() or candidates.some_exclusive:
            raise Tie
        self._candidates = candidates
        self._state = state
        self._columns: Floats = state.columns[:7].copy()
        self._numbers: Ints = state.numbers[:, candidates.nodes]
        self._kinds = [hardware.kinds[node] for node in candidates.nodes.tolist()]
        self._may_fail = bool(
            self._numbers[RESERVE].any() or self._numbers[FAILING].any()
        )
        self._use(None)

    def _use(self, nodes: Ints | None) -> None:
        """Have only some nodes count in the score, all if None."""
        columns = self._columns
        if nodes is not None:
            columns = columns[:, self._state.hardware.position[nodes]]
        self._count = columns.shape[1]
        self._sums: Floats = columns.sum(axis=1)
        self._variances: Floats = columns.var(axis=1)

    def move(self, guests: Sequence[Guest], source: int, members: Ints) -> bool:
        """Whether guests can leave a node one by one; its group's nodes count."""
        hardware = self._state.hardware
        self._use(members[hardware.is_online[members]])
        position = hardware.position[source]
        for guest in guests:
            if position != NONE:
                change = -self._changes_of(guest, np.array([source]))[:, 0]
                column = self._columns[:, position]
                self._variances += self._steps(change[:, None], column[:, None])[:, 0]
                self._sums += change
                column += change
            if not self._place(guest):
                return False
        return True

    def create(self, guests: Sequence[Guest]) -> bool:
        """Whether guests can be made again one by one; all nodes count."""
        self._use(None)
        return all(self._place(guest) for guest in guests)

    def _place(self, guest: Guest) -> bool:
        numbers = self._numbers
        fits = numbers[UNALLOCATED] > guest.used_memory
        if guest.is_local:
            fits = fits & (numbers[DISK] > guest.disk)
        places = np.flatnonzero(fits)
        if not len(places):
            return False
        candidates = self._candidates
        position = candidates.position[places]
        changes = self._changes_of(guest, candidates.nodes[places])
        variances = self._variances[:, None] + self._steps(
            changes, self._columns[:, position]
        )
        chosen = self._choose(guest, places, changes, variances)
        at = places[chosen]
        self._columns[:, position[chosen]] += changes[:, chosen]
        self._sums = self._sums + changes[:, chosen]
        self._variances = variances[:, chosen]
        local = guest.is_local
        numbers[:, at] += (
            -guest.used_memory,
            -guest.memory,
            -guest.disk if local else 0,
            guest.used_vcpus,
            guest.spindle_use if local else 0,
            *(0, 1, 0, 0, 0),
        )
        numbers[FAILING, at] = numbers[UNALLOCATED, at] <= numbers[RESERVE, at]
        return True

    def _choose(
        self, guest: Guest, places: Ints, changes: Floats, variances: Floats
    ) -> int:
        """The best of some places, as an index of these."""
        if len(places) == 1:
            return 0
        moving = changes.any(axis=1)
        if not variances[moving].min() > SMALL:
            raise Tie
        deviations = np.sqrt(variances[moving])
        scores: Floats = (WEIGHTS[moving] * deviations).sum(axis=0)
        numbers = self._numbers
        if self._may_fail:
            load = numbers[PRIMARIES] + numbers[SECONDARIES]
            left = numbers[UNALLOCATED] - guest.used_memory
            more = (left <= numbers[RESERVE]) * (load + 1) - numbers[FAILING] * load
            scores = scores + more[places]
        low = float(scores.min())
        tied = np.flatnonzero(scores <= low + NEAR * max(1.0, abs(low)))
        if len(tied) > 1:
            those = numbers[:, places[tied]]
            kinds = {self._kinds[place] for place in places[tied].tolist()}
            if len(kinds) > 1 or (those != those[:, :1]).any():
                raise Tie
        return int(tied[-1])

    def _changes_of(self, guest: Guest, nodes: Ints) -> Floats:
        """What a guest adds to the columns of nodes."""
        hardware = self._state.hardware
        found: Floats = np.zeros((7, len(nodes)))
        memory = hardware.memory[nodes]
        found[0] = -guest.used_memory / memory
        found[1] = -guest.memory / memory
        found[2] = guest.used_vcpus / (hardware.cpus[nodes] * hardware.speed[nodes])
        found[3] = found[5] = 1.0
        if guest.is_local:
            disk = hardware.disk[nodes]
            found[4] = np.where(disk > 0, -guest.disk / np.maximum(disk, 1.0), 0.0)
            if guest.spindle_use:
                found[6] = guest.spindle_use / hardware.max_spindle_use[nodes]
        return found

    def _steps(self, changes: Floats, columns: Floats) -> Floats:
        """How variances change with one value of each column."""
        count = float(self._count)
        found: Floats = changes * (
            (2.0 * columns + changes) / count
            - (2.0 * self._sums[:, None] + changes) / (count * count)
        )
        return found


def best_refuge(
    candidates: Candidates,
    guest: Guest,
    *,
    scored: Ints | None = None,
    obeys_policy: bool = True,
) -> int | None:
    """The node where a guest of a lost node would go, offline ones among them.

    Only limits that cannot be bent count. ``scored`` are the nodes that count in the
    score, all if None.
    """
    trial = Trial(candidates, guest, is_strict=False, obeys_policy=obeys_policy)
    places = np.flatnonzero(trial.primary_codes == FITS)
    if not len(places):
        return None
    if len(places) == 1:
        return int(trial.nodes[places[0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = _scores(Changes(trial), places, scored)
    scores[np.isnan(scores)] = np.inf
    best = np.flatnonzero(scores == scores.min())
    return int(trial.nodes[places[best[-1]]])


def _scores(changes: Changes, places: Ints, scored: Ints | None) -> Floats:
    """Scores from scratch with the guest at each place."""
    trial = changes.trial
    state = trial.state
    spread = Spread(state, scored)
    nodes = trial.nodes[places]
    position = trial.candidates.position[places]
    columns = np.repeat(state.columns[None, :, :], len(places), axis=0)
    online = np.flatnonzero(position != NONE)
    columns[online, :7, position[online]] = changes.after[:, places[online]].T
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
