"""One immutable state of the whole configuration, and changes to it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ganetix.errors import NotFound
from ganetix.objects import Cluster, ConfigObject, Instance, JoinToken, Node, NodeGroup
from ganetix.objects.base import Value
from ganetix.objects.intent import InstanceIntent

O = TypeVar("O", bound=ConfigObject)  # noqa: E741


class Snapshot(Value, frozen=True, kw_only=True):
    """The configuration at one revision; all mappings are by UUID and read-only.

    ``tokens`` are nodes that were promised a place; ``intents`` are creations under
    way or cut short, by the instance's UUID.
    """

    revision: int
    cluster: Cluster
    groups: Mapping[str, NodeGroup]
    nodes: Mapping[str, Node]
    instances: Mapping[str, Instance]
    tokens: Mapping[str, JoinToken]
    intents: Mapping[str, InstanceIntent]

    def node(self, name: str) -> Node:
        """The node of that name or UUID."""
        return _find("node", name, self.nodes)

    def group(self, name: str | None) -> NodeGroup:
        """The group of that name or UUID; the default group for None."""
        return _find("group", name or self.cluster.default_group, self.groups)

    def instance(self, name: str) -> Instance:
        """The instance of that name or UUID."""
        return _find("instance", name, self.instances)

    def nodes_of(self, group_uuid: str) -> tuple[Node, ...]:
        """The group's nodes by name."""
        return tuple(
            sorted(
                (node for node in self.nodes.values() if node.group == group_uuid),
                key=lambda node: node.name,
            )
        )

    def instances_on(self, node_uuid: str) -> tuple[Instance, ...]:
        """The instances whose primary node this is, by name."""
        return tuple(
            sorted(
                (i for i in self.instances.values() if i.primary_node == node_uuid),
                key=lambda instance: instance.name,
            )
        )


class Edits(Value, frozen=True, kw_only=True):
    """What a change does: objects put by UUID, objects deleted.

    An object that is put must carry the ``serial_no`` it was read with; the commit
    raises it, and sets ``mtime`` (a new object's ``ctime`` too).
    """

    put: tuple[ConfigObject, ...] = ()
    delete: tuple[ConfigObject, ...] = ()
    put_tokens: tuple[JoinToken, ...] = ()
    delete_tokens: tuple[str, ...] = ()
    put_intents: tuple[InstanceIntent, ...] = ()
    delete_intents: tuple[str, ...] = ()


Change = Callable[[Snapshot], Edits]
"""A pure function from the current configuration to what should change in it."""


def _find(kind: str, name: str, objects: Mapping[str, O]) -> O:
    found = objects.get(name)
    if found is None:
        found = next((o for o in objects.values() if o.name == name), None)
    if found is None:
        raise NotFound(_not_found(kind, name, (o.name for o in objects.values())))
    return found


def _not_found(kind: str, name: str, names: Iterable[str]) -> str:
    known = sorted(names)
    if close := difflib.get_close_matches(name, known, 3):
        return f"there is no {kind} {name!r}; did you mean {', '.join(close)}?"
    if not known:
        return f"there is no {kind} {name!r}: there are none at all"
    shown = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
    return f"there is no {kind} {name!r}; there are {shown}"
