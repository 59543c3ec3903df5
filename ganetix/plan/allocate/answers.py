"""What the built-in allocator answers to each type of request."""

from __future__ import annotations

from typing import assert_never

from ganetix.errors import NoResources
from ganetix.plan.allocate.attempt import Allocation, guest_of
from ganetix.plan.allocate.evacuation import RELOCATABLE, Evacuation
from ganetix.plan.allocate.groups import (
    Chosen,
    choose_group,
    chosen_nodes,
    group_named,
    in_group,
    outcome,
)
from ganetix.plan.allocate.second import secondary_for
from ganetix.plan.capacity.by_group import capacities
from ganetix.plan.capacity.hardware import NONE
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.part import of_group
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    Answer,
    AnyRequest,
    Capacity,
    ChangeGroup,
    EvacuationMode,
    Moves,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
    Nodes,
    NotPlaced,
    Placement,
    Placements,
    Relocate,
    Result,
)
from ganetix.plan.capacity.state import ClusterState


def answer(cluster: CapCluster, request: AnyRequest) -> Answer:
    """The answer to a request about a cluster; nothing of it is changed.

    That no place was found is an answer, with the reasons in ``info``.

    :raises BadParameter: the request names an instance or group that is not there
    """
    if isinstance(request, Capacity):
        return capacities(cluster, request)
    try:
        allocation = Allocation(ClusterState.of(_asked_about(cluster, request)))
        info, result = _found(allocation, request)
    except NoResources as error:
        return Answer(info=f"Request failed: {error}")
    return Answer(info=f"Request successful: {info}", result=result)


def _asked_about(cluster: CapCluster, request: AnyRequest) -> CapCluster:
    """Only the group that is to be allocated in, if one is named."""
    if isinstance(request, (Allocate, MultiAllocate)) and request.group:
        return of_group(cluster, group_named(cluster.groups, request.group).uuid)
    return cluster


def _found(allocation: Allocation, request: AnyRequest) -> tuple[str, Result]:
    match request:
        case Allocate():
            return _allocate(allocation, request)
        case MultiAllocate():
            return _allocate_each(allocation, request)
        case Relocate():
            return "success", _relocate(allocation, request)
        case NodeEvacuate():
            evacuation = Evacuation(allocation)
            return _counted(evacuation.off_nodes(request.instances, request.mode))
        case ChangeGroup():
            evacuation = Evacuation(allocation)
            return _counted(
                evacuation.to_groups(request.instances, request.target_groups)
            )
        case AllocateSecondary():
            number = Evacuation(allocation).number(request.instance)
            attempt = secondary_for(allocation, number)
            text = outcome(attempt)
            if attempt.choice is None:
                raise NoResources(text)
            return text, Nodes(nodes=tuple(chosen_nodes(attempt)[1:]))
        case Capacity():
            raise AssertionError("capacity needs no state")
        case _:
            assert_never(request)


def _allocate(allocation: Allocation, request: Allocate) -> tuple[str, Nodes]:
    chosen = place(allocation, request.instance, request.group)
    info = ", ".join(chosen.texts)
    if not request.group:
        info = f"Selected group: {chosen.group.name}, {info}"
    return info, Nodes(nodes=tuple(chosen_nodes(chosen.attempt)))


def _allocate_each(
    allocation: Allocation, request: MultiAllocate
) -> tuple[str, Placements]:
    """One after the other; where no group is named, all or none."""
    placed: list[Placement] = []
    failed: list[NotPlaced] = []
    for newcomer in request.instances:
        try:
            chosen = place(allocation, newcomer, request.group)
        except NoResources as error:
            if not request.group:
                raise
            failed.append(NotPlaced(instance=newcomer.name, reason=str(error)))
            continue
        chosen.attempt.adopt()
        placed.append(
            Placement(
                instance=newcomer.name,
                nodes=tuple(chosen_nodes(chosen.attempt)),
                group=chosen.group.name,
            )
        )
    info = (
        f"{len(failed)} instances failed to allocate and {len(placed)} were allocated"
        " successfully"
    )
    return info, Placements(placed=tuple(placed), failed=tuple(failed))


def place(allocation: Allocation, newcomer: Newcomer, group: str) -> Chosen:
    """Where a new instance goes; ``group`` by name or UUID, empty if any will do.

    :raises NoResources: nowhere, and why
    """
    guest = guest_of(newcomer)
    networks, nodes = newcomer.networks, newcomer.restrict_to_nodes
    if group:
        return in_group(allocation, guest, group, networks=networks, nodes=nodes)
    return choose_group(allocation, guest, networks=networks, nodes=nodes)


def _relocate(allocation: Allocation, request: Relocate) -> Nodes:
    """The one new node of an instance."""
    evacuation = Evacuation(allocation)
    state = allocation.state
    number = evacuation.number(request.instance)
    guest = state.guests[number]
    if not guest.is_pair and guest.template not in RELOCATABLE:
        raise NoResources("Can't relocate non-mirrored instances")
    primary, secondary = state.homes[number]
    role, leaving = ("secondary", secondary) if guest.is_pair else ("primary", primary)
    nodes = state.hardware.nodes
    name = "" if leaving == NONE else nodes[leaving].name
    if request.relocate_from != (name,):
        listed = ", ".join(request.relocate_from)
        raise NoResources(
            f"Unsupported request: excluded nodes not equal to instance's {role}"
            f" ({name} versus {listed})"
        )
    mode: EvacuationMode = "secondary-only" if guest.is_pair else "primary-only"
    moves = evacuation.off_nodes([request.instance], mode)
    if moves.failed:
        raise NoResources(moves.failed[0].reason)
    return Nodes(nodes=moves.moved[0].nodes[-1:])


def _counted(moves: Moves) -> tuple[str, Moves]:
    info = (
        f"{len(moves.failed)} instances failed to move and {len(moves.moved)} were"
        " moved successfully"
    )
    return info, moves
