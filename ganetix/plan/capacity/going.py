"""Which instances would have to leave a lost node, in which order."""

from __future__ import annotations

from typing import NamedTuple

from ganetix.plan.capacity.demand import Demand
from ganetix.plan.capacity.guest import Guest, policy_failure
from ganetix.plan.capacity.model import MOVABLE
from ganetix.plan.capacity.state import ClusterState

Ask = tuple[int, int | None]
"""Memory that a guest uses, and its disk; None if it takes none of a node."""


class Going(NamedTuple):
    """A node's primaries by number: pairs, movable ones, others in the order of going.

    ``demand`` is of the movable ones and the others, ``asks`` are these with the
    largest first; ``is_allowed`` is false if one of the others could not be made again.
    """

    pairs: list[int]
    movable: list[int]
    others: list[int]
    demand: Demand
    is_allowed: bool
    asks: list[Ask]


class Departures:
    """What would go from each node of a state, kept until the node changes."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._known: dict[tuple[int, int], Going] = {}
        self._most = 4 * len(state.primaries) + 100
        self._allowed: dict[tuple[int, int], tuple[Guest, bool]] = {}

    def of(self, node: int) -> Going:
        """What would go from a node as it is now."""
        key = (node, self._state.tenancies[node])
        known = self._known.get(key)
        if known is None:
            if len(self._known) > self._most:
                self._known.clear()
            known = self._known[key] = self._going(node)
        return known

    def _going(self, node: int) -> Going:
        state = self._state
        guests = state.guests
        pairs: list[int] = []
        movable: list[int] = []
        others: list[int] = []
        for number in reversed(state.primaries[node]):
            guest = guests[number]
            if guest.is_pair:
                pairs.append(number)
            elif guest.template in MOVABLE:
                movable.append(number)
            else:
                others.append(number)
        others.sort(key=lambda number: -guests[number].memory)
        leaving = [guests[number] for number in (*movable, *others)]
        group = int(state.hardware.group[node])
        return Going(
            pairs,
            movable,
            others,
            Demand(leaving),
            all(self._is_allowed(guests[number], group) for number in others),
            sorted(
                (
                    (guest.used_memory, guest.disk if guest.is_local else None)
                    for guest in leaving
                ),
                key=lambda ask: -ask[0],
            ),
        )

    def _is_allowed(self, guest: Guest, group: int) -> bool:
        """Whether a group's policy lets a guest pass, on nodes without spindles."""
        key = (id(guest), group)
        known = self._allowed.get(key)
        if known is None:
            policy = self._state.hardware.groups[group].policy
            known = self._allowed[key] = guest, policy_failure(guest, policy) is None
        return known[1]
