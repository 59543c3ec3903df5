"""What an instance's and a node's state is called: pure."""

from __future__ import annotations

from typing import Literal

from ganetix.objects import Cluster, GuestInfo, Instance, Node
from ganetix.plan import roles

InstanceStatus = Literal[
    "running",
    "ADMIN_down",
    "ADMIN_offline",
    "USER_down",
    "ERROR_down",
    "ERROR_up",
    "ERROR_nodedown",
    "ERROR_nodeoffline",
]
NodeState = Literal["live", "offline", "unreachable"]


def is_up(guest: GuestInfo | None) -> bool:
    """Whether the guest's process is there."""
    return guest is not None and guest.is_up


def status_of(
    instance: Instance, guest: GuestInfo | None, node: NodeState
) -> InstanceStatus:
    """Ganeti's word for what should be and what is.

    :param guest: what the primary node knows of it, None if nothing
    :param node: whether the primary node was asked and answered
    """
    if node == "offline":
        return "ERROR_nodeoffline"
    if node == "unreachable":
        return "ERROR_nodedown"
    if is_up(guest):
        return "running" if instance.admin_state == "up" else "ERROR_up"
    if instance.admin_state == "offline":
        return "ADMIN_offline"
    if instance.admin_state == "down":
        by_user = instance.admin_state_source == "user"
        return "USER_down" if by_user else "ADMIN_down"
    if guest is not None and guest.state == "user-down":
        return "USER_down"
    return "ERROR_down"


def role_of(node: Node, cluster: Cluster) -> str:
    """Ganeti's letter for a node's role."""
    return roles.role_of(node, cluster)[0].upper()
