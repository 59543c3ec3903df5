"""Balance a cluster: the moves that improve its score most, one after the other.

Each group is balanced for itself, by the moves that hbal knows; the next move is the
best one of all instances of all groups. Only the group that changed is looked at again.
"""

from __future__ import annotations

from collections.abc import Generator

from ganetix.errors import BadParameter
from ganetix.plan.allocate.balance_plan import BalanceMove, BalancePlan, job_sets
from ganetix.plan.allocate.group_balance import GroupBalancer
from ganetix.plan.allocate.groups import group_named
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.part import of_group

MIN_GAIN = 1e-2
"""By how much a move must improve a score that is small enough."""

MIN_GAIN_LIMIT = 1e-1
"""The score from which on that counts; above it, any gain will do."""


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
        part = GroupBalancer(of_group(cluster, one.uuid), one, min_gain, min_gain_limit)
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
