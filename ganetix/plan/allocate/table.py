"""Scores of all moves of all instances of a group at once, whether allowed or not.

Only few of them need to be looked at closer: those with the best scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ganetix.plan.capacity.hardware import Flags, Floats, Ints
from ganetix.plan.capacity.score import Spread, weigh
from ganetix.plan.capacity.state import (
    FAILING,
    PRIMARIES,
    RESERVE,
    RESERVED,
    SECONDARIES,
    SPACE,
    UNALLOCATED,
    ClusterState,
)

CHUNK = 1 << 16
"""How many moves of one kind are scored at once."""


class Table:
    """Moves of guests in the state of one group, which is all that the state has.

    The guests of one table are all pairs or all single.
    """

    def __init__(self, state: ClusterState, numbers: Sequence[int]) -> None:
        self.state = state
        self.numbers = np.array(numbers, dtype=np.int64)
        guests = [state.guests[number] for number in numbers]
        self.are_pairs = bool(guests) and guests[0].is_pair
        self.used = np.array([guest.used_memory for guest in guests], dtype=np.int64)
        self.reserved = np.array(
            [guest.reserved_memory for guest in guests], dtype=np.int64
        )
        local = [guest if guest.is_local else None for guest in guests]
        amounts = [
            [-guest.used_memory for guest in guests],
            [-guest.memory for guest in guests],
            [guest.used_vcpus for guest in guests],
            [1] * len(guests),
            [0 if guest is None else -guest.disk for guest in local],
            [1] * len(guests),
            [0 if guest is None else guest.spindle_use for guest in local],
            [0] * len(guests),
        ]
        self.amounts: Floats = np.array(amounts, dtype=np.float64)
        spindles = [0 if one is None else -(one.disk_spindles or 0) for one in local]
        self.spindles: Floats = np.array(spindles, dtype=np.float64)
        hardware = state.hardware
        is_online = hardware.is_online
        with np.errstate(divide="ignore", invalid="ignore"):
            ones = np.ones(len(hardware.nodes))
            shares: Floats = np.array(
                [
                    1.0 / hardware.memory,
                    1.0 / hardware.memory,
                    1.0 / hardware.cpus / hardware.speed,
                    ones,
                    np.where(hardware.disk > 0, 1.0 / hardware.disk, 0.0),
                    ones,
                    1.0 / hardware.max_spindle_use,
                    1.0 / hardware.memory,
                ]
            )
        shares[6, hardware.exclusive] = 0.0
        shares[:, ~is_online] = 0.0
        shares[~np.isfinite(shares)] = 0.0
        self.shares = shares
        with np.errstate(divide="ignore"):
            of_spindles = np.where(hardware.exclusive, 1.0 / hardware.spindles, 0.0)
        self.exclusive: Flags = hardware.exclusive
        self.of_spindles: Floats = np.where(is_online, of_spindles, 0.0)

    def scores(self) -> Floats:
        """Scores of all moves, one row each guest.

        Of pairs the first column is the exchange of both nodes; then there are for each
        node the other kinds of moves. Of others there is one column for each node.
        Where a move makes no sense the score is infinite.
        """
        width = len(self.state.hardware.nodes)
        rows = max(1, CHUNK // max(1, width))
        with np.errstate(invalid="ignore"):
            look = _Look(self)
            found = [
                look.scores(np.arange(start, min(start + rows, len(self.numbers))))
                for start in range(0, len(self.numbers), rows)
            ]
        scores: Floats = np.concatenate(found)
        scores[np.isnan(scores)] = np.inf
        return scores


class _Look:
    """The state of the moment."""

    def __init__(self, table: Table) -> None:
        state = table.state
        self._table = table
        self._peers = state.peers
        self._free = state.numbers[UNALLOCATED]
        self._kept = state.numbers[RESERVE]
        self._load = state.numbers[PRIMARIES] + state.numbers[SECONDARIES]
        self._failing = state.failing_loads
        self._is_failing = state.numbers[FAILING] > 0
        self._is_online = state.hardware.is_online
        self._spread = Spread(state, np.arange(len(state.hardware.nodes)))
        self._count = float(max(1, self._spread.count))
        off: Floats = np.zeros((8, len(state.hardware.nodes)))
        online = state.hardware.online
        off[:, online] = state.columns - (self._spread.sums / self._count)[:, None]
        self._off = off
        homes = [state.homes[number] for number in table.numbers.tolist()]
        self._homes: Ints = np.array(homes, dtype=np.int64).reshape(-1, 2)
        if state.peers.shape[1] > 1:
            largest = np.partition(state.peers, -2, axis=1)[:, -2:]
            self._most, self._second = largest[:, 1], largest[:, 0]
        else:
            self._most = self._second = np.zeros(len(self._free), dtype=np.int64)

    def scores(self, at: Ints) -> Floats:
        """The rows of some guests."""
        table = self._table
        self._used = table.used[at][:, None]
        self._reserved = table.reserved[at][:, None]
        self._amounts = table.amounts[:, at][:, :, None]
        self._spindles = table.spindles[at][:, None]
        primary = self._homes[at, 0][:, None]
        secondary = self._homes[at, 1][:, None]
        nodes = np.arange(len(self._free))[None, :]
        senseless = (nodes == primary) | (nodes == secondary) | ~self._is_online
        self._are_up = self._is_online[primary] & self._is_online[secondary]
        kept, peers = self._kept, self._peers
        lost = Change(primary, -1, -1, kept[primary])
        won = Change(nodes, 1, 1, kept[nodes])
        if not table.are_pairs:
            found = self._score(lost, won)
            found[senseless] = np.inf
            return found

        def beside(node: Ints, other: Ints, reserve: Ints) -> Ints:
            """What a node keeps free with the guest's primary on the other."""
            found: Ints = np.maximum(reserve, peers[node, other] + self._reserved)
            return found

        rest = self._kept_without(primary, secondary)
        gone = Change(secondary, 0, -1, rest)
        taken_over = Change(secondary, 1, 0, rest)
        still = Change(secondary, 0, 0, beside(secondary, nodes, rest))
        becomes = Change(primary, -1, 0, beside(primary, nodes, kept[primary]))
        joined = Change(nodes, 0, 1, beside(nodes, primary, kept[nodes]))
        followed = Change(nodes, 0, 1, beside(nodes, secondary, kept[nodes]))
        moves = np.stack(
            [
                np.where(self._is_refused(joined), np.inf, self._score(gone, joined)),
                self._score(becomes, gone, won),
                self._score(lost, still, won),
                np.where(
                    self._is_refused(followed),
                    np.inf,
                    self._score(lost, taken_over, followed),
                ),
            ],
            axis=2,
        )
        moves[senseless] = np.inf
        moves[:, :, 1:3][self._is_refused(won)] = np.inf
        is_gone = ~self._is_online[secondary[:, 0]]
        moves[is_gone, :, 2:] = np.inf
        exchanged = self._score(
            Change(primary, -1, 0, beside(primary, secondary, kept[primary])),
            taken_over,
        )
        exchanged[is_gone] = np.inf
        return np.concatenate((exchanged, moves.reshape(len(at), -1)), axis=1)

    def _is_refused(self, change: Change) -> Flags:
        """Where a node would have less free than it keeps: the most frequent refusal.

        That is no matter where a node is left that is offline.
        """
        left = self._free[change.node] - change.primaries * self._used
        was_failing = self._is_failing[change.node]
        found: Flags = (left <= change.reserve) & ~was_failing & self._are_up
        return found

    def _kept_without(self, primary: Ints, secondary: Ints) -> Ints:
        """What the secondaries keep free without the guests."""
        owed = self._peers[secondary, primary]
        others = np.where(
            owed == self._most[secondary],
            self._second[secondary],
            self._most[secondary],
        )
        found: Ints = np.maximum(others, owed - self._reserved)
        return found

    def _score(self, *changes: Change) -> Floats:
        """The score after some nodes change, with the guests in rows."""
        squares: Floats | float = 0.0
        total: Floats | float = 0.0
        failing: Floats | float = 0.0
        offline: Floats | float = 0.0
        gone: Floats | float = 0.0
        for change in changes:
            node = change.node
            step = self._columns(change)
            squares = squares + step * (2.0 * self._off[:, node] + step)
            total = total + step
            is_online = self._is_online[node]
            fails = self._free[node] - change.primaries * self._used <= change.reserve
            load = np.where(fails, self._load[node] + change.load, 0)
            failing = failing + np.where(is_online, load - self._failing[node], 0)
            offline = offline + np.where(is_online, 0, change.load)
            gone = gone + np.where(is_online, 0, change.primaries)
        spread, count = self._spread, self._count
        variances = spread.variances[:, None, None] + squares / count
        variances = variances - (total / count) ** 2
        return weigh(
            np.sqrt(np.maximum(0.0, variances)),
            reserved_sum=spread.reserved_sum + np.asarray(total)[RESERVED],
            failing_sum=spread.failing_sum + failing,
            offline=(spread.offline_load + offline, spread.offline_primaries + gone),
        )

    def _columns(self, change: Change) -> Floats:
        """By how much a node's columns change."""
        node = change.node
        shares = self._table.shares[:, node]
        step: Floats = self._amounts * shares
        step[:SPACE] *= change.primaries
        own = self._spindles * self._table.of_spindles[node]
        exclusive = self._table.exclusive[node]
        if exclusive.any():
            step[SPACE] = np.where(exclusive, own, step[SPACE])
        step[SPACE:RESERVED] *= change.load
        reserved = (change.reserve - self._kept[node]) * shares[RESERVED]
        shape = np.broadcast_shapes(reserved.shape, step.shape[1:])
        if shape != step.shape[1:]:
            step = np.broadcast_to(step, (8, *shape)).copy()
        step[RESERVED] = reserved
        return step


class Change(NamedTuple):
    """A node with so many more primaries and instances, and what it then keeps."""

    node: Ints
    primaries: int
    load: int
    reserve: Ints
