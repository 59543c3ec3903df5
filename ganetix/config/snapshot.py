"""One immutable state of the whole configuration, and changes to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TypeVar

from msgspec.structs import replace

from ganetix.config.alike import alike
from ganetix.config.index import Index
from ganetix.errors import NotFound
from ganetix.objects import Cluster, ConfigObject, Instance, JoinToken, Node, NodeGroup
from ganetix.objects.base import Value
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.words import some

O = TypeVar("O", bound=ConfigObject)  # noqa: E741


class Snapshot(Value, frozen=True, kw_only=True, dict=True):
    """The configuration at one revision; all mappings are by UUID and read-only.

    ``tokens`` are nodes that were promised a place; ``intents`` are creations and
    removals under way or cut short, by the instance's UUID. The indexes are made when
    first used; ``changed`` carries them over.
    """

    revision: int
    cluster: Cluster
    groups: Mapping[str, NodeGroup]
    nodes: Mapping[str, Node]
    instances: Mapping[str, Instance]
    tokens: Mapping[str, JoinToken]
    intents: Mapping[str, InstanceIntent]

    @cached_property
    def group_index(self) -> Index[NodeGroup]:
        """Groups by name."""
        return Index.of("group", _nowhere, self.groups.values())

    @cached_property
    def node_index(self) -> Index[Node]:
        """Nodes by name and by group."""
        return Index.of("node", _group_of, self.nodes.values())

    @cached_property
    def instance_index(self) -> Index[Instance]:
        """Instances by name and by primary node."""
        return Index.of("instance", _primary_node_of, self.instances.values())

    def node(self, name: str) -> Node:
        """The node of that name or UUID; ``NotFound`` tells if it is only reserved."""
        try:
            return _find(name, self.nodes, self.node_index)
        except NotFound:
            reserved = (token.node for token in self.tokens.values())
            if any(name in (node.name, node.uuid) for node in reserved):
                raise NotFound(
                    f"node {name} is reserved and has not joined yet", node=name
                ) from None
            raise

    def group(self, name: str | None) -> NodeGroup:
        """The group of that name or UUID; the default group for None."""
        wanted = self.cluster.default_group if name is None else name
        return _find(wanted, self.groups, self.group_index)

    def instance(self, name: str) -> Instance:
        """The instance of that name or UUID."""
        return _find(name, self.instances, self.instance_index)

    def nodes_of(self, group_uuid: str) -> tuple[Node, ...]:
        """The group's nodes by name."""
        return tuple(self.nodes[uuid] for uuid in self.node_index.at(group_uuid))

    def instances_on(self, node_uuid: str) -> tuple[Instance, ...]:
        """The instances whose primary node this is, by name."""
        there = self.instance_index.at(node_uuid)
        return tuple(self.instances[uuid] for uuid in there)

    def changed(self, **fields: object) -> Snapshot:
        """This snapshot with other fields or indexes.

        An index that is not among them stays if its objects are the same.
        """
        indexes = {
            index: fields.pop(index, self.__dict__.get(index))
            for index, objects in _INDEXED
            if index in fields or objects not in fields
        }
        snapshot = replace(self, **fields)
        kept = ((name, index) for name, index in indexes.items() if index is not None)
        snapshot.__dict__.update(kept)
        return snapshot


_INDEXED = (
    ("group_index", "groups"),
    ("node_index", "nodes"),
    ("instance_index", "instances"),
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


def _nowhere(_: NodeGroup) -> str:
    return ""


def _group_of(node: Node) -> str:
    return node.group


def _primary_node_of(instance: Instance) -> str:
    return instance.primary_node


def _find(name: str, objects: Mapping[str, O], index: Index[O]) -> O:
    found = objects.get(name) or objects.get(index.names.get(name, ""))
    if found is None:
        message = _not_found(index.kind, name, index.names)
        raise NotFound(message, **{index.kind: name})
    return found


def _not_found(kind: str, name: str, known: Collection[str]) -> str:
    if not known:
        return f"there is no {kind} {name!r}: there are none at all"
    if close := alike(name, known):
        return f"there is no {kind} {name!r}; did you mean {', '.join(close)}?"
    return f"there is no {kind} {name!r}; there are {some(known)}"
