"""Instances of one size put into a cluster until no more fits."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.model import TWO_NODES, FailureMode, Policy, TieredRequest
from ganetix.plan.capacity.redundancy import Redundancy
from ganetix.plan.capacity.size import Size
from ganetix.plan.capacity.state import (
    FAILING,
    RESERVE,
    UNALLOCATED,
    ClusterState,
)
from ganetix.plan.capacity.step import (
    Counts,
    any_redundant,
    best,
    best_redundant,
    counts,
    counts_fitting,
    fitting_and_counts,
    with_rejected,
)
from ganetix.plan.capacity.trial import Trial

BLOCK, SMALL_BLOCK = 20, 10
"""How many instances are placed before redundancy is asked for, at least."""

Steps = Generator[None, None, None]


class Filling:
    """One run that places instances; ``placed`` are their numbers in the state.

    ``prepare`` first. ``refusal`` then says in words why nothing can even be tried;
    ``is_failing`` that there are nodes which are not N+1 safe, so that nothing may be.
    ``dead_ends`` are sizes which fit but for redundancy, as do all that are smaller by
    what a failure asks for.
    """

    def __init__(self, state: ClusterState, request: TieredRequest) -> None:
        self.state = state
        self.request = request
        self.placed: list[int] = []
        self.candidates = Candidates(state, np.zeros(0, dtype=np.int64))
        self.refusal = ""
        self.is_failing = False
        self.redundancy = Redundancy(state)
        self.policies: set[Policy] = set()
        self._outcomes: dict[Size, tuple[bool, Counts]] = {}
        self.dead_ends: set[tuple[FailureMode, Size]] = set()
        self._rejected: dict[Size, int] = {}
        self._last_trial: tuple[Size, Trial] | None = None
        self._is_hopeless: bool | None = None
        use = request.spindle_use
        self._spindle_use = (
            state.hardware.cluster.policy.std.spindle_use if use is None else use
        )

    def prepare(self) -> Steps:
        """Find out which nodes may receive instances."""
        state, request = self.state, self.request
        hardware = state.hardware
        closed = {
            number
            for number, group in enumerate(hardware.groups)
            if group.alloc_policy == "unallocable"
        }
        ignored: set[int] = set()
        accepts = request.accept_existing_errors
        failing = hardware.is_online & (state.numbers[FAILING] != 0)
        if not accepts:
            closed |= set(hardware.group[failing].tolist())
        if request.independent_groups:
            alone = Redundancy(state, accept_offline=accepts)
            for group in range(len(hardware.groups)):
                if not (yield from alone.steps(group)):
                    ignored.add(group)
            closed |= ignored
        some_open = len(closed) < len(hardware.groups)
        rescued = accepts or (request.independent_groups and some_open)
        self.is_failing = bool(failing.any()) and not rescued
        self.redundancy = Redundancy(
            state, ignored=ignored, accept_offline=request.accept_existing_errors
        )
        usable = [
            node
            for node in hardware.online.tolist()
            if int(hardware.group[node]) not in closed
        ]
        if request.template in TWO_NODES:
            sizes = np.bincount(hardware.group[usable], minlength=len(hardware.groups))
            usable = [node for node in usable if sizes[hardware.group[node]] > 1]
        self.candidates = Candidates(state, np.array(usable, dtype=np.int64))
        self.policies = {
            hardware.groups[hardware.group[node]].policy for node in usable
        }
        if not usable and not self.is_failing:
            pair = request.template in TWO_NODES
            self.refusal = "Not enough online nodes" if pair else "No online nodes"

    def trial(self, size: Size) -> Trial:
        """An instance of a size, tried on all nodes that may receive it."""
        if self._last_trial is not None and self._last_trial[0] == size:
            trial = self._last_trial[1]
            trial.refresh()
            return trial
        guest = Guest(
            memory=size.memory,
            disk=size.disk,
            vcpus=size.vcpus,
            template=self.request.template,
            spindle_use=self._spindle_use,
            disks=(size.disk,),
            disk_spindles=size.spindles,
        )
        trial = Trial(self.candidates, guest)
        self._last_trial = size, trial
        return trial

    def outcome(self, size: Size) -> tuple[bool, Counts]:
        """Whether one more of a size fits, and what fails, leaving out redundancy."""
        known = self._outcomes.get(size)
        if known is None:
            known = self._learn(size, self.trial(size))
        return known

    def _learn(self, size: Size, trial: Trial) -> tuple[bool, Counts]:
        fitting, found = fitting_and_counts(trial)
        self._outcomes[size] = outcome = fitting > 0, found
        return outcome

    def hopeless_steps(self) -> Generator[None, None, bool]:
        """Whether nothing that is placed leaves the cluster redundant."""
        if self._is_hopeless is None:
            self._is_hopeless = yield from self.redundancy.hopeless_steps()
        return self._is_hopeless

    def redundant_outcome(
        self, size: Size
    ) -> Generator[None, None, tuple[bool, Counts]]:
        """The same, where a place must leave the cluster redundant if that is asked."""
        fitting, found = self.outcome(size)
        if not fitting or not self.request.capacity_checks:
            return fitting, found
        yield
        if size not in self._rejected:
            trial = self.trial(size)
            if (yield from self.hopeless_steps()):
                rejected: int | None = counts_fitting(trial)
            else:
                rejected = yield from any_redundant(trial, self.redundancy)
            self._rejected[size] = rejected or 0
        if not self._rejected[size]:
            return True, found
        return False, with_rejected(found, self._rejected[size])

    def fill(self, size: Size, limit: int | None) -> Generator[None, None, Counts]:
        """Place until it fails or the limit is reached; answers what stood against it.

        What is answered has no meaning if the limit was reached.
        """
        fitting, found = self.outcome(size)
        if not fitting:
            return found
        checked = (
            self.request.capacity_checks and self.request.template not in TWO_NODES
        )
        if not checked:
            return (yield from self._place(size, limit))
        return (yield from self._fill_checked(size, limit))

    def _place(self, size: Size, limit: int | None) -> Generator[None, None, Counts]:
        """Place without a look at redundancy."""
        trial = self.trial(size)
        changes = Changes(trial)
        done = 0
        while limit is None or done < limit:
            yield
            if not self._place_one(changes):
                break
            done += 1
        trial.refresh()
        return self._learn(size, trial)[1]

    def _place_one(self, changes: Changes) -> bool:
        """Place one more where that is best; whether there was room."""
        changes.trial.refresh()
        changes.refresh()
        choice = best(changes, is_scored=False)
        if choice is not None:
            self._put(changes.trial.guest, choice.primary, choice.secondary)
        return choice is not None

    def _fill_checked(
        self, size: Size, limit: int | None
    ) -> Generator[None, None, Counts]:
        """Place in blocks that leave the cluster redundant as a whole."""
        redundancy = self.redundancy
        trial = self.trial(size)
        if (yield from self.hopeless_steps()):
            return with_rejected(counts(trial), counts_fitting(trial))
        changes = Changes(trial)
        is_big = True
        end = None if limit is None else len(self.placed) + limit
        while True:
            left = None if end is None else end - len(self.placed)
            block = self._big_block(size) if is_big else SMALL_BLOCK
            block = block if left is None else min(left, block)
            mark, before = self.state.mark(), len(self.placed)
            small_mark = yield from self._place_block(changes, block)
            holds = yield from redundancy.steps()
            if not holds and is_big and small_mark is not None:
                # The small block would be the same instances; some more came after it.
                self._take_back(small_mark, before + SMALL_BLOCK)
                holds = yield from redundancy.steps()
                is_big = False
            if not holds:
                self._take_back(mark, before)
                return (yield from self._place_checked(changes, size, left))
            if len(self.placed) == before:
                trial.refresh()
                return counts(trial)

    def _place_block(
        self, changes: Changes, limit: int
    ) -> Generator[None, None, int | None]:
        """Place without a look at redundancy, unless there is no hope for it.

        Answers the mark after a small block, if there was more than that.
        """
        small_mark = None
        look = 1
        for done in range(limit):
            yield
            if done == SMALL_BLOCK:
                small_mark = self.state.mark()
            if not self._place_one(changes):
                # Nothing came after the small block: it would be the same.
                return small_mark if done > SMALL_BLOCK else None
            if done + 1 == look:
                look *= 2
                if (yield from self.redundancy.hopeless_steps()):
                    break
            elif self.redundancy.is_surely_lost:
                break
        return small_mark

    def _take_back(self, mark: int, placed: int) -> None:
        """Undo placements."""
        self.state.rollback(mark)
        del self.placed[placed:]
        self._forget()

    def _place_checked(
        self, changes: Changes, size: Size, limit: int | None
    ) -> Generator[None, None, Counts]:
        """Place one by one, each leaving the cluster redundant."""
        trial = changes.trial
        done = 0
        while limit is None or done < limit:
            trial.refresh()
            changes.refresh()
            choice, rejected = yield from best_redundant(changes, self.redundancy)
            if choice is None:
                trial.refresh()
                self._rejected[size] = rejected
                return with_rejected(counts(trial), rejected)
            self._put(trial.guest, choice.primary, choice.secondary)
            done += 1
        return counts(trial)

    def _big_block(self, size: Size) -> int:
        """How many instances the free memory of all nodes promises."""
        numbers = self.state.numbers
        free = int(np.maximum(0, numbers[UNALLOCATED] - numbers[RESERVE]).sum())
        return max(BLOCK, free // max(1, size.memory) - len(self.state.hardware.nodes))

    def _put(self, guest: Guest, primary: int, secondary: int) -> None:
        self.placed.append(self.state.add(guest, primary, secondary))
        self._forget()

    def _forget(self) -> None:
        """What is known of sizes holds until something is placed."""
        self._outcomes.clear()
        self._rejected.clear()
        self.dead_ends.clear()
        self._is_hopeless = None
