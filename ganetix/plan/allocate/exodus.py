"""Whether instances could leave lost nodes where tags restrict migration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganetix.plan.allocate.outlook import Outlook, nowhere
from ganetix.plan.capacity.hardware import NONE, Ints
from ganetix.plan.capacity.model import MOVABLE
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.tags import Tagging
from ganetix.plan.capacity.trial import FITS


def all_can_leave(state: ClusterState, tagging: Tagging, group: int | None) -> bool:
    """Whether tags let what migrates off each node, of one group or all, do so.

    Pairs go to their secondary, movable instances to the best node of the group that
    takes them, one after the other.
    """
    if not tagging.restricts_migration:
        return True
    hardware = state.hardware
    if group is None:
        nodes: Ints = np.arange(len(hardware.nodes))
    else:
        nodes = hardware.members[group]
    return all(_can_leave(state, tagging, node) for node in nodes.tolist())


def _can_leave(state: ClusterState, tagging: Tagging, node: int) -> bool:
    guests, homes = state.guests, state.homes
    numbers = state.primaries[node][::-1]
    pairs = [n for n in numbers if guests[n].is_pair and homes[n][1] != NONE]
    movable = [n for n in numbers if guests[n].template in MOVABLE]
    if not all(tagging.can_migrate(node, homes[number][1]) for number in pairs):
        return False
    if not movable:
        return True
    mark = state.mark()
    for number in pairs:
        primary, secondary = state.lift(number)
        state.put(number, secondary, primary)
    found = _move(state, tagging, node, movable)
    state.rollback(mark)
    return found


def _move(
    state: ClusterState, tagging: Tagging, node: int, movable: Sequence[int]
) -> bool:
    """Move instances off a node one by one; whether all find another one."""
    members = state.hardware.members[int(state.hardware.group[node])]
    targets = members[members != node]
    targets = targets[tagging.targets(node, targets)]
    for number in movable:
        state.lift(number)
        outlook = Outlook(state, number, members, tagging)
        codes = outlook.primary_codes(targets, is_strict=False)
        fitting = targets[codes == FITS]
        choice = outlook.choice(fitting, nowhere(fitting))
        if choice is None:
            return False
        state.put(number, choice.primary)
    return True
