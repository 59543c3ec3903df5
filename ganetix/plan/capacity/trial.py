"""One guest tried on many nodes at once: why it fails there, or what it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.guest import Guest, policy_failure
from ganetix.plan.capacity.hardware import Flags, Ints
from ganetix.plan.capacity.model import FAILURE_MODES, FailureMode
from ganetix.plan.capacity.state import (
    DISK,
    FAILING,
    FREE_SPINDLES,
    PROMISED,
    RESERVE,
    SPINDLE_USE,
    UNALLOCATED,
    VCPUS,
    ClusterState,
)

Codes = npt.NDArray[np.int8]
Rules = list[tuple[Flags, int]]
MODE = {mode: code for code, mode in enumerate(FAILURE_MODES)}
FITS = len(FAILURE_MODES)
"""The code of a node where nothing fails; other codes are places in FAILURE_MODES."""

_MEM, _DISK, _CPU = MODE["Mem"], MODE["Disk"], MODE["CPU"]
_TAGS, _SPINDLES = MODE["Tags"], MODE["Spindles"]


class Trial:
    """A guest on each of some nodes as primary, and as secondary if it is a pair.

    ``primary_codes`` and ``secondary_codes`` say what fails first, for each candidate;
    for secondaries as if nothing of the primary had its secondary there yet. Call
    ``refresh`` after the state changed.

    :param is_strict: whether limits that can be bent count (reserves, CPUs, disk usage)
    """

    def __init__(
        self,
        candidates: Candidates,
        guest: Guest,
        *,
        is_strict: bool = True,
        obeys_policy: bool = True,
    ) -> None:
        self.candidates = candidates
        self.nodes = candidates.nodes
        self.state = candidates.state
        self.guest = guest
        self.is_strict = is_strict
        count = len(candidates.nodes)
        self.primary_codes: Codes = np.full(count, FITS, dtype=np.int8)
        self.secondary_codes: Codes = np.full(count, FITS, dtype=np.int8)
        self._policy: Codes = np.full(count, FITS, dtype=np.int8)
        if obeys_policy:
            codes = _policy_codes(self.state, guest)
            exclusive = candidates.exclusive.astype(np.int64)
            self._policy = codes[candidates.policy, exclusive]
        self._seen = self.state.clock
        self._compute(np.arange(count))

    def refresh(self) -> None:
        """Compute anew what changed in the state since the last time."""
        changed = self.changed_since(self._seen)
        self._seen = self.state.clock
        if len(changed):
            self._compute(changed)

    def changed_since(self, clock: int) -> Ints:
        """Which candidates changed since the state's clock was that."""
        if clock == self.state.clock:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(self.state.stamps[self.nodes] > clock)

    def local(self, at: Ints, numbers: Ints) -> tuple[Ints, Ints, Ints]:
        """Free disk, spindle use and free spindles with the guest, at some places."""
        guest = self.guest
        disk, use = numbers[DISK], numbers[SPINDLE_USE]
        spindles = numbers[FREE_SPINDLES]
        if guest.is_local:
            disk = disk - guest.disk
        if not self.candidates.some_exclusive:
            return disk, use + guest.spindle_use if guest.is_local else use, spindles
        exclusive = self.candidates.exclusive[at]
        if guest.is_local:
            use = use + np.where(exclusive, 0, guest.spindle_use)
        own = guest.disk_spindles
        left = np.full_like(spindles, -1) if own is None else spindles - own
        return disk, use, np.where(exclusive, left, spindles)

    def _compute(self, at: Ints) -> None:
        """Find out what fails at some places."""
        guest = self.guest
        numbers = self.state.numbers[:, self.nodes[at]]
        of_disks: Rules = []
        if guest.is_local:
            of_disks = self._disk_rules(at, *self.local(at, numbers))
        rules = self._primary_rules(at, numbers, of_disks)
        self.primary_codes[at] = _first(self._policy[at], rules)
        if guest.is_pair:
            rules = [*of_disks, *self._secondary_rules(numbers)]
            self.secondary_codes[at] = _first(None, rules)

    def _primary_rules(self, at: Ints, numbers: Ints, of_disks: Rules) -> Rules:
        """What can fail of a primary, in order."""
        guest = self.guest
        memory = numbers[UNALLOCATED] - guest.used_memory
        rules: Rules = [(memory <= 0, _MEM), *of_disks]
        if self.is_strict:
            risky = (memory <= numbers[RESERVE]) & (numbers[FAILING] == 0)
            allowed = self.candidates.vcpu_ratio[at]
            vcpus = numbers[VCPUS] + guest.used_vcpus
            with np.errstate(divide="ignore", invalid="ignore"):
                busy = (allowed >= 0) & (allowed < vcpus / self.candidates.cpus[at])
            rules += [(risky, _MEM), (busy, _CPU)]
            rules.append((numbers[PROMISED] <= guest.memory, _MEM))
        return rules

    def _secondary_rules(self, numbers: Ints) -> Rules:
        """What can fail of a secondary besides its disk, in order."""
        if not self.is_strict:
            return []
        reserved = self.guest.reserved_memory
        free = numbers[UNALLOCATED]
        risky = free <= np.maximum(numbers[RESERVE], reserved)
        risky &= numbers[FAILING] == 0
        return [(risky | (np.minimum(free, numbers[PROMISED]) <= reserved), _MEM)]

    def _disk_rules(
        self, at: Ints, disk: Ints, use: Ints, spindles: Ints
    ) -> list[tuple[Flags, int]]:
        """What can fail of disks, in order."""
        candidates = self.candidates
        rules: Rules = [(disk <= 0, _DISK)]
        if self.is_strict:
            rules.append((disk < candidates.kept_disk[at], _DISK))
        if candidates.some_exclusive:
            rules.append((candidates.exclusive[at] & (spindles < 0), _SPINDLES))
        if self.is_strict:
            rules.append((use > candidates.max_spindle_use[at], _DISK))
        return rules


def _first(codes: Codes | None, rules: Sequence[tuple[Flags, int]]) -> Codes:
    """Codes with those of the first rule that applies, where there is none yet."""
    found: Codes = np.full(len(rules[0][0]), FITS, dtype=np.int8)
    for applies, code in reversed(rules):
        found[applies] = code
    return found if codes is None else np.where(codes == FITS, found, codes)


def _policy_codes(state: ClusterState, guest: Guest) -> Codes:
    """What each policy says, for nodes without and with exclusive storage."""

    def code(failure: FailureMode | None) -> int:
        return FITS if failure is None else MODE[failure]

    codes = [
        [
            code(policy_failure(guest, policy, exclusive=exclusive))
            for exclusive in (False, True)
        ]
        for policy in state.hardware.policies
    ]
    return np.array(codes, dtype=np.int8).reshape(len(codes), 2)
