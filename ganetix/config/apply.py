"""Edits applied to a snapshot: all checks, and what to write. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar, cast

from msgspec.structs import replace

from ganetix.config.index import Index, copied
from ganetix.config.rows import KIND_OF, key_of, row_of
from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import (
    BadParameter,
    Bug,
    ConfigConflict,
    NotFound,
    WrongState,
)
from ganetix.objects import Cluster, ConfigObject, Instance, Node, NodeGroup
from ganetix.objects.base import Value
from ganetix.state.rows import Row

O = TypeVar("O", bound=ConfigObject)  # noqa: E741
V = TypeVar("V", bound=Value)


def applied(
    head: Snapshot, edits: Edits, now: float
) -> tuple[Snapshot, tuple[Row, ...]]:
    """The snapshot after these edits, and the rows that make it durable.

    The revision stays the head's; it is known once the rows are written. Raises
    ``ConfigConflict``, ``AlreadyExists``, ``NotFound``, ``WrongState`` or
    ``BadParameter``, naming the object.

    :param now: seconds since the epoch, the new ``mtime``
    """
    _check_once(edits)
    puts = [_stamped(head, each, now) for each in edits.put]
    deletes = [_to_delete(head, each) for each in edits.delete]
    after = _with_objects(head, puts, deletes)
    after = after.changed(
        tokens=_edited("token", head.tokens, edits.put_tokens, edits.delete_tokens),
        intents=_edited(
            "intent", head.intents, edits.put_intents, edits.delete_intents
        ),
    )
    _check_references(after, puts, deletes)
    written = (*puts, *edits.put_tokens, *edits.put_intents)
    gone = [
        *((KIND_OF[type(each)], each.uuid) for each in deletes),
        *(("token", key) for key in edits.delete_tokens),
        *(("intent", key) for key in edits.delete_intents),
    ]
    return after, (*map(row_of, written), *(Row(*where, None) for where in gone))


def is_empty(edits: Edits) -> bool:
    """Whether nothing would change."""
    return edits == Edits()


def _check_once(edits: Edits) -> None:
    touched = [
        *((KIND_OF.get(type(each)), each.uuid) for each in (*edits.put, *edits.delete)),
        *(("token", key_of(each)) for each in edits.put_tokens),
        *(("token", key) for key in edits.delete_tokens),
        *(("intent", key_of(each)) for each in edits.put_intents),
        *(("intent", key) for key in edits.delete_intents),
    ]
    seen = set()
    for kind, key in touched:
        if kind is None:
            raise Bug(f"the configuration has no place for {key}")
        if (kind, key) in seen:
            raise Bug(f"a change touches {kind} {key} twice")
        seen.add((kind, key))


def _in_head(head: Snapshot, given: ConfigObject) -> ConfigObject | None:
    match given:
        case Cluster():
            return head.cluster if head.cluster.uuid == given.uuid else None
        case NodeGroup():
            return head.groups.get(given.uuid)
        case Node():
            return head.nodes.get(given.uuid)
        case Instance():
            return head.instances.get(given.uuid)
        case _:
            raise Bug(f"the configuration has no place for {type(given).__name__}")


def _stamped(head: Snapshot, given: ConfigObject, now: float) -> ConfigObject:
    kind = KIND_OF[type(given)]
    if (
        not given.name.isprintable()
        or not given.name
        or given.name != given.name.strip()
    ):
        allowed = "printable characters, no space at either end"
        raise BadParameter(f"{kind} name {given.name!r}: allowed are {allowed}")
    known = _in_head(head, given)
    if known is None:
        # What was read from the configuration has been given a time.
        if given.serial_no != 1 or given.ctime:
            message = f"{kind} {given.name} was removed since it was read"
            raise ConfigConflict(message, **{kind: given.name})
        if isinstance(given, Cluster):
            raise Bug(f"there is one cluster already, {head.cluster.name}")
        return replace(given, ctime=now, mtime=now)
    if given.serial_no != known.serial_no:
        raise ConfigConflict(
            f"{kind} {known.name} changed since it was read (serial number"
            f" {given.serial_no}, now {known.serial_no}); try again",
            **{kind: known.name},
        )
    return replace(given, serial_no=known.serial_no + 1, mtime=now)


def _to_delete(head: Snapshot, given: ConfigObject) -> ConfigObject:
    kind = KIND_OF[type(given)]
    if isinstance(given, Cluster):
        raise Bug("the cluster object cannot be deleted")
    known = _in_head(head, given)
    if known is None:
        message = f"there is no {kind} {given.name!r} to delete"
        raise NotFound(message, **{kind: given.name})
    return known


def _with_objects(
    head: Snapshot, puts: list[ConfigObject], deletes: list[ConfigObject]
) -> Snapshot:
    fields: dict[str, object] = {}
    for each in puts:
        if isinstance(each, Cluster):
            fields["cluster"] = each

    def edit(
        kind: type[O], name: str, objects: Mapping[str, O], index_name: str
    ) -> None:
        put = [each for each in puts if isinstance(each, kind)]
        delete = [each for each in deletes if isinstance(each, kind)]
        if not put and not delete:
            return
        old = [objects[each.uuid] for each in put if each.uuid in objects]
        index = cast("Index[O]", getattr(head, index_name))
        fields[index_name] = index.moved((*old, *delete), put)
        uuids = [each.uuid for each in delete]
        fields[name] = _edited(name, objects, put, uuids)

    edit(NodeGroup, "groups", head.groups, "group_index")
    edit(Node, "nodes", head.nodes, "node_index")
    edit(Instance, "instances", head.instances, "instance_index")
    return head.changed(**fields) if fields else head


def _edited(
    kind: str, values: Mapping[str, V], put: Iterable[V], delete: Iterable[str]
) -> Mapping[str, V]:
    puts = {key_of(each): each for each in put}
    deletes = list(delete)
    if not puts and not deletes:
        return values
    edited = copied(values)
    edited.update(puts)
    for key in deletes:
        if edited.pop(key, None) is None:
            raise NotFound(f"there is no {kind} {key} to delete")
    return MappingProxyType(edited)


def _check_references(
    after: Snapshot, puts: list[ConfigObject], deletes: list[ConfigObject]
) -> None:
    for each in puts:
        match each:
            case Cluster():
                _must_exist(each, "group", each.default_group, after.groups)
                _must_exist(each, "node", each.master_node, after.nodes)
            case Node():
                _must_exist(each, "group", each.group, after.groups)
            case Instance():
                _must_exist(each, "node", each.primary_node, after.nodes)
    for each in deletes:
        match each:
            case NodeGroup():
                _must_be_free(each, "nodes", after.node_index)
                if each.uuid == after.cluster.default_group:
                    raise WrongState(
                        f"group {each.name} is the default group; it stays"
                    )
            case Node():
                _must_be_free(each, "instances", after.instance_index)
                if each.uuid == after.cluster.master_node:
                    raise WrongState(f"node {each.name} is the master node; it stays")


def _must_exist(
    owner: ConfigObject, kind: str, uuid: str, known: Mapping[str, object]
) -> None:
    if uuid not in known:
        of = KIND_OF[type(owner)]
        message = f"{of} {owner.name} refers to {kind} {uuid}, which does not exist"
        raise NotFound(message, **{of: owner.name})


def _must_be_free(gone: ConfigObject, what: str, index: Index[O]) -> None:
    if names := [name for name, _ in index.places.get(gone.uuid, ())]:
        kind = KIND_OF[type(gone)]
        shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        message = f"{kind} {gone.name} still has {what}: {shown}"
        raise WrongState(message, **{kind: gone.name})
