"""The ways of one instance off its nodes, and which steps they take."""

from __future__ import annotations

import numpy as np

from ganetix.errors import NoResources
from ganetix.plan.allocate.outlook import Outlook, nowhere
from ganetix.plan.capacity.hardware import NONE, Ints
from ganetix.plan.capacity.model import FAILURE_MODES
from ganetix.plan.capacity.pairs import Choice
from ganetix.plan.capacity.requests import Move, MoveKind
from ganetix.plan.capacity.tags import Tagging
from ganetix.plan.capacity.trial import FITS, MODE, Codes

Path = tuple[Move, ...]
Home = tuple[int, int]
"""A primary and a secondary node by number."""

NO_PAIR = "Can't find any good nodes for relocation"


class Leaving:
    """An instance that is lifted off the nodes that it had.

    Each way answers the best new nodes of ``targets`` with the steps to get there, or
    raises ``NoResources`` with the reason. Limits that can be bent do not hold for one
    whose node is offline.
    """

    def __init__(
        self,
        outlook: Outlook,
        tagging: Tagging,
        primary: int,
        secondary: int,
        targets: Ints,
    ) -> None:
        self.outlook = outlook
        self.primary, self.secondary = primary, secondary
        self.targets = targets
        hardware = outlook.state.hardware
        self._nodes = hardware.nodes
        self._is_online = hardware.is_online
        self._tagging = tagging

    def anywhere(self) -> tuple[Home, Path]:
        """To the best node, which takes over what is on no node's disk."""
        outlook, targets = self.outlook, self.targets
        codes = outlook.primary_codes(targets, is_strict=self._is_up(self.primary))
        codes = self._migrating(codes, self.primary, targets)
        fitting = targets[codes == FITS]
        choice = outlook.choice(fitting, nowhere(fitting))
        if choice is None:
            raise NoResources(self._no_good(targets, codes))
        return choice[:2], (self._step(self._over(), choice.primary),)

    def failed_over(self) -> tuple[Home, Path]:
        """The secondary becomes the primary."""
        reason = self._exchange_failure(self.primary, self.secondary)
        if reason is not None:
            raise NoResources(f"Fail{reason}")
        return (self.secondary, self.primary), (self._step(self._over()),)

    def with_new_secondary(self) -> tuple[Home, Path]:
        """The same primary with the best new secondary."""
        codes = self._new_secondary_codes(self.primary, self.secondary)
        fitting = self.targets[codes == FITS]
        choice = self.outlook.choice(np.full(len(fitting), self.primary), fitting)
        if choice is None:
            raise NoResources(self._no_good(self.targets, codes))
        return choice[:2], (self._step("replace-secondary", choice.secondary),)

    def with_new_nodes(self) -> tuple[Home, Path]:
        """The best pair of new nodes, by way of the future primary as secondary."""
        primary, secondary = self.primary, self.secondary
        path: list[Move] = []
        if not self._is_up(primary):
            reason = self._exchange_failure(primary, secondary)
            if reason is not None:
                raise NoResources(
                    f"{NO_PAIR}: Allocation failed: Failing over to the secondary:"
                    f" Fail{reason}"
                )
            path.append(self._step("failover"))
            primary, secondary = secondary, primary
        choice = self._new_pair(primary, secondary)
        path += [
            self._step("replace-secondary", choice.primary),
            self._step("migrate"),
            self._step("replace-secondary", choice.secondary),
        ]
        return choice[:2], tuple(path)

    def _new_pair(self, primary: int, secondary: int) -> Choice:
        """The best pair of targets that can be reached from two nodes."""
        outlook, targets = self.outlook, self.targets
        if len(targets) < 2:
            raise NoResources(f"{NO_PAIR}: no nodes available")
        is_strict = self._is_up(primary)
        first = self._new_secondary_codes(primary, secondary)
        second = outlook.primary_codes(targets, is_strict=is_strict)
        second = self._migrating(second, primary, targets)
        ours = np.array([primary])
        back = outlook.secondary_codes(targets, ours, is_strict=is_strict)[:, 0]
        second = np.where(second == FITS, back, second)
        last = outlook.secondary_codes(targets, targets, is_strict=is_strict)
        pairs = (last == FITS) & ((first == FITS) & (second == FITS))[:, None]
        np.fill_diagonal(pairs, False)
        rows, columns = np.nonzero(pairs)
        choice = outlook.choice(targets[rows], targets[columns])
        if choice is not None:
            return choice
        reason = _last_failure(
            ("Changing secondary to new primary", first[-1:]),
            ("Failing over to new primary", second[-1:]),
            ("Changing secondary to final secondary", last[-1, :-1]),
        )
        raise NoResources(f"{NO_PAIR}: {reason}")

    def _new_secondary_codes(self, primary: int, secondary: int) -> Codes:
        """What fails of the targets as secondaries in place of one, with a primary.

        The primary has to have room for what it has: one that is offline has none.
        """
        ours = np.array([primary])
        codes = self.outlook.secondary_codes(
            ours, self.targets, is_strict=self._is_up(secondary)
        )[0]
        stays = self.outlook.primary_codes(ours, is_strict=False)
        return np.where(codes == FITS, stays, codes)

    def _exchange_failure(self, primary: int, secondary: int) -> str | None:
        """What fails if both nodes change roles; the mode."""
        if not self._tagging.can_migrate(primary, secondary):
            return "Mig"
        is_up = self._is_up(primary)
        theirs = np.array([secondary])
        ours = np.array([primary])
        code = int(self.outlook.primary_codes(theirs, is_strict=is_up)[0])
        if code == FITS and is_up:
            code = int(self.outlook.secondary_codes(theirs, ours)[0, 0])
        return None if code == FITS else FAILURE_MODES[code]

    def _migrating(self, codes: Codes, source: int, targets: Ints) -> Codes:
        """Codes with those of migrations that tags forbid."""
        if not self._tagging.restricts_migration:
            return codes
        allowed = self._tagging.targets(source, targets)
        return np.where(allowed, codes, np.int8(MODE["Mig"]))

    def _no_good(self, targets: Ints, codes: Codes) -> str:
        """Why none of the targets will do, in hail's words."""
        reasons = "".join(
            f" Node {self._nodes[node].name} failed: Fail{FAILURE_MODES[code]};"
            for node, code in zip(targets.tolist(), codes.tolist(), strict=True)
        )
        return f"Can't find any good node: {reasons}"

    def _over(self) -> MoveKind:
        return "migrate" if self._is_up(self.primary) else "failover"

    def _is_up(self, node: int) -> bool:
        return bool(self._is_online[node])

    def _step(self, kind: MoveKind, node: int = NONE) -> Move:
        name = "" if node == NONE else self._nodes[node].name
        return Move(kind=kind, instance=self.outlook.guest.name, node=name)


def _last_failure(*stages: tuple[str, Codes]) -> str:
    """The first stage that fails, with what its last target says."""
    for stage, codes in stages:
        for code in codes.tolist()[::-1]:
            if code != FITS:
                return f"Allocation failed: {stage}: Fail{FAILURE_MODES[code]}"
    return "no nodes available"
