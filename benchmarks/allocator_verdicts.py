"""Two answers of allocators to one request: the same, or which is better?"""

from __future__ import annotations

from typing import NamedTuple

from allocator_cases import Case

from ganetix.plan.allocate.attempt import guest_of
from ganetix.plan.allocate.outlook import score_of
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.model import TWO_NODES
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    Answer,
    AnyRequest,
    ChangeGroup,
    Moves,
    MultiAllocate,
    NodeEvacuate,
    Nodes,
    Placements,
    Relocate,
)
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.tags import Tagging


class Verdict(NamedTuple):
    """``same``, ``same-refusal``, ``tie``, ``better``, ``WORSE``, ``DIFFERENT``."""

    word: str
    detail: str = ""


def judged(case: Case, theirs: Answer, ours: Answer) -> Verdict:
    """How our answer compares to hail's."""
    if theirs.result is None or ours.result is None:
        if theirs.result is ours.result:
            return Verdict("same-refusal")
        return Verdict("DIFFERENT", "only one finds a place")
    if isinstance(theirs.result, Nodes) and isinstance(ours.result, Nodes):
        if theirs.result.nodes == ours.result.nodes:
            return Verdict("same")
        return _by_score(
            case, [], _named(case, theirs.result), _named(case, ours.result)
        )
    their, our = _list(theirs), _list(ours)
    before: list[Placed] = []
    for (name, their_nodes), (_name, our_nodes) in zip(their, our, strict=True):
        if their_nodes != our_nodes:
            if not their_nodes or not our_nodes:
                return Verdict("DIFFERENT", f"{name}: only one finds a place")
            return _by_score(case, before, (name, their_nodes), (name, our_nodes))
        if their_nodes:
            before.append((name, their_nodes))
    return Verdict("same" if before else "same-refusal")


Placed = tuple[str, tuple[str, ...]]


def _list(found: Answer) -> list[Placed]:
    result = found.result
    if isinstance(result, Placements):
        entries = [(one.instance, one.nodes) for one in result.placed]
    elif isinstance(result, Moves):
        entries = [(one.instance, one.nodes) for one in result.moved]
    else:
        return []
    return sorted(entries + [(one.instance, ()) for one in result.failed])


def _named(case: Case, result: Nodes) -> Placed:
    """The nodes that the instance of a request for one has in the end."""
    request = case.request
    if isinstance(request, Allocate):
        return request.instance.name, result.nodes
    assert isinstance(request, Relocate | AllocateSecondary)
    name = request.instance
    one = next(one for one in case.cluster.instances if one.name == name)
    if isinstance(request, Relocate) and one.template not in TWO_NODES:
        return name, result.nodes
    return name, (one.primary, *result.nodes)


def _by_score(
    case: Case, before: list[Placed], theirs: Placed, ours: Placed
) -> Verdict:
    """Which choice is better, after what was the same."""
    state = ClusterState.of(case.cluster)
    numbers = {guest.name: at for at, guest in enumerate(state.guests)}
    order = _asked(case.request)
    before.sort(key=lambda placed: order.index(placed[0]))
    scores = []
    for placed in (theirs, ours):
        mark = state.mark()
        for name, nodes in [*before, placed]:
            homes = [state.hardware.index[node] for node in nodes]
            if name in numbers:
                state.lift(numbers[name])
                state.put(numbers[name], *homes)
            else:
                state.add(_guest(case.request, name), *homes)
        group = int(state.hardware.group[state.hardware.index[placed[1][0]]])
        members = state.hardware.members[group]
        if isinstance(case.request, (Allocate, MultiAllocate, AllocateSecondary)):
            members = state.hardware.online
        scores.append(score_of(state, members, Tagging(state)))
        state.rollback(mark)
    detail = f"{theirs} {scores[0]:.12f} / {ours} {scores[1]:.12f}"
    gain = scores[0] - scores[1]
    if abs(gain) <= 1e-9 * max(1.0, abs(scores[0])):
        return Verdict("tie", detail)
    return Verdict("better" if gain > 0 else "WORSE", detail)


def _asked(request: AnyRequest) -> list[str]:
    if isinstance(request, MultiAllocate):
        return [one.name for one in request.instances]
    if isinstance(request, (NodeEvacuate, ChangeGroup)):
        return list(request.instances)
    return []


def _guest(request: AnyRequest, name: str) -> Guest:
    if isinstance(request, Allocate):
        return guest_of(request.instance)
    assert isinstance(request, MultiAllocate)
    return guest_of(next(one for one in request.instances if one.name == name))
