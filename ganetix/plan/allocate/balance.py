"""Balance a cluster: the moves that improve its score most, one after the other.

Each group is balanced for itself, by the moves that hbal knows; the next move is the
best one of all instances of all groups. Only the group that changed is looked at again.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from ganetix.errors import BadParameter
from ganetix.objects.base import Value
from ganetix.plan.allocate.evacuation import RELOCATABLE
from ganetix.plan.allocate.groups import group_named
from ganetix.plan.allocate.outlook import NEAR, score_of
from ganetix.plan.allocate.steps import (
    BalanceKind,
    Step,
    best_step,
    cost_mib,
    moves_of,
)
from ganetix.plan.allocate.tags import Tagging
from ganetix.plan.capacity.hardware import NONE
from ganetix.plan.capacity.model import CapCluster, CapGroup
from ganetix.plan.capacity.part import of_group
from ganetix.plan.capacity.requests import Move
from ganetix.plan.capacity.state import ClusterState

MIN_GAIN = 1e-2
"""By how much a move must improve a score that is small enough."""

MIN_GAIN_LIMIT = 1e-1
"""The score from which on that counts; above it, any gain will do."""

NO_GAIN = 1e-12
"""Less is rounding."""


class BalanceMove(Value, frozen=True, kw_only=True):
    """One instance's move; scores are its group's, nodes have the primary first.

    ``moves`` is what is to be done, in order; ``cost_mib`` the memory and disk that
    this copies.
    """

    instance: str
    group: str
    kind: BalanceKind
    nodes_before: tuple[str, ...]
    nodes_after: tuple[str, ...]
    score_before: float
    score_after: float
    cost_mib: int
    moves: tuple[Move, ...]

    @property
    def gain(self) -> float:
        """By how much the score gets better."""
        return self.score_before - self.score_after


class GroupBalance(Value, frozen=True, kw_only=True):
    """One group's score before and after all moves."""

    group: str
    score_before: float
    score_after: float


class BalancePlan(Value, frozen=True, kw_only=True):
    """Moves in order; ``job_sets`` are their indices in sets.

    The moves of one set share no node and can run at once; one set after the other.
    Scores are added up over ``groups``.
    """

    moves: tuple[BalanceMove, ...]
    job_sets: tuple[tuple[int, ...], ...]
    groups: tuple[GroupBalance, ...]

    @property
    def score_before(self) -> float:
        """The sum of the groups' scores now."""
        return sum(one.score_before for one in self.groups)

    @property
    def score_after(self) -> float:
        """The sum of the groups' scores after the last move."""
        return sum(one.score_after for one in self.groups)

    @property
    def cost_mib(self) -> int:
        """All memory and disk that is copied."""
        return sum(move.cost_mib for move in self.moves)


def balance(
    cluster: CapCluster,
    *,
    max_moves: int | None = None,
    group: str | None = None,
    min_gain: float = MIN_GAIN,
    min_gain_limit: float = MIN_GAIN_LIMIT,
) -> BalancePlan:
    """How to balance a cluster, or one group of it by name or UUID.

    :param max_moves: the most moves to make; None: as many as help
    :param min_gain: what a move must gain of a score below ``min_gain_limit``
    :raises NoResources: there is no such group
    :raises BadParameter: a limit is negative
    """
    steps = balance_steps(
        cluster,
        max_moves=max_moves,
        group=group,
        min_gain=min_gain,
        min_gain_limit=min_gain_limit,
    )
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            plan: BalancePlan = stop.value
            return plan


def balance_steps(
    cluster: CapCluster,
    *,
    max_moves: int | None = None,
    group: str | None = None,
    min_gain: float = MIN_GAIN,
    min_gain_limit: float = MIN_GAIN_LIMIT,
) -> Generator[None, None, BalancePlan]:
    """``balance`` bit by bit, some milliseconds each."""
    if max_moves is not None and max_moves < 0:
        raise BadParameter(f"max_moves is {max_moves}: give 0 or more")
    if not min_gain >= 0:
        raise BadParameter(f"min_gain is {min_gain}: give 0 or more")
    wanted = [group_named(cluster.groups, group)] if group else cluster.groups
    parts = []
    for one in wanted:
        part = _Part(of_group(cluster, one.uuid), one, min_gain, min_gain_limit)
        yield from part.look()
        parts.append(part)
    moves: list[BalanceMove] = []
    while max_moves is None or len(moves) < max_moves:
        ready = [part for part in parts if part.next_step is not None]
        if not ready:
            break
        part = max(ready, key=lambda one: one.gain)
        moves.append(part.take())
        yield from part.look()
    return BalancePlan(
        moves=tuple(moves),
        job_sets=job_sets(moves),
        groups=tuple(part.summary() for part in parts),
    )


class _Part:
    """One group that is balanced; ``next_step`` is its best move if it helps."""

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
        self._members = np.arange(len(cluster.nodes))
        self._names = [node.name for node in cluster.nodes]
        self._tagging = Tagging(self.state)
        self._movable = [
            number
            for number, guest in enumerate(self.state.guests)
            if guest.auto_balance
            and (guest.is_pair or guest.template in RELOCATABLE)
            and not (guest.is_pair and self.state.homes[number][1] == NONE)
        ]
        self._initial = self._score = self._measure()

    @property
    def gain(self) -> float:
        """By how much the next step improves the score."""
        return 0.0 if self.next_step is None else self._score - self.next_step.score

    def look(self) -> Generator[None, None, None]:
        """Find the best move of all instances; the first one of equals."""
        best: Step | None = None
        for number in self._movable:
            step = best_step(self.state, number, self._members, self._tagging)
            if step is not None and (best is None or _is_better(step, best)):
                best = step
            yield
        self.next_step = best
        needed = NO_GAIN
        if self._score <= self._min_gain_limit:
            needed = max(needed, self._min_gain)
        if self.gain < needed:
            self.next_step = None

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
        return score_of(self.state, self._members, self._tagging)


def _is_better(step: Step, best: Step) -> bool:
    return step.score < best.score - NEAR * 1e-3


def _named(nodes: tuple[int, int], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[node] for node in nodes if node != NONE)


def job_sets(moves: Sequence[BalanceMove]) -> tuple[tuple[int, ...], ...]:
    """Moves by index in sets that can run at once, in order.

    A move that shares a node with one before it is in a later set.
    """
    sets: list[tuple[int, ...]] = []
    busy: set[str] = set()
    for index, move in enumerate(moves):
        nodes = {*move.nodes_before, *move.nodes_after}
        if not sets or nodes & busy:
            sets.append(())
            busy = set()
        sets[-1] = (*sets[-1], index)
        busy |= nodes
    return tuple(sets)
