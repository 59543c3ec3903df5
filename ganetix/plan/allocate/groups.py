"""Which group an instance goes to: each is tried alone, the best one wins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from ganetix.errors import NoResources
from ganetix.objects.group import AllocationPolicy
from ganetix.plan.allocate.attempt import Allocation, Attempt
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import Ints
from ganetix.plan.capacity.model import CapGroup
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.step import Counts, failures_of

PREFERENCE: tuple[AllocationPolicy, ...] = ("preferred", "last_resort")
"""Policies of groups that may be chosen, the better one first."""


class GroupAttempt(NamedTuple):
    """A group by number and what trying it came to."""

    group: CapGroup
    attempt: Attempt

    @property
    def text(self) -> str:
        """The outcome in hail's words."""
        attempt, group = self.attempt, self.group
        if attempt.refusal:
            return f"Group {group.name}: error {attempt.refusal}"
        return f"Group {group.name} ({group.alloc_policy}): {outcome(attempt)}"


class Chosen(NamedTuple):
    """The attempt that won and what is said of all of them."""

    group: CapGroup
    attempt: Attempt
    texts: list[str]


def choose_group(
    allocation: Allocation,
    guest: Guest,
    *,
    networks: Collection[str] = (),
    nodes: Collection[str] = (),
    groups: Collection[str] | None = None,
) -> Chosen:
    """The best group for a guest.

    :param networks: those that the group must be connected to
    :param nodes: names of the only good nodes, if there are any
    :param groups: UUIDs of the only good groups; None: all
    :raises NoResources: with the reason of each group
    """
    texts: list[str] = []
    tried: list[GroupAttempt] = []
    for group in allocation.state.hardware.groups:
        if groups is not None and group.uuid not in groups:
            continue
        if not connects(group, networks):
            texts.append(disconnected(group, guest))
            continue
        attempt = allocation.attempt(
            guest, candidates(allocation.state, group, only=nodes)
        )
        tried.append(GroupAttempt(group, attempt))
    texts += [one.text for one in tried]
    good = [
        (liking, attempt.choice.score, -number)
        for number, (group, attempt) in enumerate(tried)
        if attempt.choice is not None and (liking := rank(group)) is not None
    ]
    if not good:
        raise NoResources(", ".join(texts) or "no group is left to choose from")
    group, attempt = tried[-min(good)[2]]
    return Chosen(group, attempt, texts)


def rank(group: CapGroup) -> int | None:
    """How much a group is liked, the lower the better; None: not at all."""
    if group.alloc_policy not in PREFERENCE:
        return None
    return PREFERENCE.index(group.alloc_policy)


def in_group(
    allocation: Allocation,
    guest: Guest,
    name: str,
    *,
    networks: Collection[str] = (),
    nodes: Collection[str] = (),
) -> Chosen:
    """One group by name or UUID, whatever its allocation policy is."""
    group = group_named(allocation.state.hardware.groups, name)
    if not connects(group, networks):
        raise NoResources(disconnected(group, guest))
    attempt = allocation.attempt(guest, candidates(allocation.state, group, only=nodes))
    if attempt.refusal:
        raise NoResources(attempt.refusal)
    text = GroupAttempt(group, attempt).text
    if attempt.choice is None:
        raise NoResources(text)
    return Chosen(group, attempt, [text])


def candidates(
    state: ClusterState, group: CapGroup, *, only: Collection[str] = ()
) -> Ints:
    """The numbers of a group's online nodes."""
    hardware = state.hardware
    number = hardware.groups.index(group)
    members = hardware.members[number]
    members = members[hardware.is_online[members]]
    if only:
        names = [hardware.nodes[node].name in only for node in members.tolist()]
        members = members[np.array(names, dtype=np.bool_)]
    return members


def group_named(groups: Sequence[CapGroup], name: str) -> CapGroup:
    """A group by name or UUID; ``NoResources`` if it is not there."""
    for group in groups:
        if name in (group.uuid, group.name):
            return group
    raise NoResources(f"there is no group {name!r}")


def connects(group: CapGroup, networks: Collection[str]) -> bool:
    """Whether a group is connected to all networks that are named."""
    return {network for network in networks if network} <= set(group.networks)


def disconnected(group: CapGroup, guest: Guest) -> str:
    return (
        f"group {group.name} is not connected to a network required by instance"
        f" {guest.name}"
    )


def outcome(attempt: Attempt) -> str:
    """What an attempt came to, in hail's words."""
    reasons = ", ".join(
        f"Fail{mode}: {number}"
        for mode, number in failures_of(attempt.failures).items()
    )
    if attempt.choice is None:
        return f"No valid allocation solutions, failure reasons: {reasons}"
    names = "/".join(chosen_nodes(attempt))
    return (
        f"score: {attempt.choice.score:.8f}, successes {attempt.successes}, failures"
        f" {failed(attempt.failures)} ({reasons}) for node(s) {names}"
    )


def failed(counts: Counts) -> int:
    """How many places failed."""
    return sum(counts)


def chosen_nodes(attempt: Attempt) -> Sequence[str]:
    """The names of the nodes that were chosen, the primary first."""
    if attempt.choice is None:
        return ()
    nodes = attempt.state.hardware.nodes
    return tuple(nodes[node].name for node in attempt.choice[:2] if node >= 0)
