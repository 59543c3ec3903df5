"""Roles of nodes, and how they change: one table. Pure.

Each node has one role. A fail-over makes the master; a candidate keeps a copy of the
state; a regular node runs instances only; a drained one gets no new instances; an
offline one is never contacted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from ganetix.config.snapshot import Snapshot
from ganetix.errors import WrongState
from ganetix.objects import Cluster, Node
from ganetix.objects.base import Value

Role = Literal["master", "candidate", "regular", "drained", "offline"]
Wish = Literal["online", "undrain", "demote", "promote", "drain", "offline"]

WISHES: Sequence[Wish] = ("online", "undrain", "demote", "promote", "drain", "offline")
"""All wishes, in the order in which those of one request are granted."""


class Never(Value, frozen=True):
    """Why a role cannot change so; ``{name}`` stands for the node's name."""

    reason: str


_MASTER = "node {name} is the master: 'gnt-cluster master-failover' gives that up first"
_OFFLINE = "node {name} is offline: --offline no brings it back first"
_DRAINED = "node {name} is drained: --drained no ends that first"

TRANSITIONS: Mapping[Role, Mapping[Wish, Role | Never]] = {
    "master": {
        "online": "master",
        "undrain": "master",
        "demote": Never(_MASTER),
        "promote": "master",
        "drain": Never(_MASTER),
        "offline": Never(_MASTER),
    },
    "candidate": {
        "online": "candidate",
        "undrain": "candidate",
        "demote": "regular",
        "promote": "candidate",
        "drain": "drained",
        "offline": "offline",
    },
    "regular": {
        "online": "regular",
        "undrain": "regular",
        "demote": "regular",
        "promote": "candidate",
        "drain": "drained",
        "offline": "offline",
    },
    "drained": {
        "online": "drained",
        "undrain": "regular",
        "demote": "drained",
        "promote": Never(_DRAINED),
        "drain": "drained",
        "offline": "offline",
    },
    "offline": {
        "online": "regular",
        "undrain": "offline",
        "demote": "offline",
        "promote": Never(_OFFLINE),
        "drain": Never(_OFFLINE),
        "offline": "offline",
    },
}
"""What becomes of a node in each role at each wish."""


def role_of(node: Node, cluster: Cluster) -> Role:
    """The role of a node."""
    if node.uuid == cluster.master_node:
        return "master"
    if node.offline:
        return "offline"
    if node.drained:
        return "drained"
    return "candidate" if node.master_candidate else "regular"


def with_role(node: Node, role: Role) -> Node:
    """The node in another role."""
    return replace(
        node,
        master_candidate=role in ("master", "candidate"),
        offline=role == "offline",
        drained=role == "drained",
    )


def changed_role(node: Node, wishes: Sequence[Wish], snapshot: Snapshot) -> Node:
    """The node after these wishes; ``WrongState`` says which cannot be granted."""
    role = role_of(node, snapshot.cluster)
    for wish in WISHES:
        if wish not in wishes:
            continue
        outcome = TRANSITIONS[role][wish]
        if isinstance(outcome, Never):
            raise WrongState(outcome.reason.format(name=node.name), node=node.name)
        role = outcome
    if role == "candidate" and not node.master_capable:
        raise WrongState(
            f"node {node.name} is not master capable, so it cannot be a candidate:"
            " --master-capable yes comes first",
            node=node.name,
        )
    if role_of(node, snapshot.cluster) == role:
        return node
    return with_role(node, role)
