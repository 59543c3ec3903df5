"""Instances that leave their nodes or their group: the best new places, and the steps.

Instances are moved one after the other; each finds the state that those before it left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from ganetix.errors import BadParameter, NoResources
from ganetix.plan.allocate.attempt import Allocation
from ganetix.plan.allocate.groups import choose_group
from ganetix.plan.allocate.leaving import Leaving, Path
from ganetix.plan.allocate.outlook import Outlook
from ganetix.plan.capacity.hardware import NONE
from ganetix.plan.capacity.model import MOVABLE, TWO_NODES
from ganetix.plan.capacity.requests import (
    EvacuationMode,
    Moves,
    NotPlaced,
    Placement,
)
from ganetix.plan.capacity.state import ClusterState

RELOCATABLE = MOVABLE | {"blockdev"}
"""Templates of instances that can leave their only node for any other."""

_Moved = Callable[[int], Path]


class Evacuation:
    """Moves of instances in one state, which they change."""

    def __init__(self, allocation: Allocation) -> None:
        self.allocation = allocation
        self.state = allocation.state
        self._instances = {
            guest.name: number for number, guest in enumerate(self.state.guests)
        }

    def number(self, instance: str) -> int:
        """An instance's number; ``BadParameter`` if it is not there."""
        if instance not in self._instances:
            raise BadParameter(f"there is no instance {instance!r}")
        return self._instances[instance]

    def off_nodes(self, instances: Sequence[str], mode: EvacuationMode) -> Moves:
        """Instances off the nodes that they have by the mode."""
        numbers = [self.number(instance) for instance in instances]
        leaving = nodes_to_leave(self.state, numbers, mode)

        def moved(number: int) -> Path:
            primary = self.state.homes[number][0]
            group = int(self.state.hardware.group[primary])
            return self.leave(number, mode, group, leaving | {primary})

        return self._each(numbers, moved)

    def to_groups(self, instances: Sequence[str], targets: Collection[str]) -> Moves:
        """Instances to the best of some groups; none named: any without them."""
        state = self.state
        numbers = [self.number(instance) for instance in instances]
        leaving = nodes_to_leave(state, numbers, "all")
        groups = state.hardware.groups
        left = {groups[self._group(number)].uuid for number in numbers}
        known = {
            name: group.uuid for group in groups for name in (group.name, group.uuid)
        }
        for target in targets:
            if target not in known:
                raise BadParameter(f"there is no group {target!r}")
        wanted = {known[target] for target in targets} or set(known.values())

        def moved(number: int) -> Path:
            guest = state.guests[number]
            chosen = choose_group(self.allocation, guest, groups=wanted - left)
            group = groups.index(chosen.group)
            return self.leave(number, "all", group, leaving)

        return self._each(numbers, moved)

    def leave(
        self,
        number: int,
        mode: EvacuationMode,
        group: int,
        leaving: Collection[int],
    ) -> Path:
        """Move one instance within or into a group, away from some nodes.

        :raises NoResources: why it cannot be done
        """
        state = self.state
        guest = state.guests[number]
        template = guest.template
        if template not in TWO_NODES and template not in RELOCATABLE:
            raise NoResources(f"Instances of type {template} cannot be relocated")
        if mode == "secondary-only" and not guest.is_pair:
            raise NoResources(
                f"Instances with disk template '{template}' can't execute change"
                " secondary"
            )
        primary, secondary = state.homes[number]
        if guest.is_pair and secondary == NONE:
            raise NoResources(f"Instance {guest.name} has no secondary node")
        members = state.hardware.members[group]
        targets = members[state.hardware.is_online[members]]
        targets = targets[~np.isin(targets, list(leaving))]
        mark = state.mark()
        state.lift(number)
        outlook = Outlook(state, number, members, self.allocation.tagging)
        leaves = Leaving(outlook, self.allocation.tagging, primary, secondary, targets)
        try:
            if not guest.is_pair:
                home, path = leaves.anywhere()
            elif mode == "primary-only":
                home, path = leaves.failed_over()
            elif mode == "secondary-only":
                home, path = leaves.with_new_secondary()
            else:
                home, path = leaves.with_new_nodes()
        except NoResources:
            state.rollback(mark)
            raise
        state.put(number, *home)
        self.allocation.forget()
        return path

    def _each(self, numbers: Sequence[int], moved: _Moved) -> Moves:
        state = self.state
        nodes = state.hardware.nodes
        placed: list[Placement] = []
        failed: list[NotPlaced] = []
        jobs: list[Path] = []
        for number in numbers:
            name = state.guests[number].name
            try:
                jobs.append(moved(number))
            except NoResources as error:
                failed.append(NotPlaced(instance=name, reason=str(error)))
                continue
            placed.append(
                Placement(
                    instance=name,
                    group=state.hardware.groups[self._group(number)].name,
                    nodes=tuple(
                        nodes[node].name for node in state.homes[number] if node != NONE
                    ),
                )
            )
        return Moves(moved=tuple(placed), failed=tuple(failed), jobs=tuple(jobs))

    def _group(self, number: int) -> int:
        return int(self.state.hardware.group[self.state.homes[number][0]])


def nodes_to_leave(
    state: ClusterState, numbers: Sequence[int], mode: EvacuationMode
) -> set[int]:
    """The nodes that none of these instances may go to."""
    found: set[int] = set()
    for number in numbers:
        primary, secondary = state.homes[number]
        if mode != "secondary-only":
            found.add(primary)
        if mode != "primary-only" and secondary != NONE:
            found.add(secondary)
    return found
