"""Whether the instances of every node could live elsewhere, were it lost: N+1."""

from __future__ import annotations

from collections.abc import Container, Generator

from ganetix.plan.capacity.model import MOVABLE
from ganetix.plan.capacity.rehome import best_refuge
from ganetix.plan.capacity.state import (
    DISK,
    FREE_SPINDLES,
    UNALLOCATED,
    ClusterState,
)


class Redundancy:
    """The question asked of one state again and again as it changes.

    :param ignored: groups whose nodes need not be evacuable
    :param accept_offline: nodes that are offline need not be evacuable either
    """

    def __init__(
        self,
        state: ClusterState,
        *,
        ignored: Container[int] = (),
        accept_offline: bool = False,
    ) -> None:
        self.state = state
        self.ignored = ignored
        self.accept_offline = accept_offline

    def holds(self, group: int | None = None) -> bool:
        """Whether every node, or every one of a group, can be evacuated."""
        steps = self.steps(group)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return bool(stop.value)

    def steps(self, group: int | None = None) -> Generator[None, None, bool]:
        """The same bit by bit."""
        hardware = self.state.hardware
        for node, of in enumerate(hardware.group.tolist()):
            if group is None and of in self.ignored:
                continue
            if group is not None and of != group:
                continue
            if self.accept_offline and not hardware.is_online[node]:
                continue
            if not self._can_evacuate(node):
                return False
            yield
        return True

    def _can_evacuate(self, node: int) -> bool:
        state = self.state
        mark = state.mark()
        try:
            return self._evacuates(node)
        finally:
            state.rollback(mark)

    def _evacuates(self, node: int) -> bool:
        state = self.state
        hardware = state.hardware
        guests = state.guests
        own = list(reversed(state.primaries[node]))
        pairs = [number for number in own if guests[number].is_pair]
        movable = [number for number in own if guests[number].template in MOVABLE]
        others = [
            number
            for number in own
            if not guests[number].is_pair and guests[number].template not in MOVABLE
        ]
        for number in pairs:
            if not self._fails_over(number):
                return False
        members = hardware.members[hardware.group[node]]
        nodes = members[members != node]
        for number in movable:
            state.lift(number)
            refuge = best_refuge(
                state, guests[number], nodes, scored=members, obeys_policy=False
            )
            if refuge is None:
                return False
            state.put(number, refuge)
        for number in sorted(others, key=lambda number: -guests[number].memory):
            refuge = best_refuge(state, guests[number], nodes)
            if refuge is None:
                return False
            state.add(guests[number], refuge)
        return True

    def _fails_over(self, number: int) -> bool:
        state = self.state
        primary, secondary = state.homes[number]
        state.lift(number)
        state.put(number, secondary, primary)
        numbers = state.numbers
        hardware = state.hardware
        if numbers[UNALLOCATED, secondary] <= 0 or numbers[DISK, secondary] <= 0:
            return False
        if hardware.is_online[primary] and numbers[DISK, primary] <= 0:
            return False
        return all(
            not hardware.exclusive[node] or numbers[FREE_SPINDLES, node] >= 0
            for node in (primary, secondary)
        )
