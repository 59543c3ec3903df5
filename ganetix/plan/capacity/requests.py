"""What an allocator is asked, and what it answers: values, whoever the allocator is.

Memory and disk are MiB; nodes and instances go by name, groups by UUID.
"""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import Value
from ganetix.objects.params import CapacityOverrides, CapacityParams
from ganetix.plan.capacity.model import TWO_NODES, Template, TieredSpec

BUILTIN = "builtin"
"""The name of our own allocator, which is always there."""

EvacuationMode = Literal["primary-only", "secondary-only", "all"]


class Newcomer(Value, frozen=True, kw_only=True):
    """An instance that is to be placed.

    ``disk`` is what it takes of a node's disk in all, ``disks`` the single sizes.
    ``networks`` has one entry a NIC, empty if it is on none that is managed. If
    ``restrict_to_nodes`` is not empty, only these nodes are good.
    """

    name: str
    memory: int
    vcpus: int
    disk: int
    template: Template
    disks: tuple[int, ...] = ()
    disk_spindles: int | None = None
    spindle_use: int = 1
    networks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    os: str = ""
    hypervisor: str = ""
    restrict_to_nodes: tuple[str, ...] = ()

    @property
    def node_count(self) -> int:
        """How many nodes it takes."""
        return 2 if self.template in TWO_NODES else 1


class Asked(Value, frozen=True, kw_only=True, tag_field="type"):
    """Base of all requests; the tag is the protocol's name of the type."""


class Allocate(Asked, frozen=True, kw_only=True, tag="allocate"):
    """Place one instance; in one group if it is named, by name or UUID."""

    instance: Newcomer
    group: str = ""


class MultiAllocate(Asked, frozen=True, kw_only=True, tag="multi-allocate"):
    """Place several instances, one after the other."""

    instances: tuple[Newcomer, ...]
    group: str = ""


class Relocate(Asked, frozen=True, kw_only=True, tag="relocate"):
    """Another node for an instance in place of ``relocate_from``.

    That is the secondary node of a mirrored one, the only node of any other.
    """

    instance: str
    relocate_from: tuple[str, ...]


class NodeEvacuate(Asked, frozen=True, kw_only=True, tag="node-evacuate"):
    """Take instances off their primary nodes, secondary nodes, or both."""

    instances: tuple[str, ...]
    mode: EvacuationMode


class ChangeGroup(Asked, frozen=True, kw_only=True, tag="change-group"):
    """Move instances to one of the groups; none named: any they are not in."""

    instances: tuple[str, ...]
    target_groups: tuple[str, ...] = ()


class AllocateSecondary(Asked, frozen=True, kw_only=True, tag="allocate-secondary"):
    """A secondary node for an instance that becomes a mirrored one."""

    instance: str


class Capacity(Asked, frozen=True, kw_only=True, tag="capacity"):
    """How many more fit into each of the groups; none named: all.

    ``parameters`` by group UUID; what they leave open comes from the group's policy:
    its largest instance, its first template, its CPU ratio, the whole disk.
    """

    groups: tuple[str, ...] = ()
    parameters: dict[str, CapacityOverrides] = {}


AnyRequest = (
    Allocate
    | MultiAllocate
    | Relocate
    | NodeEvacuate
    | ChangeGroup
    | AllocateSecondary
    | Capacity
)


class Found(Value, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all results."""


class Nodes(Found, frozen=True, kw_only=True, tag="nodes"):
    """The nodes for one instance, the primary first; a relocation's is the new one."""

    nodes: tuple[str, ...]


class Placement(Value, frozen=True, kw_only=True):
    """The nodes that one of several instances gets; ``group`` is a name, if known."""

    instance: str
    nodes: tuple[str, ...]
    group: str = ""


class NotPlaced(Value, frozen=True, kw_only=True):
    """One of several instances that found no place, and why."""

    instance: str
    reason: str = ""


class Placements(Found, frozen=True, kw_only=True, tag="placements"):
    """What a ``MultiAllocate`` came to."""

    placed: tuple[Placement, ...]
    failed: tuple[NotPlaced, ...] = ()


MoveKind = Literal["migrate", "failover", "replace-secondary"]


class Move(Value, frozen=True, kw_only=True):
    """One step: ``node`` is the new node; a mirrored instance's migration has none."""

    kind: MoveKind
    instance: str
    node: str = ""


class Moves(Found, frozen=True, kw_only=True, tag="moves"):
    """What an evacuation or change of group comes to: moves, a job a list of them."""

    moved: tuple[Placement, ...]
    failed: tuple[NotPlaced, ...] = ()
    jobs: tuple[tuple[Move, ...], ...] = ()


class GroupCapacity(Value, frozen=True, kw_only=True):
    """How many more fit into one group, larger ones first, with these parameters.

    ``reason`` is empty unless nothing could be tried.
    """

    tspecs: tuple[TieredSpec, ...]
    parameters: CapacityParams
    reason: str = ""


class Capacities(Found, frozen=True, kw_only=True, tag="capacities"):
    """The cluster's list is the sum of the groups'; those by UUID."""

    cluster: tuple[TieredSpec, ...]
    groups: dict[str, GroupCapacity]


Result = Nodes | Placements | Moves | Capacities


class Answer(Value, frozen=True, kw_only=True):
    """What an allocator says: ``result`` is None if it found no solution."""

    info: str
    result: Result | None = None


class Candidate(Value, frozen=True, kw_only=True):
    """Nodes where an instance may go, the primary first; a lower score is better."""

    nodes: tuple[str, ...]
    group: str
    score: float


class Refusal(Value, frozen=True, kw_only=True):
    """A node where it may not go, and why; with a secondary, in neither role."""

    node: str
    reason: str

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.node}: {self.reason}"


class Comparison(Value, frozen=True, kw_only=True):
    """How the built-in allocator decides on a new instance.

    ``chosen`` is None if nothing will do; ``runners_up`` are the next best places, the
    best first. ``groups`` says why whole groups are out.
    """

    chosen: Candidate | None
    runners_up: tuple[Candidate, ...] = ()
    refused: tuple[Refusal, ...] = ()
    groups: tuple[str, ...] = ()
