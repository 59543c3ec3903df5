"""Where everything is placed, in arrays with one entry a node; it can be undone.

All numbers of a node that a placement changes are the rows of ``numbers``; those that
the score looks at are the rows of ``columns``, which has online nodes only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import numpy as np

from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Floats, Hardware, Ints, ratio
from ganetix.plan.capacity.model import CapCluster

(
    UNALLOCATED,
    PROMISED,
    DISK,
    VCPUS,
    SPINDLE_USE,
    FREE_SPINDLES,
    PRIMARIES,
    SECONDARIES,
    RESERVE,
    FAILING,
) = range(10)
"""Rows of ``numbers``: free memory; the same if all guests that are down ran; free
disk; vcpus in use; spindle use; free spindles; how many primary and secondary
instances; memory to keep free for the failure of another node; 1 if less is free."""

MEM, MEM_PROMISED, CPU, LOAD, SPACE, DISK_LOAD, SPINDLES, RESERVED = range(8)
"""Rows of ``columns``: what the score looks at. The first four change with primaries
only, the last one with secondaries only."""

REMEMBERED = 1 << 16
"""So many changes are told apart."""


class ClusterState:
    """A cluster's nodes and instances, mutable; both by number.

    ``homes`` are the primary and secondary nodes of ``guests``, ``primaries`` the
    guests of each node in the order of their coming. ``peers[s, place of p]`` is what
    ``s`` keeps free for the primaries of ``p``, of the same group. ``rows`` are
    ``numbers`` as plain lists, one a node; nodes of one of ``kinds`` are equal in all
    of them. A node with the same of ``tenancies`` as before has the same primaries.
    ``missing`` is memory that is neither free nor used by what is known of.
    ``pair_memory[s, place of p]`` and ``pair_counts`` are what the primaries of ``p``
    would take on ``s``; ``pairs`` and ``alone`` count a node's primaries with a
    secondary in its group and without any, ``far_pairs`` those with one in another.
    ``offline_load`` and ``offline_primaries`` count what is on offline nodes.
    """

    def __init__(self, hardware: Hardware) -> None:
        count = len(hardware.nodes)
        self.hardware = hardware
        self.guests: list[Guest] = []
        self.homes: list[tuple[int, int]] = []
        self.primaries: list[list[int]] = [[] for _node in range(count)]
        widest = max((len(members) for members in hardware.members), default=0)
        self.peers: Ints = np.zeros((count, widest), dtype=np.int64)
        self.pair_memory: Ints = np.zeros((count, widest), dtype=np.int64)
        self.pair_counts: Ints = np.zeros((count, widest), dtype=np.int64)
        self.tenancies = list(range(count))
        self._last_tenancy = count
        self.alone: Ints = np.zeros(count, dtype=np.int64)
        self.pairs: Ints = np.zeros(count, dtype=np.int64)
        self.far_pairs = 0
        self.numbers: Ints = np.zeros((10, count), dtype=np.int64)
        self.rows: list[list[int]] = [[0] * 10 for _node in range(count)]
        self.columns: Floats = np.zeros((8, len(hardware.online)), dtype=np.float64)
        self.missing: Ints = np.zeros(count, dtype=np.int64)
        self._log: list[int] = []
        self._forgotten = 0
        self.kinds: Ints = np.zeros(count, dtype=np.int64)
        self.failing_sum = 0
        self.offline_load = 0
        self.offline_primaries = 0
        self._offline_loads: dict[int, tuple[int, int]] = {}
        self.failing_loads: Ints = np.zeros(count, dtype=np.int64)
        self._far_peers: dict[tuple[int, int], int] = {}
        self._kind_numbers: dict[tuple[object, ...], int] = {}
        self._undo: list[Callable[[], None]] = []

    @classmethod
    def of(
        cls,
        cluster: CapCluster,
        *,
        min_disk: float = 0.0,
        cpu_ratio: float | None = None,
    ) -> ClusterState:
        """The state that a description tells.

        :param min_disk: how much of each disk is to stay free, a ratio
        :param cpu_ratio: vcpus for each CPU, in place of what the groups' policies say
        :raises BadParameter: something refers to a node or group that is not there
        """
        state = cls(Hardware(cluster, min_disk, cpu_ratio))
        for row, facts in zip(state.rows, cluster.nodes, strict=True):
            row[DISK] = facts.free_disk
            row[VCPUS] = facts.node_cpus
            row[FREE_SPINDLES] = facts.free_spindles
        for instance in cluster.instances:
            guest = Guest.of(instance)
            state.guests.append(guest)
            primary = state.hardware.number(instance.primary, instance.name)
            secondary = (
                state.hardware.number(instance.secondary, instance.name)
                if instance.secondary
                else NONE
            )
            state.homes.append((primary, secondary))
            state._account(guest, primary, secondary, 1, loading=True)
            state.primaries[primary].append(len(state.guests) - 1)
        for node, facts in enumerate(cluster.nodes):
            row = state.rows[node]
            used = -row[UNALLOCATED]
            free = facts.total_memory - facts.node_memory - used
            state.missing[node] = free - facts.free_memory
            row[UNALLOCATED] = min(free, facts.free_memory)
            # So far the row has what all guests took: running ones have theirs already.
            row[PROMISED] += facts.free_memory + used
            row[FAILING] = int(facts.free_memory < row[RESERVE])
            state._renew(node)
        return state

    def add(self, guest: Guest, primary: int, secondary: int = NONE) -> int:
        """Place a new guest without asking whether it fits; answers its number."""
        number = len(self.guests)
        self.guests.append(guest)
        self.homes.append((NONE, NONE))
        self._undo.append(self._forget_last)
        self.put(number, primary, secondary)
        return number

    def put(self, number: int, primary: int, secondary: int = NONE) -> None:
        """Place a guest that is nowhere, without asking whether it fits."""
        self._keep(primary, secondary)
        guest = self.guests[number]
        self._account(guest, primary, secondary, 1)
        self.primaries[primary].append(number)
        undo = partial(
            self._come_back, number, self.homes[number], self.tenancies[primary]
        )
        self._undo.append(undo)
        self._change_tenancy(primary)
        self.homes[number] = (primary, secondary)
        self._renew_pair(primary, secondary)

    def lift(self, number: int) -> tuple[int, int]:
        """Take a guest off its nodes; answers which these were."""
        primary, secondary = home = self.homes[number]
        self._keep(primary, secondary)
        self._account(self.guests[number], primary, secondary, -1)
        listed = self.primaries[primary]
        tenancy = self.tenancies[primary]
        self._undo.append(partial(self._go_back, number, home, list(listed), tenancy))
        self._change_tenancy(primary)
        listed.remove(number)
        self.homes[number] = (NONE, NONE)
        self._renew_pair(primary, secondary)
        return home

    def mark(self) -> int:
        """A point to come back to with ``rollback``."""
        return len(self._undo)

    def rollback(self, mark: int) -> None:
        """Undo all that was done since a mark; every bit is as it was."""
        undo = self._undo
        while len(undo) > mark:
            undo.pop()()

    @property
    def kind_count(self) -> int:
        """More than the number of any kind."""
        return len(self._kind_numbers)

    @property
    def clock(self) -> int:
        """A point in time; ``changed_since`` tells what happened since."""
        return self._forgotten + len(self._log)

    def changed_since(self, clock: int) -> Collection[int]:
        """The nodes whose numbers may have changed since then."""
        if clock < self._forgotten:
            return range(len(self.rows))
        return set(self._log[clock - self._forgotten :])

    def forget_undo(self) -> None:
        """Keep what was done; earlier marks are void."""
        self._undo.clear()

    def _keep(self, primary: int, secondary: int) -> None:
        """Note what is about to change."""
        for node in (primary, secondary):
            if node != NONE:
                row = self.rows[node].copy()
                self._undo.append(partial(self._restore, node, row))

    def _restore(self, node: int, row: list[int]) -> None:
        self.rows[node] = row
        self._renew(node)

    def _forget_last(self) -> None:
        self.guests.pop()
        self.homes.pop()

    def _change_tenancy(self, node: int) -> None:
        self._last_tenancy += 1
        self.tenancies[node] = self._last_tenancy

    def _come_back(self, number: int, home: tuple[int, int], tenancy: int) -> None:
        """Undo ``put`` except for the numbers."""
        primary, secondary = self.homes[number]
        self.primaries[primary].pop()
        self.tenancies[primary] = tenancy
        self._owe(self.guests[number], primary, secondary, -1)
        self.homes[number] = home

    def _go_back(
        self, number: int, home: tuple[int, int], listed: list[int], tenancy: int
    ) -> None:
        """Undo ``lift`` except for the numbers."""
        self.tenancies[home[0]] = tenancy
        self._owe(self.guests[number], *home, 1)
        self.primaries[home[0]] = listed
        self.homes[number] = home

    def _owe(self, guest: Guest, primary: int, secondary: int, sign: int) -> int:
        """Change what a secondary node keeps free for a primary; answers how much."""
        if secondary == NONE:
            self.alone[primary] += sign
            return 0
        amount = sign * guest.reserved_memory
        hardware = self.hardware
        if hardware.group_of[primary] == hardware.group_of[secondary]:
            at = secondary, hardware.place_of[primary]
            self.pair_memory[at] += sign * guest.used_memory
            self.pair_counts[at] += sign
            self.pairs[primary] += sign
            owed = int(self.peers[at]) + amount
            self.peers[at] = owed
            return owed
        self.far_pairs += sign
        key = (secondary, primary)
        self._far_peers[key] = self._far_peers.get(key, 0) + amount
        return self._far_peers[key]

    def _account(
        self,
        guest: Guest,
        primary: int,
        secondary: int,
        sign: int,
        *,
        loading: bool = False,
    ) -> None:
        """Add a guest to its nodes' numbers, or take it off them."""
        row = self.rows[primary]
        row[UNALLOCATED] -= sign * guest.used_memory
        row[PROMISED] -= sign * guest.memory
        row[VCPUS] += sign * guest.used_vcpus
        row[PRIMARIES] += sign
        self._take_disk(guest, primary, sign, loading)
        owed = self._owe(guest, primary, secondary, sign)
        if secondary != NONE:
            theirs = self.rows[secondary]
            theirs[SECONDARIES] += sign
            if sign > 0:
                theirs[RESERVE] = max(theirs[RESERVE], owed)
            else:
                theirs[RESERVE] = self._reserve(secondary)
            self._take_disk(guest, secondary, sign, loading)
            theirs[FAILING] = int(theirs[UNALLOCATED] <= theirs[RESERVE])
        row[FAILING] = int(row[UNALLOCATED] <= row[RESERVE])

    def _take_disk(self, guest: Guest, node: int, sign: int, loading: bool) -> None:
        """Disk space and spindles; the free ones know of what is there at loading."""
        row = self.rows[node]
        exclusive = self.hardware.limits[node].exclusive
        if guest.is_local:
            if not exclusive:
                row[SPINDLE_USE] += sign * guest.spindle_use
            if not loading:
                row[DISK] -= sign * guest.disk
        if exclusive and not loading:
            row[FREE_SPINDLES] = guest.free_spindles(row[FREE_SPINDLES], sign)

    def _reserve(self, node: int) -> int:
        """Memory for the failure of the one node that would send most."""
        near = int(self.peers[node].max(initial=0))
        if not self._far_peers:
            return near
        far = (mib for (at, _from), mib in self._far_peers.items() if at == node)
        return max(near, *far, 0)

    def _renew_pair(self, primary: int, secondary: int) -> None:
        self._renew(primary)
        if secondary != NONE:
            self._renew(secondary)

    def _renew(self, node: int) -> None:
        """Compute what follows from a node's numbers."""
        self._log.append(node)
        if len(self._log) > REMEMBERED:
            self._forgotten += len(self._log)
            self._log.clear()
        row = self.rows[node]
        self.numbers[:, node] = row
        hardware = self.hardware
        key = (hardware.kinds[node], *row)
        self.kinds[node] = self._kind_numbers.setdefault(key, len(self._kind_numbers))
        position = hardware.position_of[node]
        load = row[PRIMARIES] + row[SECONDARIES]
        if position == NONE:
            before = self._offline_loads.get(node, (0, 0))
            self.offline_load += load - before[0]
            self.offline_primaries += row[PRIMARIES] - before[1]
            self._offline_loads[node] = load, row[PRIMARIES]
            return
        failing = load if row[FAILING] else 0
        was = int(self.failing_loads[node])
        if failing != was:
            self.failing_sum += failing - was
            self.failing_loads[node] = failing
        facts = hardware.limits[node]
        if facts.exclusive:
            space = ratio(row[FREE_SPINDLES], facts.spindles)
        elif facts.disk:
            space = row[DISK] / facts.disk
        else:
            space = 1.0
        self.columns[:, position] = (
            ratio(row[UNALLOCATED], facts.memory),
            ratio(row[PROMISED], facts.memory),
            ratio(ratio(row[VCPUS], facts.cpus), facts.speed),
            row[PRIMARIES],
            space,
            load,
            ratio(row[SPINDLE_USE], facts.max_spindle_use),
            ratio(row[RESERVE], facts.memory),
        )
