"""Where instances of a lost node would go: one after the other, the best node each.

Scores are followed from one placement to the next; where that does not tell which node
is the best because others are as good, but for the last bits, they have to be equal in
all numbers: then it does not matter which one it is. Else scores are from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Flags, Floats, Ints
from ganetix.plan.capacity.score import Spread, spread_of, weigh
from ganetix.plan.capacity.state import (
    DISK,
    FAILING,
    PRIMARIES,
    PROMISED,
    RESERVE,
    SECONDARIES,
    SPINDLE_USE,
    UNALLOCATED,
    VCPUS,
    ClusterState,
)
from ganetix.plan.capacity.tags import Tagging
from ganetix.plan.capacity.trial import FITS, Trial

NEAR = 1e-9
"""Scores that differ by less may be those of equal nodes."""

SMALL = 1e-8
"""Variances below this are not known well enough."""

MOST = 1 << 19
"""So many weights of a guest on a node are kept, at most."""

WEIGHTS = np.array([0.5, 0.5, 1.0, 3.0, 1.0, 1.0, 1.0])


class Tie(Exception):
    """Nodes that are not equal are equally good, as far as it can be told."""


class Weight(NamedTuple):
    """What a guest adds to the columns of all nodes; see ``Rehoming``.

    ``moving`` are the columns that it changes, ``numbers`` what it adds to a node's.
    """

    change: Floats
    slope: Floats
    rise: Floats
    moving: slice | Ints
    numbers: Ints


class Weights:
    """The weights of guests on the nodes of a state, kept for the next time."""

    def __init__(self, state: ClusterState) -> None:
        self._hardware = state.hardware
        self._known: dict[tuple[int, int], tuple[Guest, Weight]] = {}

    def of(self, guest: Guest, count: int) -> Weight:
        """A guest's weight, where so many nodes count in the score."""
        key = (id(guest), count)
        known = self._known.get(key)
        if known is None:
            if len(self._known) * len(self._hardware.nodes) > MOST:
                self._known.clear()
            known = self._known[key] = guest, self._weight(guest, float(count))
        return known[1]

    def _weight(self, guest: Guest, count: float) -> Weight:
        hardware = self._hardware
        change: Floats = np.zeros((7, len(hardware.nodes)))
        with np.errstate(divide="ignore", invalid="ignore"):
            change[0] = -guest.used_memory / hardware.memory
            change[1] = -guest.memory / hardware.memory
            change[2] = guest.used_vcpus / (hardware.cpus * hardware.speed)
            change[3] = change[5] = 1.0
            if guest.is_local:
                change[4] = np.where(hardware.disk > 0, -guest.disk / hardware.disk, 0)
                if guest.spindle_use:
                    change[6] = guest.spindle_use / hardware.max_spindle_use
        numbers = np.zeros(10, dtype=np.int64)
        numbers[[UNALLOCATED, PROMISED]] = -guest.used_memory, -guest.memory
        numbers[[VCPUS, PRIMARIES]] = guest.used_vcpus, 1
        if guest.is_local:
            numbers[[DISK, SPINDLE_USE]] = -guest.disk, guest.spindle_use
        return Weight(
            change,
            change * (2.0 / count),
            change * change * ((count - 1) / (count * count)),
            _rows(np.flatnonzero(change.any(axis=1))),
            numbers,
        )


def _rows(numbers: Ints) -> slice | Ints:
    """Some rows; a slice if they are the first ones, which takes less time."""
    return slice(len(numbers)) if numbers[-1] == len(numbers) - 1 else numbers


class Rehoming:
    """Nodes that take the guests of a lost one, without any change to the state.

    A variance changes by ``slope * (column - mean) + rise`` as one value of the column
    does by ``change``.
    """

    def __init__(self, candidates: Candidates, weights: Weights) -> None:
        state = candidates.state
        hardware = state.hardware
        if (candidates.position == NONE).any() or candidates.some_exclusive:
            raise Tie
        self._state = state
        self._weights = weights
        self._nodes = candidates.nodes
        self._columns: Floats = state.columns[:7, candidates.position]
        self._numbers: Ints = state.numbers[:, candidates.nodes]
        self._kinds = [hardware.kinds[node] for node in candidates.nodes.tolist()]
        self._may_fail = bool(
            self._numbers[RESERVE].any() or self._numbers[FAILING].any()
        )
        self._count = 0

    def _measure(self, columns: Floats) -> None:
        """Have the nodes of some columns count in the score."""
        self._count = columns.shape[1]
        self._means: Floats = columns.mean(axis=1)
        self._variances: Floats = columns.var(axis=1)

    def move(self, guests: Sequence[Guest], source: int, members: Ints) -> bool:
        """Whether guests can leave a node one by one; its group's nodes count."""
        state, hardware = self._state, self._state.hardware
        counting = hardware.position[members[hardware.is_online[members]]]
        self._measure(state.columns[:7, counting])
        position = hardware.position[source]
        column = state.columns[:7, position].copy()
        for guest in guests:
            weight = self._weights.of(guest, self._count)
            if position != NONE:
                change = weight.change[:, source]
                fall = weight.slope[:, source] * (column - self._means)
                self._variances = self._variances - fall + weight.rise[:, source]
                self._means = self._means - change / self._count
                column -= change
            if not self._place(weight, guest):
                return False
        self._measure_all(source, column)
        return True

    def _measure_all(self, source: int, column: Floats) -> None:
        """Have all nodes count, as they are now."""
        state = self._state
        columns = state.columns[:7].copy()
        columns[:, state.hardware.position[self._nodes]] = self._columns
        if state.hardware.is_online[source]:
            columns[:, state.hardware.position[source]] = column
        self._measure(columns)

    def create(self, guests: Sequence[Guest]) -> bool:
        """Whether guests can be made again one by one; all nodes count."""
        if not self._count:
            self._measure(self._state.columns[:7])
        sizes = _falling([guest.used_memory for guest in guests])
        for number, guest in enumerate(guests):
            if 0 < number < len(sizes) - 1 and not self._have_room(sizes[number:]):
                return False
            weight = self._weights.of(guest, self._count)
            if not self._place(weight, guest):
                return False
        return True

    def _have_room(self, sizes: Ints) -> bool:
        """Whether guests with so much memory, the largest first, may all have room."""
        left = np.maximum(self._numbers[UNALLOCATED] - 1, 0)
        slots = np.add.reduce(left // sizes[:, None], axis=1)
        return bool((slots > np.arange(len(sizes))).all())

    def _place(self, weight: Weight, guest: Guest) -> bool:
        numbers = self._numbers
        fits = numbers[UNALLOCATED] > guest.used_memory
        if guest.is_local:
            fits &= numbers[DISK] > guest.disk
        if not fits.any():
            return False
        nodes = self._nodes
        variances = self._columns - self._means[:, None]
        variances *= weight.slope.take(nodes, axis=1)
        variances += weight.rise.take(nodes, axis=1)
        variances += self._variances[:, None]
        at = self._choose(weight, guest, fits, variances)
        change = weight.change[:, nodes[at]]
        self._columns[:, at] += change
        self._means = self._means + change / self._count
        self._variances = variances[:, at].copy()
        numbers[:, at] += weight.numbers
        if self._may_fail:
            fails = numbers[UNALLOCATED, at] <= numbers[RESERVE, at]
            numbers[FAILING, at] = fails
        return True

    def _choose(
        self, weight: Weight, guest: Guest, fits: Flags, variances: Floats
    ) -> int:
        """The best of the places where it fits."""
        if not np.minimum.reduce(variances[weight.moving], axis=None) > SMALL:
            raise Tie
        deviations = np.maximum(variances, 0.0)
        scores: Floats = WEIGHTS.dot(np.sqrt(deviations, out=deviations))
        numbers = self._numbers
        if self._may_fail:
            load = numbers[PRIMARIES] + numbers[SECONDARIES]
            left = numbers[UNALLOCATED] - guest.used_memory
            more = (left <= numbers[RESERVE]) * (load + 1) - numbers[FAILING] * load
            scores = scores + more
        scores[~fits] = np.inf
        low = float(scores[scores.argmin()])
        tied = (scores <= low + NEAR * max(1.0, abs(low))).nonzero()[0]
        if not len(tied):
            raise Tie
        if len(tied) > 1:
            those = numbers[:, tied]
            kinds = {self._kinds[place] for place in tied.tolist()}
            if len(kinds) > 1 or (those != those[:, :1]).any():
                raise Tie
        return int(tied[-1])


def _falling(sizes: list[int]) -> Ints:
    """Sizes in falling order but for those that are nothing; none in another order."""
    is_falling = sizes == sorted(sizes, reverse=True)
    return np.array([size for size in sizes if size and is_falling], dtype=np.int64)


def best_refuge(
    candidates: Candidates,
    guest: Guest,
    *,
    scored: Ints | None = None,
    obeys_policy: bool = True,
    tagging: Tagging | None = None,
) -> int | None:
    """The node where a guest of a lost node would go, offline ones among them.

    Only limits that cannot be bent count. ``scored`` are the nodes that count in the
    score, all if None; ``tagging`` is there if the guest's tags count as well.
    """
    trial = Trial(candidates, guest, is_strict=False, obeys_policy=obeys_policy)
    places = np.flatnonzero(trial.primary_codes == FITS)
    if not len(places):
        return None
    if len(places) == 1:
        return int(trial.nodes[places[0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = _scores(Changes(trial), places, scored, tagging)
    scores[np.isnan(scores)] = np.inf
    best = np.flatnonzero(scores == scores.min())
    return int(trial.nodes[places[best[-1]]])


def _scores(
    changes: Changes, places: Ints, scored: Ints | None, tagging: Tagging | None
) -> Floats:
    """Scores from scratch with the guest at each place."""
    trial = changes.trial
    state = trial.state
    spread = Spread(state, scored)
    nodes = trial.nodes[places]
    position = trial.candidates.position[places]
    columns = np.repeat(state.columns[None, :, :], len(places), axis=0)
    online = np.flatnonzero(position != NONE)
    columns[online, :7, position[online]] = changes.after[:7, places[online]].T
    if scored is not None:
        columns = columns[:, :, spread.positions]
    _sums, variances = spread_of(columns)
    left = state.numbers[UNALLOCATED, nodes] - trial.guest.used_memory
    fails = left <= state.numbers[RESERVE, nodes]
    more = fails * changes.after[5, places] - state.failing_loads[nodes]
    gone = (position == NONE).astype(np.float64)
    tags: Floats | float = 0.0
    if tagging is not None:
        added = tagging.added(trial.guest, nodes, np.full(len(nodes), NONE))
        tags = tagging.total() + np.where(gone, 0.0, added)
    return weigh(
        np.sqrt(variances).T,
        reserved_sum=spread.reserved_sum,
        failing_sum=spread.failing_sum + np.where(gone, 0.0, more),
        offline=(spread.offline_load + gone, spread.offline_primaries + gone),
        tags=tags,
    )
