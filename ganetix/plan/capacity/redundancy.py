"""Whether the instances of every node could live elsewhere, were it lost: N+1."""

from __future__ import annotations

from collections.abc import Container, Generator
from contextlib import suppress

import numpy as np

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.driven import driven
from ganetix.plan.capacity.going import Departures, Going
from ganetix.plan.capacity.hardware import Flags, Ints
from ganetix.plan.capacity.packing import Packings
from ganetix.plan.capacity.rehome import Rehoming, Tie, Weights, best_refuge
from ganetix.plan.capacity.state import (
    DISK,
    FREE_SPINDLES,
    UNALLOCATED,
    ClusterState,
)
from ganetix.plan.capacity.tags import Tagging

AT_ONCE = 8
"""So many nodes are looked at in one step."""

SUSPECTS = 6
"""So many nodes that failed last are asked first."""


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
        hardware = state.hardware
        self.state = state
        self.nodes = np.array(
            [
                node
                for node, group in enumerate(hardware.group.tolist())
                if group not in ignored
                and (hardware.is_online[node] or not accept_offline)
            ],
            dtype=np.int64,
        )
        self._counts = np.zeros(len(hardware.nodes), dtype=np.bool_)
        self._counts[self.nodes] = True
        self._can_be_lost = np.zeros_like(state.peers, dtype=np.bool_)
        for members in hardware.members:
            places = hardware.place[members]
            self._can_be_lost[np.ix_(members, places)] = self._counts[members]
        self._departures = Departures(state)
        self._packings = Packings(state)
        self._tagging = Tagging(state)
        self._weights = Weights(state)
        self._refuges: dict[int, Candidates] = {}
        self._suspects: list[int] = []

    def holds(self, group: int | None = None) -> bool:
        """Whether every node, or every one of a group, can be evacuated."""
        return driven(self.steps(group))

    def steps(self, group: int | None = None) -> Generator[None, None, bool]:
        """The same bit by bit."""
        if not self.pairs_can_fail_over(group):
            return False
        unsure = []
        for count, node in enumerate(self._nodes_with_others(group)):
            if count % AT_ONCE == 0:
                yield
            told = self._told_by_sums(node)
            if told is None and node in self._suspects:
                yield
                told = self._can_evacuate(node)
            if told is False:
                self._suspect(node)
                return False
            if told is None:
                unsure.append(node)
        for node in unsure:
            yield
            if not self._can_evacuate(node):
                self._suspect(node)
                return False
        return True

    @property
    def is_hopeless(self) -> bool:
        """Whether some node cannot be evacuated, nor if any more is placed."""
        return driven(self.hopeless_steps())

    def hopeless_steps(self) -> Generator[None, None, bool]:
        """The same bit by bit."""
        if not self.pairs_can_fail_over():
            return True
        nodes = self._packings.unknown(self._nodes_with_others())
        for count, node in enumerate(nodes):
            if count % AT_ONCE == 0:
                yield
            if self._is_impossible(node):
                self._suspect(node)
                return True
        return False

    @property
    def is_surely_lost(self) -> bool:
        """The same, but asked only of the node that failed last: it may be true."""
        return bool(self._suspects) and self._is_impossible(self._suspects[0])

    def _suspect(self, node: int) -> None:
        """Ask of a node first the next time."""
        if node in self._suspects:
            self._suspects.remove(node)
        self._suspects = [node, *self._suspects[: SUSPECTS - 1]]

    @property
    def all_are_pairs(self) -> bool:
        """Whether no node has other instances than pairs inside of their groups."""
        return not self._nodes_with_others()

    def _nodes_with_others(self, group: int | None = None) -> list[int]:
        """Nodes with instances that no secondary takes over, the likely one first."""
        state = self.state
        if state.far_pairs:
            found = self.nodes
        else:
            found = self.nodes[state.alone[self.nodes] > 0]
        if group is not None:
            found = found[state.hardware.group[found] == group]
        nodes = [int(node) for node in found]
        first = [node for node in self._suspects if node in nodes]
        return [*first, *(node for node in nodes if node not in first)]

    def pairs_can_fail_over(self, group: int | None = None) -> bool:
        """Whether secondaries have room for the pairs of each node that may be lost."""
        state = self.state
        if not state.pairs.any():
            return True
        hardware, numbers = state.hardware, state.numbers
        links = (state.pair_counts > 0) & self._can_be_lost
        cramped = state.pair_memory >= numbers[UNALLOCATED][:, None]
        cramped |= ~self._disks_hold()[:, None]
        bad = (links & cramped).any(axis=1)
        sources = (state.pairs > 0) & self._counts
        bad |= sources & ~self._disks_hold(offline_may_be_full=True)
        if group is not None:
            bad &= hardware.group == group
        return not bad.any()

    def _disks_hold(self, *, offline_may_be_full: bool = False) -> Flags:
        """Where any disk is left, and no spindle too many in use."""
        hardware, numbers = self.state.hardware, self.state.numbers
        some: Flags = numbers[DISK] > 0
        if offline_may_be_full:
            some = some | ~hardware.is_online
        holds: Flags = some & (~hardware.exclusive | (numbers[FREE_SPINDLES] >= 0))
        return holds

    def _told_by_sums(self, node: int) -> bool | None:
        """Whether a node can be evacuated, if that can be told without scores."""
        if self._needs_moves(node):
            return None
        going = self._departures.of(node)
        if not going.is_allowed:
            return False
        has_room = not going.pairs and self._packings.holds(node)
        return going.demand.is_met(*self._room(node, going), has_room=has_room)

    def _is_impossible(self, node: int) -> bool:
        """Whether a node cannot be evacuated, nor if there is more on any."""
        if self._needs_moves(node):
            return False
        going = self._departures.of(node)
        if not going.is_allowed:
            return True
        if not going.pairs and (
            self._packings.holds(node) or self._packings.find(node, going.asks)
        ):
            return False
        return going.demand.is_impossible(*self._room(node, going))

    def _needs_moves(self, node: int) -> bool:
        """Whether sums do not tell what happens to a node's instances."""
        state = self.state
        return bool(
            state.far_pairs
            or state.hardware.exclusive[node]
            or self._refuges_of(node).some_exclusive
        )

    def _room(self, node: int, going: Going) -> tuple[Ints, Ints]:
        """Free memory and disk of the other nodes, once they took over its pairs."""
        state = self.state
        nodes = self._refuges_of(node).nodes
        free = state.numbers[UNALLOCATED, nodes]
        if going.pairs:
            free = free - state.pair_memory[nodes, state.hardware.place[node]]
        return free, state.numbers[DISK, nodes]

    def holds_exactly(self, node: int) -> bool:
        """Whether a node can be evacuated, told by doing that without any short cut."""
        return self._can_evacuate(node, is_exact=True)

    def _can_evacuate(self, node: int, *, is_exact: bool = False) -> bool:
        """Whether all instances of a node find another one, each the best."""
        state = self.state
        going = self._departures.of(node)
        mark = state.mark()
        try:
            if not all(self._fails_over(number) for number in going.pairs):
                return False
            if not is_exact and not self._tags_count(going):
                with suppress(Tie):
                    return self._rehomes(node, going.movable, going.others)
            return self._evacuates(node, going.movable, going.others)
        finally:
            state.rollback(mark)

    def _tags_count(self, going: Going) -> bool:
        """Whether tags make some nodes better than others for what leaves a node."""
        if not self._tagging.scores:
            return False
        guests = self.state.guests
        return any(guests[n].tags for n in (*going.movable, *going.others))

    def _refuges_of(self, node: int) -> Candidates:
        """The other nodes of a node's group."""
        refuges = self._refuges.get(node)
        if refuges is None:
            hardware = self.state.hardware
            members = hardware.members[int(hardware.group[node])]
            refuges = Candidates(self.state, members[members != node])
            self._refuges[node] = refuges
        return refuges

    def _rehomes(self, node: int, movable: list[int], others: list[int]) -> bool:
        """Whether the guests find nodes, without exact scores."""
        state = self.state
        guests = state.guests
        members = state.hardware.members[int(state.hardware.group[node])]
        rehoming = Rehoming(self._refuges_of(node), self._weights)
        if movable:
            moving = [guests[number] for number in movable]
            if not rehoming.move(moving, node, members):
                return False
        return rehoming.create([guests[number] for number in others])

    def _evacuates(self, node: int, movable: list[int], others: list[int]) -> bool:
        """Whether the guests find nodes, with exact scores; changes the state."""
        state = self.state
        guests, hardware = state.guests, state.hardware
        members = hardware.members[int(hardware.group[node])]
        refuges = self._refuges_of(node)
        tagging = self._tagging if self._tagging.scores else None
        for number in movable:
            state.lift(number)
            refuge = best_refuge(
                refuges,
                guests[number],
                scored=members,
                obeys_policy=False,
                tagging=tagging,
            )
            if refuge is None:
                return False
            state.put(number, refuge)
        for number in others:
            refuge = best_refuge(refuges, guests[number], tagging=tagging)
            if refuge is None:
                return False
            state.add(guests[number], refuge)
        return True

    def _fails_over(self, number: int) -> bool:
        """Exchange a pair's nodes; whether they have room for that."""
        state = self.state
        primary, secondary = state.homes[number]
        state.lift(number)
        state.put(number, secondary, primary)
        return bool(
            state.numbers[UNALLOCATED, secondary] > 0
            and self._disks_hold()[secondary]
            and self._disks_hold(offline_may_be_full=True)[primary]
        )
