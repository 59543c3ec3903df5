"""One guest tried on many nodes at once: why it fails there, or what it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ganetix.plan.capacity.guest import Guest, policy_failure
from ganetix.plan.capacity.hardware import Flags, Floats, Ints
from ganetix.plan.capacity.model import FAILURE_MODES, FailureMode
from ganetix.plan.capacity.state import (
    DISK,
    FAILING,
    FREE_SPINDLES,
    PRIMARIES,
    PROMISED,
    RESERVE,
    SECONDARIES,
    SPINDLE_USE,
    UNALLOCATED,
    VCPUS,
    ClusterState,
)

Codes = npt.NDArray[np.int8]
MODE = {mode: code for code, mode in enumerate(FAILURE_MODES)}
FITS = len(FAILURE_MODES)
"""The code of a node where nothing fails; other codes are places in FAILURE_MODES."""

_MEM, _DISK, _CPU = MODE["Mem"], MODE["Disk"], MODE["CPU"]
_TAGS, _SPINDLES = MODE["Tags"], MODE["Spindles"]


class Trial:
    """A guest on each of some nodes as primary, and as secondary if it is a pair.

    Arrays have one entry a node of ``nodes``. ``primary_codes`` and ``secondary_codes``
    say what fails first; for secondaries as if the primary had no other guest with the
    same secondary. ``after_primary`` and ``after_secondary`` are the nodes' columns
    with the guest. Call ``refresh`` after the state changed.

    :param is_strict: whether limits that can be bent count (reserves, CPUs, disk usage)
    """

    def __init__(
        self,
        state: ClusterState,
        guest: Guest,
        nodes: Ints,
        *,
        is_strict: bool = True,
        obeys_policy: bool = True,
    ) -> None:
        hardware = state.hardware
        self.state = state
        self.guest = guest
        self.nodes = nodes
        self.is_strict = is_strict
        self.primary_codes: Codes = np.full(len(nodes), FITS, dtype=np.int8)
        self.secondary_codes = self.primary_codes.copy()
        self.after_primary: Floats = np.zeros((7, len(nodes)))
        self.after_secondary: Floats = np.zeros((8, len(nodes)))
        self.group = hardware.group[nodes]
        self._policy: Codes = self.primary_codes.copy()
        if obeys_policy:
            self._policy = _policy_codes(state, guest)[
                self.group, hardware.exclusive[nodes].astype(np.int64)
            ]
        self._exclusive = hardware.exclusive[nodes]
        self._any_exclusive = bool(self._exclusive.any())
        self._memory = hardware.memory[nodes]
        self._disk = hardware.disk[nodes]
        self._has_no_disk = self._disk == 0
        self._cpus = hardware.cpus[nodes]
        self._speed = hardware.speed[nodes]
        self._spindles = hardware.spindles[nodes]
        self._kept = hardware.kept_disk[nodes]
        self._max_use = hardware.max_spindle_use[nodes]
        self._vcpu_ratio = hardware.vcpu_ratio[nodes]
        self._seen = state.clock
        with np.errstate(divide="ignore", invalid="ignore"):
            self._compute(np.arange(len(nodes)))

    def refresh(self) -> None:
        """Compute anew what changed in the state since the last time."""
        if self._seen == self.state.clock:
            return
        changed = np.flatnonzero(self.state.stamps[self.nodes] > self._seen)
        self._seen = self.state.clock
        if len(changed):
            with np.errstate(divide="ignore", invalid="ignore"):
                self._compute(changed)

    def counts(self, codes: Codes) -> list[int]:
        """How often each mode occurs, in the order of FAILURE_MODES; last is none."""
        return [int(number) for number in np.bincount(codes, minlength=FITS + 1)]

    def _compute(self, at: Ints) -> None:
        numbers = self.state.numbers[:, self.nodes[at]]
        self._compute_primaries(at, numbers)
        if self.guest.is_pair:
            self._compute_secondaries(at, numbers)

    def _compute_primaries(self, at: Ints, numbers: Ints) -> None:
        """What happens at ``at`` if the guest gets its primary there."""
        guest = self.guest
        memory = numbers[UNALLOCATED] - guest.used_memory
        promised = numbers[PROMISED] - guest.memory
        vcpus = numbers[VCPUS] + guest.used_vcpus
        load = vcpus / self._cpus[at]
        disk, use, spindles = self._local(at, numbers)
        codes = self._policy[at]
        rules: list[tuple[Flags, int]] = [(memory <= 0, _MEM)]
        if guest.is_local:
            rules += self._local_rules(at, disk, use, spindles)
        if self.is_strict:
            risky = (memory <= numbers[RESERVE]) & (numbers[FAILING] == 0)
            allowed = self._vcpu_ratio[at]
            rules.append((risky, _MEM))
            rules.append(((allowed >= 0) & (allowed < load), _CPU))
            rules.append((promised <= 0, _MEM))
        self.primary_codes[at] = _first(codes, rules)
        after = self.after_primary
        total = self._memory[at]
        after[0, at] = memory / total
        after[1, at] = promised / total
        after[2, at] = load / self._speed[at]
        after[3, at] = numbers[PRIMARIES] + 1
        after[4, at] = self._space(at, disk, spindles)
        after[5, at] = numbers[PRIMARIES] + numbers[SECONDARIES] + 1
        after[6, at] = use / self._max_use[at]

    def _compute_secondaries(self, at: Ints, numbers: Ints) -> None:
        """What happens at ``at`` if the guest gets its secondary there."""
        reserved = self.guest.reserved_memory
        disk, use, spindles = self._local(at, numbers)
        rules = self._local_rules(at, disk, use, spindles)
        reserve = np.maximum(numbers[RESERVE], reserved)
        free = numbers[UNALLOCATED]
        if self.is_strict:
            risky = (free <= reserve) & (numbers[FAILING] == 0)
            rules.append((reserved >= free, _MEM))
            rules.append((risky | (reserved >= numbers[PROMISED]), _MEM))
        self.secondary_codes[at] = _first(np.full(len(at), FITS, dtype=np.int8), rules)
        after = self.after_secondary
        after[4, at] = self._space(at, disk, spindles)
        after[5, at] = numbers[PRIMARIES] + numbers[SECONDARIES] + 1
        after[6, at] = use / self._max_use[at]
        after[7, at] = reserve / self._memory[at]

    def _local(self, at: Ints, numbers: Ints) -> tuple[Ints, Ints, Ints]:
        """Free disk, spindle use and free spindles with the guest."""
        disk, use = numbers[DISK], numbers[SPINDLE_USE]
        spindles = numbers[FREE_SPINDLES]
        if not self.guest.is_local:
            return disk, use, spindles
        taken: Ints | int = self.guest.spindle_use
        if self._any_exclusive:
            exclusive = self._exclusive[at]
            taken = np.where(exclusive, 0, taken)
            own = self.guest.disk_spindles or 0
            spindles = spindles - np.where(exclusive, own, 0)
        return disk - self.guest.disk, use + taken, spindles

    def _local_rules(
        self, at: Ints, disk: Ints, use: Ints, spindles: Ints
    ) -> list[tuple[Flags, int]]:
        """What can fail of disks, in order."""
        rules: list[tuple[Flags, int]] = [(disk <= 0, _DISK)]
        if self.is_strict:
            rules.append((disk < self._kept[at], _DISK))
        if self._any_exclusive:
            rules.append((self._exclusive[at] & (spindles < 0), _SPINDLES))
        if self.is_strict:
            rules.append((use > self._max_use[at], _DISK))
        return rules

    def _space(self, at: Ints, disk: Ints, spindles: Ints) -> Floats:
        """The share of disk, or of spindles, that is free."""
        space: Floats = np.where(self._has_no_disk[at], 1.0, disk / self._disk[at])
        if self._any_exclusive:
            share = spindles / self._spindles[at]
            space = np.where(self._exclusive[at], share, space)
        return space


def _first(codes: Codes, rules: Sequence[tuple[Flags, int]]) -> Codes:
    """Codes with those of the first rule that applies, where there is none yet."""
    found: Codes = np.full(len(codes), FITS, dtype=np.int8)
    for applies, code in reversed(rules):
        found[applies] = code
    return np.where(codes == FITS, found, codes)


def _policy_codes(state: ClusterState, guest: Guest) -> Codes:
    """What each group's policy says, for nodes without and with exclusive storage."""

    def code(failure: FailureMode | None) -> int:
        return FITS if failure is None else MODE[failure]

    return np.array(
        [
            [
                code(policy_failure(guest, group.policy, exclusive=exclusive))
                for exclusive in (False, True)
            ]
            for group in state.hardware.groups
        ],
        dtype=np.int8,
    )
