"""A secondary node for an instance that has none yet."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.errors import NoResources
from ganetix.plan.allocate.attempt import Allocation, Attempt
from ganetix.plan.capacity.hardware import NONE


def secondary_for(allocation: Allocation, number: int) -> Attempt:
    """The best secondary for an instance that becomes a pair with its primary.

    :raises NoResources: it has one, or its primary is offline
    """
    state = allocation.state
    hardware = state.hardware
    primary, secondary = state.homes[number]
    if secondary != NONE:
        raise NoResources("Instance already has a secondary")
    if not hardware.is_online[primary]:
        raise NoResources(
            f"Instance's primary node {hardware.nodes[primary].name} is offline"
        )
    members = hardware.members[int(hardware.group[primary])]
    guest = replace(state.guests[number], template="drbd")
    state.lift(number)
    allocation.forget()
    online = members[hardware.is_online[members]]
    return allocation.attempt(guest, online, primary=primary)
