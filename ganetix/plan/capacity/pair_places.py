"""Where a guest with a primary and a secondary fits, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganetix.plan.capacity.hardware import Flags, Ints
from ganetix.plan.capacity.state import FAILING, RESERVE, UNALLOCATED
from ganetix.plan.capacity.trial import FITS, MODE, Trial

WIDTH = FITS + 1
"""How many codes there are."""


def pair_counts(trial: Trial) -> list[int]:
    """How many pairs fail in each mode, by its code; last how many fit."""
    candidates = trial.candidates
    keys = trial.primary_codes.astype(np.int64)
    keys *= WIDTH
    keys += trial.secondary_codes
    if candidates.groups > 1:
        keys += candidates.group * (WIDTH * WIDTH)
    occurring = np.bincount(keys)
    counts = [0] * WIDTH
    secondaries = [[0] * WIDTH for _group in range(candidates.groups)]
    fitting = [0] * candidates.groups
    for key in occurring.nonzero()[0].tolist():
        number = int(occurring[key])
        codes, second = divmod(key, WIDTH)
        group, first = divmod(codes, WIDTH)
        secondaries[group][second] += number
        if first == FITS:
            fitting[group] += number
            # A node is no secondary of its own.
            counts[second] -= number
        else:
            counts[first] += number * (candidates.group_sizes[group] - 1)
    for group, primaries in enumerate(fitting):
        if primaries:
            for code, number in enumerate(secondaries[group]):
                counts[code] += number * primaries
    if counts[FITS]:
        refused = _too_much_owed(trial, trial.primary_codes == FITS)
        counts[FITS] -= refused
        counts[MODE["Mem"]] += refused
    return counts


def _too_much_owed(trial: Trial, fit: Flags) -> int:
    """Pairs that fail only for what the secondary keeps free for the primary.

    ``fit`` are the primaries that fit.
    """
    if not trial.is_strict:
        return 0
    state, candidates = trial.state, trial.candidates
    numbers = candidates.numbers
    spare = numbers[UNALLOCATED] - trial.guest.reserved_memory
    may_be = spare <= numbers[RESERVE]
    may_be &= trial.secondary_codes == FITS
    may_be &= numbers[FAILING] == 0
    near = may_be.nonzero()[0]
    if not len(near):
        return 0
    fits_at = np.zeros((candidates.groups, state.peers.shape[1]), dtype=np.bool_)
    fits_at[candidates.group[fit], candidates.place_in_group[fit]] = True
    refused = state.peers[trial.nodes[near]] >= spare[near][:, None]
    refused &= fits_at[candidates.group[near]]
    return int(np.count_nonzero(refused))


def owed_too_much(
    trial: Trial, primaries: Ints, members: Ints
) -> tuple[Ints, Ints] | None:
    """Secondaries, and for each of them and each primary whether that is so."""
    if not trial.is_strict or not len(primaries):
        return None
    state = trial.state
    secondaries = members[trial.secondary_codes[members] == FITS]
    nodes = trial.nodes[secondaries]
    numbers = state.numbers[:, nodes]
    spare = numbers[UNALLOCATED] - trial.guest.reserved_memory
    near = (numbers[FAILING] == 0) & (spare <= numbers[RESERVE])
    if not near.any():
        return None
    owed = state.peers[nodes[near]]
    owed = owed[:, trial.candidates.place_in_group[primaries]]
    return secondaries[near], owed >= spare[near][:, None]


def pair_places(trial: Trial) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of nodes where a trial's guest fits: a primary and its secondaries."""
    for members in trial.candidates.members:
        fitting = members[trial.secondary_codes[members] == FITS]
        for primary in members[trial.primary_codes[members] == FITS]:
            alone = np.array([primary])
            refused = owed_too_much(trial, alone, members)
            places = fitting[fitting != primary]
            if refused is not None:
                places = np.setdiff1d(places, refused[0][refused[1][:, 0]])
            if len(places):
                yield trial.nodes[alone], trial.nodes[places]


def pairs_stay_redundant(trial: Trial) -> bool:
    """Whether some pair can be placed so that secondaries can still take over.

    All instances are pairs, and they can as it is.
    """
    state = trial.state
    memory = trial.guest.used_memory
    free = state.numbers[UNALLOCATED]
    for members in trial.candidates.members:
        primaries = members[trial.primary_codes[members] == FITS]
        nodes = trial.nodes[primaries]
        worst = np.where(state.pair_counts[nodes] > 0, state.pair_memory[nodes], 0)
        primaries = primaries[free[nodes] - memory > worst.max(axis=1, initial=0)]
        secondaries = members[trial.secondary_codes[members] == FITS]
        if not len(primaries) or not len(secondaries):
            continue
        places = trial.candidates.place_in_group[primaries]
        theirs = trial.nodes[secondaries]
        taken = state.pair_memory[theirs][:, places]
        fits = free[theirs][:, None] > taken + memory
        fits &= secondaries[:, None] != primaries[None, :]
        refused = owed_too_much(trial, primaries, members)
        if refused is not None:
            fits[np.isin(secondaries, refused[0])] &= ~refused[1]
        if fits.any():
            return True
    return False
