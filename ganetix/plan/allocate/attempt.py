"""One instance tried on the nodes of one group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganetix.plan.allocate.exodus import all_can_leave
from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Flags, Floats, Ints
from ganetix.plan.capacity.pair_places import pair_places
from ganetix.plan.capacity.pair_scores import PairScores
from ganetix.plan.capacity.pairs import Choice
from ganetix.plan.capacity.redundancy import Redundancy
from ganetix.plan.capacity.requests import Newcomer
from ganetix.plan.capacity.singles import singles_by_score
from ganetix.plan.capacity.state import UNALLOCATED, ClusterState
from ganetix.plan.capacity.step import Counts, best, counts, with_rejected
from ganetix.plan.capacity.tags import Tagging
from ganetix.plan.capacity.trial import FITS, MODE, Trial

PATIENCE = 60
"""After so many places, no more are looked for."""


class Allocation:
    """A state that instances are allocated in, with what all attempts share."""

    def __init__(self, state: ClusterState) -> None:
        self.state = state
        self.tagging = Tagging(state)
        self.redundancy = Redundancy(state)
        self._known: dict[int, bool] = {}

    def attempt(
        self, guest: Guest, nodes: Ints, *, primary: int | None = None
    ) -> Attempt:
        """The best place among some nodes of one group; the state stays as it is.

        :param primary: the only node that may be the primary of a pair
        """
        return Attempt(self, guest, nodes, primary)

    def survives(self, group: int) -> bool:
        """Whether every node could be lost, where only one group has changed lately."""
        return self.others_survive(group) and self._holds(self._checked(group))

    def others_survive(self, group: int) -> bool:
        """Whether every node of any other group could be lost."""
        if self._checked(group) is None:
            return True
        hardware = self.state.hardware
        return all(
            self._survives(other)
            for other, members in enumerate(hardware.members)
            if other != group and len(members)
        )

    def forget(self) -> None:
        """The state has changed for good: what was found out of groups is void."""
        self._known.clear()

    def _survives(self, group: int) -> bool:
        if group not in self._known:
            self._known[group] = self._holds(group)
        return self._known[group]

    def _holds(self, group: int | None) -> bool:
        return self.redundancy.holds(group) and all_can_leave(
            self.state, self.tagging, group
        )

    def _checked(self, group: int) -> int | None:
        """The group to look at alone; None where instances are spread over groups."""
        return None if self.state.far_pairs else group


class Attempt:
    """What came of it: the best place that leaves the cluster redundant, if any.

    ``failures`` counts what stood against the other places, ``successes`` those that
    nothing stands against. ``refusal`` says why nothing could be tried.
    """

    def __init__(
        self,
        allocation: Allocation,
        guest: Guest,
        nodes: Ints,
        primary: int | None,
    ) -> None:
        self.state = allocation.state
        self.guest = guest
        self.nodes = nodes
        self.choice: Choice | None = None
        self.refusal = ""
        self.failures: Counts = (0,) * FITS
        self.successes = 0
        self._allocation = allocation
        self._primary = primary
        self._unsafe: set[int] = set()
        if guest.is_pair and len(nodes) < 2:
            self.refusal = "Not enough online nodes"
        elif not len(nodes):
            self.refusal = "No online nodes"
        else:
            self._try()

    def _try(self) -> None:
        tagging = self._allocation.tagging
        self._group = int(self.state.hardware.group[self.nodes[0]])
        trial = Trial(Candidates(self.state, self.nodes), self.guest)
        self.conflicts = tagging.tag_conflicts(self.guest, self.nodes)
        for node in self.conflicts:
            place = int(np.flatnonzero(self.nodes == node)[0])
            if trial.primary_codes[place] == FITS:
                trial.primary_codes[place] = MODE["Tags"]
        self.trial = trial
        others = len(self.nodes) - 1
        places = len(self.nodes) * (others if self.guest.is_pair else 1)
        if self._primary is not None:
            trial.primary_codes[self.nodes != self._primary] = MODE["Internal"]
            places = others
        failures = counts(trial)
        if self._primary is not None:
            at = MODE["Internal"]
            failures = (*failures[:at], 0, *failures[at + 1 :])
        fitting = places - sum(failures)
        rejected = self._choose(fitting) if fitting else 0
        self.failures = with_rejected(failures, rejected)
        self.successes = fitting - rejected

    def _choose(self, fitting: int) -> int:
        """Find the best place that leaves the cluster redundant; how many do not."""
        if not self._allocation.others_survive(self._group):
            return fitting
        for rejected, choice in enumerate(self._by_score()):
            if self._keeps_redundant(choice):
                self.choice = choice
                return rejected
            if not rejected and self._allocation.redundancy.is_hopeless:
                break
        return fitting

    def places(self, most: int) -> list[Choice]:
        """The best places that leave the cluster redundant, the best first.

        Where nearly all others do not, there may be fewer than there are.
        """
        found: list[Choice] = []
        if self.choice is None:
            return found
        for number, choice in enumerate(self._by_score()):
            if len(found) == most or number >= PATIENCE:
                break
            if self._keeps_redundant(choice):
                found.append(choice)
            elif not self.guest.is_pair:
                self._unsafe.add(choice.primary)
        return found

    def good_nodes(self) -> set[int]:
        """The nodes that have part in a place that fits; none if none is redundant.

        Single nodes that ``places`` has found not to be are left out.
        """
        if self.choice is None:
            return set()
        if not self.guest.is_pair:
            fitting = self.trial.nodes[self.trial.primary_codes == FITS]
            return set(fitting.tolist()) - self._unsafe
        found: set[int] = set()
        for primaries, secondaries in pair_places(self.trial):
            found.update(primaries.tolist(), secondaries.tolist())
        return found

    def adopt(self) -> None:
        """Place the guest where it was found to fit best."""
        if self.choice is not None:
            self.state.add(self.guest, self.choice.primary, self.choice.secondary)
            self._allocation.forget()

    def _by_score(self) -> Iterator[Choice]:
        """Places where the guest fits, the best first, the last one of equals."""
        changes = Changes(self.trial)
        if self._allocation.tagging.scores:
            return ranked(changes, self._allocation.tagging)
        if not self.guest.is_pair:
            return singles_by_score(changes)
        return self._pairs_by_score(changes)

    def _pairs_by_score(self, changes: Changes) -> Iterator[Choice]:
        """The best pair is cheap to find; the others are if it will not do."""
        first = best(changes)
        if first is None:
            return
        yield first
        found = ranked(changes, self._allocation.tagging, self._hopeful())
        yield from (choice for choice in found if choice[:2] != first[:2])

    def _hopeful(self) -> tuple[Flags, Flags] | None:
        """Which primaries, and which pairs, still let pairs fail over."""
        state, nodes = self.state, self.nodes
        memory = self.guest.used_memory
        free = state.numbers[UNALLOCATED, nodes]
        linked = np.where(state.pair_counts[nodes] > 0, state.pair_memory[nodes], 0)
        primaries: Flags = free - memory > linked.max(axis=1, initial=0)
        owed = state.pair_memory[nodes][:, state.hardware.place[nodes]]
        pairs: Flags = (free[:, None] > owed + memory).T
        return primaries, pairs

    def _keeps_redundant(self, choice: Choice) -> bool:
        state = self.state
        mark = state.mark()
        state.add(self.guest, choice.primary, choice.secondary)
        holds = self._allocation.survives(self._group)
        state.rollback(mark)
        return holds


def ranked(
    changes: Changes,
    tagging: Tagging,
    hopeful: tuple[Flags, Flags] | None = None,
) -> Iterator[Choice]:
    """All places where a trial's guest fits by their scores, tags counting.

    :param hopeful: pairs, by the places of both nodes, that are not left out
    """
    trial = changes.trial
    nodes = trial.nodes
    if not trial.guest.is_pair:
        base = tagging.total()
        choices = [
            choice._replace(score=choice.score + base)
            for choice in singles_by_score(changes)
        ]
        at = np.array([choice.primary for choice in choices], dtype=np.int64)
        added = tagging.added(trial.guest, at, np.full(len(at), NONE))
        rated = [
            choice._replace(score=choice.score + more)
            for choice, more in zip(choices, added.tolist(), strict=True)
        ]
        yield from sorted(rated, key=lambda one: (one.score, -one.primary))
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = _pair_scores(changes, tagging)
    if hopeful is not None:
        scores[~hopeful[0], :] = np.inf
        scores[~hopeful[1]] = np.inf
    flat = scores.ravel()
    possible = np.flatnonzero(flat < np.inf)
    order = np.lexsort((-possible, flat[possible]))
    for index in possible[order].tolist():
        row, column = divmod(index, len(nodes))
        yield Choice(int(nodes[row]), int(nodes[column]), float(flat[index]))


def _pair_scores(changes: Changes, tagging: Tagging) -> Floats:
    """Scores of all pairs of a trial's nodes, infinite where one does not fit."""
    trial = changes.trial
    places = np.arange(len(trial.nodes))
    found = PairScores(changes).scores(places[:, None], places[None, :])
    if tagging.scores:
        row, column = np.broadcast_arrays(trial.nodes[:, None], trial.nodes[None, :])
        found += tagging.total() + tagging.added(trial.guest, row, column)
    found[np.isnan(found)] = np.inf
    return found


def guest_of(newcomer: Newcomer) -> Guest:
    """What a new instance takes: it runs, and is balanced."""
    return Guest(
        name=newcomer.name,
        memory=newcomer.memory,
        disk=newcomer.disk,
        vcpus=newcomer.vcpus,
        template=newcomer.template,
        spindle_use=newcomer.spindle_use,
        disks=newcomer.disks or (newcomer.disk,),
        disk_spindles=newcomer.disk_spindles,
        tags=newcomer.tags,
    )
