"""One group that is balanced, move by move.

The scores of all moves of all instances are computed at once; rules are only looked at
for those that may be the best.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np

from ganetix.plan.allocate.balance_plan import BalanceMove, GroupBalance
from ganetix.plan.allocate.evacuation import RELOCATABLE
from ganetix.plan.allocate.outlook import MOST_TIES, NEAR, score_of
from ganetix.plan.allocate.steps import Mover, Step, cost_mib, moves_of
from ganetix.plan.allocate.table import Table
from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.hardware import NONE, Floats
from ganetix.plan.capacity.model import CapCluster, CapGroup
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.tags import Tagging

NO_GAIN = 1e-12
"""Less is rounding."""

BATCH = 64
"""How many of the best moves are put in order at first."""


class GroupBalancer:
    """A group; ``next_step`` is its best move, if there is one that helps.

    :param cluster: nothing but this group
    """

    def __init__(
        self,
        cluster: CapCluster,
        group: CapGroup,
        min_gain: float,
        min_gain_limit: float,
    ) -> None:
        self.state = ClusterState.of(cluster)
        self.next_step: Step | None = None
        self._group = group
        self._min_gain, self._min_gain_limit = min_gain, min_gain_limit
        self._places = Candidates(self.state, np.arange(len(cluster.nodes)))
        self._names = [node.name for node in cluster.nodes]
        self._tagging = Tagging(self.state)
        movable = [
            number
            for number, guest in enumerate(self.state.guests)
            if guest.auto_balance
        ]
        homes, guests = self.state.homes, self.state.guests
        pairs = [
            number
            for number in movable
            if guests[number].is_pair and homes[number][1] != NONE
        ]
        others = [n for n in movable if guests[n].template in RELOCATABLE]
        self._tables = [
            Table(self.state, chosen) for chosen in (pairs, others) if chosen
        ]
        self._initial = self._score = self._measure()

    @property
    def gain(self) -> float:
        """By how much the next step improves the score."""
        return 0.0 if self.next_step is None else self._score - self.next_step.score

    def look(self) -> Generator[None, None, None]:
        """Find the best move of all instances; the first one of equals."""
        needed = NO_GAIN
        if self._score <= self._min_gain_limit:
            needed = max(needed, self._min_gain)
        limit = self._score - needed
        self.next_step = None
        found: list[Step] = []
        for table in self._tables:
            if self._tagging.scores:
                found += yield from self._each(table)
            else:
                found += yield from self._best_of(table, limit)
            yield
        best = self._first_of_best(found)
        if best is not None and best.score <= limit:
            self.next_step = best

    def _first_of_best(self, steps: Sequence[Step]) -> Step | None:
        """The best step; of equals that of the first instance."""
        low = min((step.score for step in steps), default=np.inf)
        limit = low + NEAR * max(1.0, abs(low))
        near = sorted(step for step in steps if step.score <= limit)
        if len(near) > 1:
            near = [self._rescored(step) for step in near[:MOST_TIES]]
        return min(near, key=lambda step: step.score, default=None)

    def _rescored(self, step: Step) -> Step:
        """A step with its score from scratch."""
        state = self.state
        mark = state.mark()
        state.lift(step.number)
        state.put(step.number, step.primary, step.secondary)
        score = self._measure()
        state.rollback(mark)
        return step._replace(score=score)

    def _each(self, table: Table) -> Generator[None, None, list[Step]]:
        """The best moves of all guests of a table, each looked at for itself."""
        found = []
        for number in table.numbers.tolist():
            step = self._mover(number).best()
            if step is not None:
                found.append(step)
            yield
        return found

    def _best_of(self, table: Table, limit: float) -> Generator[None, None, list[Step]]:
        """The best allowed moves of a table, equally good but for the last bits.

        Their scores are from scratch if there are several.
        """
        scores = table.scores()
        movers: dict[int, Mover] = {}
        tied: list[tuple[int, int, float]] = []
        low = limit
        for row, column, score in _ascending(scores, limit):
            if score > low or len(tied) > MOST_TIES:
                break
            if row not in movers:
                yield
                movers[row] = self._mover(int(table.numbers[row]))
            at = movers[row].at(column)
            if at is None:
                continue
            if not tied:
                low = min(limit, score + NEAR * max(1.0, abs(score)))
            tied.append((row, at, score))
        if len(tied) == 1:
            row, at, score = tied[0]
            return [movers[row].step(at, score)]
        return [
            self._rescored(movers[row].step(at, score))
            for row, at, score in sorted(tied)
        ]

    def _mover(self, number: int) -> Mover:
        return Mover(self.state, number, self._places, self._tagging)

    def take(self) -> BalanceMove:
        """Make the next step."""
        step = self.next_step
        if step is None:
            raise ValueError("there is no step to take")
        state, names = self.state, self._names
        guest, home = state.guests[step.number], state.homes[step.number]
        state.lift(step.number)
        state.put(step.number, step.primary, step.secondary)
        state.forget_undo()
        before, self._score = self._score, self._measure()
        moves = moves_of(step, guest, home, names)
        return BalanceMove(
            instance=guest.name,
            group=self._group.name,
            kind=step.kind,
            nodes_before=_named(home, names),
            nodes_after=_named((step.primary, step.secondary), names),
            score_before=before,
            score_after=self._score,
            cost_mib=cost_mib(moves, guest),
            moves=moves,
        )

    def summary(self) -> GroupBalance:
        """The group's scores."""
        return GroupBalance(
            group=self._group.name,
            score_before=self._initial,
            score_after=self._score,
        )

    def _measure(self) -> float:
        return score_of(self.state, self._places.nodes, self._tagging)


def _ascending(scores: Floats, limit: float) -> Iterator[tuple[int, int, float]]:
    """Rows, columns and values from the lowest value on, none above a limit."""
    flat = scores.ravel()
    width = scores.shape[1]
    possible = np.flatnonzero(flat <= limit)
    values = flat[possible]
    count = BATCH
    while len(values):
        top = np.inf
        if count < len(values):
            top = float(np.partition(values, count - 1)[count - 1])
        is_near = values <= top
        near, their_values = possible[is_near], values[is_near]
        for at in np.lexsort((near, their_values)).tolist():
            row, column = divmod(int(near[at]), width)
            yield row, column, float(their_values[at])
        possible, values = possible[~is_near], values[~is_near]
        count *= 4


def _named(nodes: tuple[int, int], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[node] for node in nodes if node != NONE)
