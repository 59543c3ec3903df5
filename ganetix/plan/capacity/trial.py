"""One guest tried on many nodes at once: why it fails there, or what it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.guest import Guest, policy_failure
from ganetix.plan.capacity.hardware import Flags, Ints, Limits, ratio
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
)

Codes = npt.NDArray[np.int8]
Rules = Sequence[tuple[Flags, int]]
MODE = {mode: code for code, mode in enumerate(FAILURE_MODES)}
FITS = len(FAILURE_MODES)
"""The code of a node where nothing fails; other codes are places in FAILURE_MODES."""

FEW = 8
"""So many changed nodes are looked at one by one rather than all at once."""

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
        self._memory = guest.used_memory
        self._vcpus = guest.used_vcpus
        self._reserved = guest.reserved_memory
        count = len(candidates.nodes)
        self.primary_codes: Codes = np.empty(count, dtype=np.int8)
        self.secondary_codes: Codes = np.full(count, FITS, dtype=np.int8)
        self._policy = _policy_codes(candidates, guest) if obeys_policy else None
        self._seen = self.state.clock
        self._compute()

    def refresh(self) -> None:
        """Compute anew what changed in the state since the last time."""
        changed = self.changed_since(self._seen)
        self._seen = self.state.clock
        if len(changed) > FEW:
            self._compute()
            return
        for place in changed:
            self._compute_at(place)

    def changed_since(self, clock: int) -> list[int]:
        """Which candidates changed since the state's clock was that."""
        return self.candidates.places_of(self.state.changed_since(clock))

    def local(self, numbers: Ints) -> tuple[Ints, Ints, Ints]:
        """Free disk, spindle use and free spindles with the guest, for all places."""
        guest = self.guest
        disk, use = numbers[DISK], numbers[SPINDLE_USE]
        spindles = numbers[FREE_SPINDLES]
        if guest.is_local:
            disk = disk - guest.disk
        if not self.candidates.some_exclusive:
            if guest.is_local and guest.spindle_use:
                use = use + guest.spindle_use
            return disk, use, spindles
        exclusive = self.candidates.exclusive
        if guest.is_local:
            use = use + np.where(exclusive, 0, guest.spindle_use)
        own = guest.disk_spindles
        left = np.full_like(spindles, -1) if own is None else spindles - own
        return disk, use, np.where(exclusive, left, spindles)

    def local_at(self, row: Sequence[int], limits: Limits) -> tuple[int, int, int]:
        """The same of one node."""
        guest = self.guest
        disk, use, spindles = row[DISK], row[SPINDLE_USE], row[FREE_SPINDLES]
        if guest.is_local:
            disk -= guest.disk
            if not limits.exclusive:
                use += guest.spindle_use
        if limits.exclusive:
            spindles = guest.free_spindles(spindles)
        return disk, use, spindles

    def _compute(self) -> None:
        """Find out what fails at all places."""
        numbers = self.candidates.numbers
        of_disks = self._disk_rules(numbers) if self.guest.is_local else []
        codes = _first([*self._primary_rules(numbers), *of_disks], self.primary_codes)
        memory = numbers[UNALLOCATED] <= self._memory
        codes[memory] = _MEM
        if self._policy is not None:
            np.copyto(codes, self._policy, where=self._policy != FITS)
        if self.guest.is_pair:
            rules = [*self._secondary_rules(numbers), *of_disks]
            _first(rules, self.secondary_codes)

    def _primary_rules(self, numbers: Ints) -> Rules:
        """What can fail of a primary but for hard limits, in reverse order."""
        if not self.is_strict:
            return []
        candidates = self.candidates
        risky = numbers[UNALLOCATED] - self._memory <= numbers[RESERVE]
        risky &= numbers[FAILING] == 0
        vcpus = numbers[VCPUS] + self._vcpus
        with np.errstate(divide="ignore", invalid="ignore"):
            busy = candidates.vcpu_limit < vcpus / candidates.cpus
        promised = numbers[PROMISED] <= self.guest.memory
        return [(promised, _MEM), (busy, _CPU), (risky, _MEM)]

    def _secondary_rules(self, numbers: Ints) -> Rules:
        """What can fail of a secondary besides its disk."""
        if not self.is_strict:
            return []
        free = numbers[UNALLOCATED]
        risky = free <= np.maximum(numbers[RESERVE], self._reserved)
        risky &= numbers[FAILING] == 0
        risky |= np.minimum(free, numbers[PROMISED]) <= self._reserved
        return [(risky, _MEM)]

    def _disk_rules(self, numbers: Ints) -> Rules:
        """What can fail of disks, in reverse order."""
        candidates = self.candidates
        disk, use, spindles = self.local(numbers)
        least = candidates.least_disk if self.is_strict else 1
        rules = [(disk < least, _DISK)]
        if candidates.some_exclusive:
            rules.insert(0, (candidates.exclusive & (spindles < 0), _SPINDLES))
        if self.is_strict:
            rules.insert(0, (use > candidates.max_spindle_use, _DISK))
        return rules

    def _compute_at(self, place: int) -> None:
        """Find out what fails at one place."""
        row = self.state.rows[self.candidates.node_list[place]]
        limits = self.candidates.limits[place]
        of_disk = self._disk_code(row, limits) if self.guest.is_local else FITS
        code = FITS if self._policy is None else int(self._policy[place])
        self.primary_codes[place] = (
            self._primary_code(row, limits, of_disk) if code == FITS else code
        )
        if self.guest.is_pair:
            self.secondary_codes[place] = self._secondary_code(row, of_disk)

    def _primary_code(self, row: Sequence[int], limits: Limits, of_disk: int) -> int:
        left = row[UNALLOCATED] - self._memory
        if left <= 0:
            return _MEM
        if of_disk != FITS or not self.is_strict:
            return of_disk
        if left <= row[RESERVE] and not row[FAILING]:
            return _MEM
        if 0 <= limits.vcpu_ratio < ratio(row[VCPUS] + self._vcpus, limits.cpus):
            return _CPU
        return _MEM if row[PROMISED] <= self.guest.memory else FITS

    def _secondary_code(self, row: Sequence[int], of_disk: int) -> int:
        if of_disk != FITS or not self.is_strict:
            return of_disk
        free, reserved = row[UNALLOCATED], self._reserved
        if free <= max(row[RESERVE], reserved) and not row[FAILING]:
            return _MEM
        return _MEM if min(free, row[PROMISED]) <= reserved else FITS

    def _disk_code(self, row: Sequence[int], limits: Limits) -> int:
        disk, use, spindles = self.local_at(row, limits)
        if disk <= 0 or (self.is_strict and disk < limits.kept_disk):
            return _DISK
        if limits.exclusive and spindles < 0:
            return _SPINDLES
        return _DISK if self.is_strict and use > limits.max_spindle_use else FITS


def _first(rules: Rules, codes: Codes) -> Codes:
    """Codes of what applies; of several rules the last one counts."""
    codes.fill(FITS)
    for applies, code in rules:
        codes[applies] = code
    return codes


def _policy_codes(candidates: Candidates, guest: Guest) -> Codes | None:
    """What the policy of each node says; None if all of them let the guest pass."""

    def code(failure: FailureMode | None) -> int:
        return FITS if failure is None else MODE[failure]

    codes = [
        [
            code(policy_failure(guest, policy, exclusive=exclusive))
            for exclusive in ((False, True) if candidates.some_exclusive else (False,))
        ]
        for policy in candidates.state.hardware.policies
    ]
    if all(one == FITS for row in codes for one in row):
        return None
    table = np.array(codes, dtype=np.int8)
    column = candidates.exclusive.astype(np.int64) if table.shape[1] > 1 else 0
    found: Codes = table[candidates.policy, column]
    return found
