"""Where a new instance would go, what else was near, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganetix.errors import NoResources
from ganetix.plan.allocate.attempt import Allocation, Attempt, guest_of
from ganetix.plan.allocate.groups import (
    candidates,
    connects,
    disconnected,
    group_named,
    rank,
)
from ganetix.plan.allocate.reasons import NOT_REDUNDANT, Reasons
from ganetix.plan.capacity.guest import policy_failure
from ganetix.plan.capacity.model import FAILURE_MODES, CapCluster, CapGroup
from ganetix.plan.capacity.pairs import Choice
from ganetix.plan.capacity.part import of_group
from ganetix.plan.capacity.requests import (
    Allocate,
    Candidate,
    Comparison,
    Refusal,
)
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.trial import FITS, MODE

RUNNERS_UP = 5


def compared(cluster: CapCluster, request: Allocate) -> Comparison:
    """Why ``answer`` says what it says to a request to allocate one instance."""
    try:
        return _compared(cluster, request)
    except NoResources as error:
        return Comparison(chosen=None, groups=(str(error),))


def _compared(cluster: CapCluster, request: Allocate) -> Comparison:
    newcomer = request.instance
    if request.group:
        cluster = of_group(cluster, group_named(cluster.groups, request.group).uuid)
    allocation = Allocation(ClusterState.of(cluster))
    guest = guest_of(newcomer)
    places: list[tuple[tuple[int, float, int], Candidate]] = []
    refused: list[Refusal] = []
    groups: list[str] = []
    for number, group in enumerate(cluster.groups):
        if not connects(group, newcomer.networks):
            groups.append(disconnected(group, guest))
            continue
        liking = 0 if request.group else rank(group)
        if liking is None:
            groups.append(f"group {group.name} is unallocable")
            continue
        attempt = allocation.attempt(
            guest,
            candidates(allocation.state, group, only=newcomer.restrict_to_nodes),
        )
        if attempt.refusal:
            groups.append(f"group {group.name}: {attempt.refusal}")
        places += [
            ((liking, choice.score, -number), _candidate(attempt, group, choice))
            for choice in attempt.places(1 + RUNNERS_UP)
        ]
        refused += _refusals(attempt, group, number, newcomer.restrict_to_nodes)
    places.sort(key=lambda place: place[0])
    found = [candidate for _order, candidate in places]
    return Comparison(
        chosen=found[0] if found else None,
        runners_up=tuple(found[1 : 1 + RUNNERS_UP]),
        refused=tuple(refused),
        groups=tuple(groups),
    )


def _candidate(attempt: Attempt, group: CapGroup, choice: Choice) -> Candidate:
    nodes = attempt.state.hardware.nodes
    return Candidate(
        nodes=tuple(nodes[node].name for node in choice[:2] if node >= 0),
        group=group.name,
        score=choice.score,
    )


def _refusals(
    attempt: Attempt, group: CapGroup, number: int, only: tuple[str, ...]
) -> Iterator[Refusal]:
    """One for each node of a group where the guest may not go."""
    hardware = attempt.state.hardware
    tried = dict(_tried(attempt, group))
    for node in hardware.members[number].tolist():
        name = hardware.nodes[node].name
        if not hardware.is_online[node]:
            yield Refusal(node=name, reason="is offline, drained or runs no instances")
        elif only and name not in only:
            yield Refusal(node=name, reason="is not one of the nodes to choose from")
        elif node in tried:
            yield Refusal(node=name, reason=tried[node])


def _tried(attempt: Attempt, group: CapGroup) -> Iterator[tuple[int, str]]:
    """Nodes that were tried and found no good in any role, and why."""
    if attempt.refusal:
        return
    trial, guest = attempt.trial, attempt.guest
    reasons = Reasons(attempt.state, guest)
    policy = policy_failure(guest, group.policy)
    conflicts = attempt.conflicts
    good = attempt.good_nodes()
    for place, node in enumerate(attempt.nodes.tolist()):
        if node in good:
            continue
        code = int(trial.primary_codes[place])
        if code == MODE["Tags"] and node in conflicts:
            reason = f"has an instance with the tag {conflicts[node]} already"
        elif policy is not None:
            reason = reasons.policy(group.name, policy)
        elif code != FITS:
            reason = reasons.primary(node, FAILURE_MODES[code])
        elif (
            guest.is_pair
            and not (np.delete(trial.secondary_codes, place) == FITS).any()
        ):
            reason = "no other node of the group has room for a secondary"
        else:
            reason = NOT_REDUNDANT
        if guest.is_pair and code != FITS and policy is None:
            theirs = int(trial.secondary_codes[place])
            if theirs != FITS:
                more = reasons.secondary(node, FAILURE_MODES[theirs], None)
                reason = reason if more == reason else f"{reason}; {more}"
        yield node, reason
