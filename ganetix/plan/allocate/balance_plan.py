"""What balancing comes to: moves, their gain and cost, and which can run at once."""

from __future__ import annotations

from collections.abc import Sequence

from ganetix.objects.base import Value
from ganetix.plan.allocate.steps import BalanceKind
from ganetix.plan.capacity.requests import Move


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
