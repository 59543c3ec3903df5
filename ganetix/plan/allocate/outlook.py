"""What a guest that is nowhere at the moment would do at each place: rules and scores.

The score is that of some nodes, mostly of one group. Scores of many places are followed
from sums and variances; where that leaves several places, these are scored from
scratch.
"""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Flags, Floats, Ints
from ganetix.plan.capacity.pairs import Choice
from ganetix.plan.capacity.score import Spread, weigh
from ganetix.plan.capacity.state import (
    FAILING,
    PRIMARIES,
    RESERVE,
    RESERVED,
    SECONDARIES,
    SPACE,
    UNALLOCATED,
    ClusterState,
)
from ganetix.plan.capacity.tags import Tagging
from ganetix.plan.capacity.trial import FITS, MODE, Codes, Trial

WEIGHTS = np.array([0.5, 0.5, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0])[:, None]
NEAR = 1e-9
"""Scores that differ by less, relative to themselves, are computed from scratch."""

MOST_TIES = 40
"""So many equally good places are told apart by the last bits, no more."""


class Outlook:
    """The places of one guest in one state; nodes by number.

    :param number: the guest, which is lifted off its nodes
    :param scored: the nodes that count in the score
    :param places: all nodes, if somebody has them in this form already
    """

    def __init__(
        self,
        state: ClusterState,
        number: int,
        scored: Ints,
        tagging: Tagging,
        places: Candidates | None = None,
    ) -> None:
        hardware = state.hardware
        self.state = state
        self.number = number
        self.places = places or Candidates(state, np.arange(len(hardware.nodes)))
        self.guest: Guest = state.guests[number]
        self.scored = scored
        self._tagging = tagging
        self._known: dict[bool, tuple[Codes, Codes]] = {}
        self._is_prepared = False

    def _prepare(self) -> None:
        """What scores need and rules do not."""
        state, guest = self.state, self.guest
        hardware = state.hardware
        self._is_prepared = True
        self._spread = Spread(state, self.scored)
        self._count = float(self._spread.count)
        counted = np.zeros(len(hardware.nodes), dtype=np.bool_)
        counted[self.scored] = True
        self._is_counted: Flags = counted
        self._is_online: Flags = hardware.is_online & counted
        self._is_offline: Flags = ~hardware.is_online & counted
        primary: Floats = np.zeros((8, len(counted)))
        with np.errstate(divide="ignore", invalid="ignore"):
            primary[0] = -guest.used_memory / hardware.memory
            primary[1] = -guest.memory / hardware.memory
            primary[2] = guest.used_vcpus / hardware.cpus / hardware.speed
            primary[3] = primary[5] = 1.0
            if guest.is_local:
                own = guest.disk_spindles or 0
                share = np.where(hardware.disk > 0, -guest.disk / hardware.disk, 0.0)
                spindles = -own / hardware.spindles
                primary[4] = np.where(hardware.exclusive, spindles, share)
                use = guest.spindle_use / hardware.max_spindle_use
                primary[6] = np.where(hardware.exclusive, 0.0, use)
        primary[:, ~self._is_online] = 0.0
        secondary = np.zeros_like(primary)
        secondary[SPACE:RESERVED] = primary[SPACE:RESERVED]
        self._by_primary, self._by_secondary = primary, secondary
        off: Floats = np.zeros_like(primary)
        online = hardware.online
        means = self._spread.sums / max(1.0, self._count)
        off[:, online] = state.columns - means[:, None]
        self._off = off

    def primary_codes(self, nodes: Ints, *, is_strict: bool = True) -> Codes:
        """What fails of a primary on some of the nodes, tags among it."""
        codes: Codes = self._codes(is_strict)[0][nodes]
        if is_strict:
            conflicts = self._tagging.tag_conflicts(self.guest, nodes)
            for place, node in enumerate(nodes.tolist() if conflicts else ()):
                if node in conflicts and codes[place] == FITS:
                    codes[place] = MODE["Tags"]
        return codes

    def secondary_codes(
        self, primaries: Ints, nodes: Ints, *, is_strict: bool = True
    ) -> Codes:
        """What fails of a secondary on ``nodes``, one row each primary."""
        codes = np.repeat(self._codes(is_strict)[1][nodes][None, :], len(primaries), 0)
        if is_strict:
            numbers = self.state.numbers[:, nodes]
            reserve = self._reserve(primaries[:, None], nodes[None, :])
            risky = (numbers[UNALLOCATED] <= reserve) & (numbers[FAILING] == 0)
            codes[(codes == FITS) & risky] = MODE["Mem"]
        return codes

    def _codes(self, is_strict: bool) -> tuple[Codes, Codes]:
        """What fails of a primary and of a secondary on each node."""
        if is_strict not in self._known:
            trial = Trial(
                self.places, self.guest, is_strict=is_strict, obeys_policy=False
            )
            codes = np.full((2, len(self.state.hardware.nodes)), FITS, dtype=np.int8)
            codes[0, trial.nodes] = trial.primary_codes
            codes[1, trial.nodes] = trial.secondary_codes
            self._known[is_strict] = codes[0], codes[1]
        return self._known[is_strict]

    def _reserve(self, primaries: Ints, secondaries: Ints) -> Ints:
        """What secondaries would keep free."""
        state = self.state
        hardware = state.hardware
        near = hardware.group[primaries] == hardware.group[secondaries]
        owed = state.peers[secondaries, hardware.place[primaries]]
        owed = np.where(near, owed, 0) + self.guest.reserved_memory
        found: Ints = np.maximum(state.numbers[RESERVE, secondaries], owed)
        return found

    def scores(self, primaries: Ints, secondaries: Ints) -> Floats:
        """Scores with the guest at these places, but for rounding.

        The arguments are arrays of one shape; the secondaries may be ``NONE``.
        """
        if not self._is_prepared:
            self._prepare()
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self._scores(primaries, secondaries)
        if self._tagging.scores:
            found = found + self._tagging.total()
            found += self._tagging.added(self.guest, primaries, secondaries)
        found[np.isnan(found)] = np.inf
        return found

    def _scores(self, primaries: Ints, secondaries: Ints) -> Floats:
        spread, off = self._spread, self._off
        numbers = self.state.numbers
        ours = self._by_primary[:, primaries]
        squares = ours * (2.0 * off[:, primaries] + ours)
        change = ours
        left = numbers[UNALLOCATED, primaries] - self.guest.used_memory
        failing = self._failing(
            primaries, np.asarray(left <= numbers[RESERVE, primaries])
        )
        gone = self._is_offline[primaries].astype(np.float64)
        offline = spread.offline_load + gone
        more_reserved: Floats | float = 0.0
        if self.guest.is_pair:
            theirs = self._by_secondary[:, secondaries]
            reserve = self._reserve(primaries, secondaries)
            memory = self.state.hardware.memory[secondaries]
            more = (reserve - numbers[RESERVE, secondaries]) / memory
            more_reserved = np.where(self._is_online[secondaries], more, 0.0)
            theirs[RESERVED] = more_reserved
            squares += theirs * (2.0 * off[:, secondaries] + theirs)
            change = ours + theirs
            failing = failing + self._failing(
                secondaries, np.asarray(numbers[UNALLOCATED, secondaries] <= reserve)
            )
            offline = offline + self._is_offline[secondaries]
        variances = spread.variances.reshape(-1, *(1,) * primaries.ndim)
        variances = variances + squares / self._count - (change / self._count) ** 2
        deviations = np.sqrt(np.maximum(0.0, variances))
        return weigh(
            deviations,
            reserved_sum=spread.reserved_sum + more_reserved,
            failing_sum=spread.failing_sum + failing,
            offline=(offline, spread.offline_primaries + gone),
        )

    def _failing(self, nodes: Ints, fails: Flags) -> Floats:
        """How the sum of instances on failing nodes changes, one more on each."""
        state = self.state
        load = state.numbers[PRIMARIES, nodes] + state.numbers[SECONDARIES, nodes] + 1
        change = np.where(fails, load, 0) - state.failing_loads[nodes]
        found: Floats = np.where(self._is_online[nodes], change, 0).astype(np.float64)
        return found

    def exact(self, primary: int, secondary: int) -> float:
        """The score from scratch with the guest there."""
        state = self.state
        mark = state.mark()
        state.put(self.number, primary, secondary)
        found = score_of(state, self.scored, self._tagging)
        state.rollback(mark)
        return found

    def best(
        self, primaries: Ints, secondaries: Ints, *, last: bool = True
    ) -> tuple[int, float] | None:
        """The index of the best of some places, which fit, and its score.

        :param last: which one of equals is taken: the last or the first
        """
        if not len(primaries):
            return None
        near = self.scores(primaries, secondaries)
        low = float(near.min())
        if low == np.inf:
            # A node without any memory makes scores meaningless: all are as good.
            return (len(near) - 1 if last else 0), low
        tied = np.flatnonzero(near <= low + NEAR * max(1.0, abs(low)))
        if len(tied) == 1:
            return int(tied[0]), low
        tied = tied[-MOST_TIES:][::-1] if last else tied[:MOST_TIES]
        exact = [
            self.exact(int(primaries[at]), int(secondaries[at])) for at in tied.tolist()
        ]
        found = min(range(len(exact)), key=exact.__getitem__)
        return int(tied[found]), exact[found]

    def choice(self, primaries: Ints, secondaries: Ints) -> Choice | None:
        """The best of some places, which fit; the last one of equals."""
        found = self.best(primaries, secondaries)
        if found is None:
            return None
        at, score = found
        return Choice(int(primaries[at]), int(secondaries[at]), score)


def score_of(state: ClusterState, scored: Ints, tagging: Tagging) -> float:
    """The score of some nodes from scratch."""
    spread = Spread(state, scored)
    if not spread.count:
        return 0.0
    found = float(
        weigh(
            np.sqrt(spread.variances),
            reserved_sum=spread.reserved_sum,
            failing_sum=spread.failing_sum,
            offline=(spread.offline_load, spread.offline_primaries),
        )
    )
    return found + tagging.total() if tagging.scores else found


def nowhere(nodes: Ints) -> Ints:
    """No secondary, for each of some primaries."""
    return np.full(len(nodes), NONE, dtype=np.int64)
