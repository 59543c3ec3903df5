"""The moves that balance instances: what each takes, and what would come of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ganetix.plan.allocate.outlook import Outlook, nowhere
from ganetix.plan.allocate.tags import Tagging
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Flags, Ints
from ganetix.plan.capacity.requests import Move
from ganetix.plan.capacity.state import ClusterState
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
    """Places that a guest can move to, in the order in which they are tried."""

    kinds: list[BalanceKind]
    primaries: Ints
    secondaries: Ints


def best_step(
    state: ClusterState, number: int, members: Ints, tagging: Tagging
) -> Step | None:
    """The best move of a guest, whatever the score is now; None if it has none.

    :param members: the nodes of its group
    """
    primary, secondary = state.homes[number]
    mark = state.mark()
    state.lift(number)
    outlook = Outlook(state, number, members, tagging)
    online = members[state.hardware.is_online[members]]
    targets = online[(online != primary) & (online != secondary)]
    ways = Ways(outlook, tagging, primary, secondary, targets)
    options = ways.mirrored() if outlook.guest.is_pair else ways.single()
    found = None
    if len(options.kinds):
        found = outlook.best(options.primaries, options.secondaries, last=False)
    state.rollback(mark)
    if found is None:
        return None
    at, score = found
    return Step(
        number,
        options.kinds[at],
        int(options.primaries[at]),
        int(options.secondaries[at]),
        score,
    )


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
        return Options(["migrate"] * len(found), found, nowhere(found))

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
        if can_migrate and self._can_exchange(over, stays):
            return Options(
                ["migrate", *kinds],
                np.concatenate((over, primaries)),
                np.concatenate((stays, secondaries)),
            )
        return Options(kinds, primaries, secondaries)

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
