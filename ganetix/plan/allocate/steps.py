"""The moves that balance instances: what each takes, and what would come of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ganetix.plan.allocate.outlook import Outlook, nowhere
from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Flags, Ints
from ganetix.plan.capacity.requests import Move
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.tags import Tagging
from ganetix.plan.capacity.trial import FITS

BalanceKind = Literal[
    "migrate",
    "replace-secondary",
    "replace-and-migrate",
    "replace-primary",
    "migrate-and-replace",
]
"""How an instance moves: ``migrate`` over to its secondary, or to any node if it has
no disk of its own; with a new secondary; to a new primary that the old one is the
secondary of; to a new primary with the same secondary; to its secondary, with a new
one."""

MIRRORED_KINDS: tuple[BalanceKind, ...] = (
    "migrate",
    "replace-secondary",
    "replace-and-migrate",
    "replace-primary",
    "migrate-and-replace",
)


class Step(NamedTuple):
    """One move in a state: the guest by number, and where it is afterwards."""

    number: int
    kind: BalanceKind
    primary: int
    secondary: int
    score: float


class Options(NamedTuple):
    """Places that a guest can move to, in the order in which they are tried.

    ``columns`` are those of a ``Table``.
    """

    kinds: list[BalanceKind]
    primaries: Ints
    secondaries: Ints
    columns: Ints


class Mover:
    """The moves of one guest in one state; ``options`` are those that are allowed.

    :param places: all nodes of its group, which is all that the state has
    """

    def __init__(
        self, state: ClusterState, number: int, places: Candidates, tagging: Tagging
    ) -> None:
        self.state = state
        self.number = number
        self._places, self._tagging = places, tagging
        primary, secondary = state.homes[number]
        mark = state.mark()
        state.lift(number)
        outlook = self._outlook()
        online = state.hardware.online
        targets = online[(online != primary) & (online != secondary)]
        ways = Ways(outlook, tagging, primary, secondary, targets)
        self.options = ways.mirrored() if outlook.guest.is_pair else ways.single()
        state.rollback(mark)

    def _outlook(self) -> Outlook:
        places = self._places
        return Outlook(self.state, self.number, places.nodes, self._tagging, places)

    def step(self, at: int, score: float) -> Step:
        """One of the options as a step."""
        options = self.options
        return Step(
            self.number,
            options.kinds[at],
            int(options.primaries[at]),
            int(options.secondaries[at]),
            score,
        )

    def best(self) -> Step | None:
        """The best move, whatever the score is now; None if there is none."""
        options = self.options
        if not len(options.kinds):
            return None
        state = self.state
        mark = state.mark()
        state.lift(self.number)
        outlook = self._outlook()
        found = outlook.best(options.primaries, options.secondaries, last=False)
        state.rollback(mark)
        return None if found is None else self.step(*found)

    def at(self, column: int) -> int | None:
        """The option in a column of a ``Table``; None if it is not allowed."""
        found = np.flatnonzero(self.options.columns == column)
        return int(found[0]) if len(found) else None


class Ways:
    """The ways of one lifted guest off its nodes, to targets which are online.

    Limits that can be bent do not hold for a move off a node that is offline.
    """

    def __init__(
        self,
        outlook: Outlook,
        tagging: Tagging,
        primary: int,
        secondary: int,
        targets: Ints,
    ) -> None:
        self._outlook = outlook
        self._tagging = tagging
        self._primary, self._secondary = primary, secondary
        self._targets = targets
        is_online = outlook.state.hardware.is_online
        self._has_primary = bool(is_online[primary])
        self._has_secondary = secondary != NONE and bool(is_online[secondary])

    def single(self) -> Options:
        """To any node."""
        targets = self._targets
        fits = self._fit_as_primaries(targets) & self._reachable(self._primary, targets)
        found = targets[fits]
        return Options(["migrate"] * len(found), found, nowhere(found), found)

    def mirrored(self) -> Options:
        """The moves of an instance with a secondary, target by target."""
        primary, secondary = self._primary, self._secondary
        targets = self._targets
        stays = np.array([primary])
        over = np.array([secondary])
        fits = np.zeros((len(targets), 4), dtype=np.bool_)
        fits[:, 0] = self._outlook.primary_codes(stays, is_strict=False)[0] == FITS
        fits[:, 0] &= self._fit_with(stays, targets, self._has_secondary)[0]
        as_primaries = self._fit_as_primaries(targets)
        fits[:, 1] = as_primaries & self._reachable(primary, targets)
        fits[:, 1] &= self._fit_with(targets, stays, self._has_secondary)[:, 0]
        can_migrate = False
        if self._has_secondary and self._tagging.can_migrate(primary, secondary):
            can_migrate = bool(self._fit_as_primaries(over)[0])
        if can_migrate:
            fits[:, 2] = as_primaries & self._reachable(secondary, targets)
            fits[:, 2] &= self._fit_with(targets, over, self._has_primary)[:, 0]
            fits[:, 3] = self._fit_with(over, targets, self._has_primary)[0]
        rows, columns = np.nonzero(fits)
        chosen = targets[rows]
        way = 1 + columns
        primaries: Ints = np.where(
            way == 1, primary, np.where(way == 4, secondary, chosen)
        )
        secondaries: Ints = np.where(
            way == 2, primary, np.where(way == 3, secondary, chosen)
        )
        kinds = [MIRRORED_KINDS[one] for one in way.tolist()]
        places = 1 + 4 * chosen + columns
        if can_migrate and self._can_exchange(over, stays):
            return Options(
                ["migrate", *kinds],
                np.concatenate((over, primaries)),
                np.concatenate((stays, secondaries)),
                np.concatenate(([0], places)),
            )
        return Options(kinds, primaries, secondaries, places)

    def _can_exchange(self, over: Ints, stays: Ints) -> bool:
        """Whether the primary has room as a secondary; offline it needs none."""
        return not self._has_primary or bool(self._fit_with(over, stays, True)[0, 0])

    def _fit_as_primaries(self, nodes: Ints) -> Flags:
        codes = self._outlook.primary_codes(nodes, is_strict=self._has_primary)
        found: Flags = codes == FITS
        return found

    def _fit_with(self, primaries: Ints, nodes: Ints, is_strict: bool) -> Flags:
        codes = self._outlook.secondary_codes(primaries, nodes, is_strict=is_strict)
        found: Flags = codes == FITS
        return found

    def _reachable(self, source: int, targets: Ints) -> Flags:
        """Where tags let instances migrate to."""
        if not self._tagging.restricts_migration:
            return np.ones(len(targets), dtype=np.bool_)
        return self._tagging.targets(source, targets)


def moves_of(
    step: Step, guest: Guest, home: tuple[int, int], names: list[str]
) -> tuple[Move, ...]:
    """What is to be done for a step, one thing after the other.

    :param home: where the guest was before
    :param names: the nodes' names
    """
    _old_primary, old_secondary = home
    over = Move(kind="migrate", instance=guest.name)

    def replace(node: int) -> Move:
        return Move(kind="replace-secondary", instance=guest.name, node=names[node])

    match step.kind:
        case "migrate" if old_secondary == NONE:
            target = names[step.primary]
            return (Move(kind="migrate", instance=guest.name, node=target),)
        case "migrate":
            return (over,)
        case "replace-secondary":
            return (replace(step.secondary),)
        case "replace-and-migrate":
            return (replace(step.primary), over)
        case "replace-primary":
            return (over, replace(step.primary), over)
        case "migrate-and-replace":
            return (over, replace(step.secondary))


def cost_mib(moves: tuple[Move, ...], guest: Guest) -> int:
    """How much memory and disk is copied: all of it, each time."""
    return sum(
        guest.disk if move.kind == "replace-secondary" else guest.used_memory
        for move in moves
    )
