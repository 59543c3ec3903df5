"""Whether what an allocator answers can be done: an allocator may be anybody's."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ganetix.plan.capacity.model import TWO_NODES, CapCluster
from ganetix.plan.capacity.requests import (
    Move,
    Newcomer,
    NotPlaced,
    Placement,
    Relocate,
)


class Unacceptable(Exception):
    """An answer that must not be followed; the text says why."""


class Checks:
    """What can be said of an answer from the cluster that it is about."""

    def __init__(self, cluster: CapCluster) -> None:
        self._nodes = {node.name: node for node in cluster.nodes}
        self._groups = {group.uuid: group for group in cluster.groups}
        self._instances = {one.name: one for one in cluster.instances}

    def group(self, uuid: str) -> None:
        """A group that is there."""
        if uuid not in self._groups:
            raise Unacceptable(f"there is no group {uuid!r}")

    def nodes(
        self,
        instance: str,
        names: Sequence[str],
        count: int,
        kept: Collection[str] = (),
    ) -> None:
        """So many nodes, all different, of one group, and online unless kept."""
        if len(names) != count:
            listed = ", ".join(names) or "none"
            raise Unacceptable(
                f"instance {instance} needs {count} node{'s'[: count > 1]}, not"
                f" {len(names)}: {listed}"
            )
        if len(set(names)) < len(names):
            raise Unacceptable(f"instance {instance} would have {names[0]} twice")
        for name in names:
            self.node(name, is_kept=name in kept)
        if len({self._nodes[name].group for name in names}) > 1:
            raise Unacceptable(
                f"instance {instance} would be in two groups: {', '.join(names)}"
            )

    def node(self, name: str, *, is_kept: bool = False) -> None:
        """A node that is there, and online unless the instance has been on it."""
        if name not in self._nodes:
            raise Unacceptable(f"there is no node {name!r} in the input")
        if self._nodes[name].offline and not is_kept:
            raise Unacceptable(f"node {name} is offline or drained")

    def newcomer(self, newcomer: Newcomer, names: Sequence[str], group: str) -> None:
        """Nodes for a new instance; ``group`` is empty if any will do."""
        self.nodes(newcomer.name, names, newcomer.node_count)
        for name in names:
            home = self._groups[self._nodes[name].group]
            if group and group not in (home.name, home.uuid):
                raise Unacceptable(
                    f"node {name} is in group {home.name}, not in {group}"
                )
            if newcomer.restrict_to_nodes and name not in newcomer.restrict_to_nodes:
                raise Unacceptable(f"node {name} is not one of those to choose from")

    def relocated(self, request: Relocate, names: Sequence[str]) -> None:
        """The new node of an instance."""
        self.nodes(request.instance, names, 1)
        if names[0] in request.relocate_from:
            raise Unacceptable(
                f"instance {request.instance} would stay on {names[0]}, which it is to"
                " leave"
            )
        self._pairs(request.instance, names[0], request.relocate_from)

    def secondary(self, instance: str, name: str) -> None:
        """A secondary node for an instance that has none."""
        self.node(name)
        self._pairs(instance, name, ())

    def accounted(
        self, asked: Collection[str], found: Sequence[Placement | NotPlaced]
    ) -> None:
        """All instances that were asked about, each once, and no other."""
        names = [one.instance for one in found]
        for name in names:
            if name not in asked:
                raise Unacceptable(f"nobody asked about instance {name!r}")
        for name in asked:
            if names.count(name) != 1:
                times = "is left out" if name not in names else "is there twice"
                raise Unacceptable(f"instance {name} {times}")

    def moved(self, placement: Placement) -> None:
        """The nodes that an instance is to have in the end."""
        instance = self._instances.get(placement.instance)
        if instance is None:
            raise Unacceptable(f"there is no instance {placement.instance!r}")
        count = 2 if instance.template in TWO_NODES else 1
        kept = (instance.primary, instance.secondary)
        self.nodes(placement.instance, placement.nodes, count, kept)

    def step(self, step: Move, asked: Collection[str]) -> None:
        """One step of a job."""
        if step.instance not in asked:
            raise Unacceptable(f"nobody asked to move instance {step.instance!r}")
        if step.node:
            self.node(step.node)

    def _pairs(self, instance: str, name: str, leaving: Sequence[str]) -> None:
        """A mirrored instance's new node goes with the node that it keeps."""
        facts = self._instances.get(instance)
        if facts is None:
            raise Unacceptable(f"there is no instance {instance!r}")
        kept = {facts.primary, facts.secondary} - {"", *leaving}
        if name in kept:
            raise Unacceptable(f"instance {instance} would have {name} twice")
        for other in kept:
            if self._nodes[other].group != self._nodes[name].group:
                raise Unacceptable(
                    f"instance {instance} would be in two groups: {other}, {name}"
                )
