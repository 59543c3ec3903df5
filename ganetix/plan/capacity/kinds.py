"""Nodes that are equal in all their numbers: one stands for all, in pairs of nodes."""

from __future__ import annotations

from itertools import product

import numpy as np

from ganetix.plan.capacity.hardware import Flags, Ints
from ganetix.plan.capacity.pair_scores import PairScores
from ganetix.plan.capacity.state import RESERVE


class Kinds:
    """Nodes where a guest fits, one for all that are equal in all their numbers.

    ``primaries`` and ``secondaries`` are the last of each kind; the latter also have
    the last but one, for pairs of two equal nodes. ``all_differ`` says that there is
    only one of each kind.
    """

    def __init__(self, scores: PairScores, primaries: Ints, secondaries: Ints) -> None:
        trial = scores.trial
        self._scores = scores
        self._trial = trial
        self._all_primaries, self._all_secondaries = primaries, secondaries
        kinds = trial.state.kinds.take(trial.nodes)
        self._kinds = kinds
        of_secondaries = kinds.take(secondaries)
        scratch = np.empty(trial.state.kind_count, dtype=np.int64)
        is_last = _are_last(scratch, secondaries, of_secondaries)
        theirs = secondaries[is_last]
        self.all_differ = len(theirs) == len(secondaries)
        if not self.all_differ:
            rest = secondaries[~is_last]
            rest = rest[_are_last(scratch, rest, kinds.take(rest))]
            theirs = np.concatenate((theirs, rest))
        self.secondaries = theirs
        is_last = _are_last(scratch, primaries, kinds.take(primaries))
        self.primaries = primaries[is_last]
        self.all_differ &= len(self.primaries) == len(primaries)

    def last_free(self, primary: int, secondary: int) -> tuple[int, int] | None:
        """The last pair of these kinds where nothing is kept free for the primary yet.

        That is, no more than without it.
        """
        if self.all_differ:
            is_free = self._scores.owed_more(primary, secondary) <= 0
            return (primary, secondary) if is_free else None
        primaries, secondaries = self._alike(primary, secondary)
        for one in reversed(primaries.tolist()):
            partners = self._free(one, secondaries[secondaries != one])
            if len(partners):
                return one, int(partners[-1])
        return None

    def all_pairs(
        self, primaries: Ints, secondaries: Ints, most: int
    ) -> tuple[Ints, Ints]:
        """All pairs of the kinds of some pairs, in order; none if too many."""
        alike = zip(primaries.tolist(), secondaries.tolist(), strict=True)
        found: set[tuple[int, int]] = set()
        for one in alike:
            ours, theirs = self._alike(*one)
            if len(found) + len(ours) * len(theirs) > most:
                return ours[:0], theirs[:0]
            found.update(product(ours.tolist(), theirs.tolist()))
        listed = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
        return listed[:, 0], listed[:, 1]

    def _alike(self, primary: int, secondary: int) -> tuple[Ints, Ints]:
        """Where nodes of the same kinds fit."""
        kinds = self._kinds
        ours, theirs = self._all_primaries, self._all_secondaries
        return (
            ours[kinds.take(ours) == kinds[primary]],
            theirs[kinds.take(theirs) == kinds[secondary]],
        )

    def _free(self, primary: int, secondaries: Ints) -> Ints:
        """Those that need not keep more free for a primary than they do anyway."""
        trial = self._trial
        state = trial.state
        nodes = trial.nodes.take(secondaries)
        owed = state.peers[nodes, trial.candidates.place_in_group[primary]]
        reserved = trial.guest.reserved_memory
        kept = np.maximum(state.numbers[RESERVE].take(nodes), reserved)
        free: Ints = secondaries[owed + reserved <= kept]
        return free


def _are_last(scratch: Ints, places: Ints, kinds: Ints) -> Flags:
    """Which places are the last ones of their kinds."""
    scratch[kinds] = places
    found: Flags = scratch.take(kinds) == places
    return found
