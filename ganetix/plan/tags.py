"""Adding tags to objects and removing them. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import NoResources, NotFound
from ganetix.objects import ConfigObject
from ganetix.opcodes import OpTagsAdd, OpTagsRemove
from ganetix.opcodes.tags import MOST_TAGS, TaggedKind


def tagged(snapshot: Snapshot, kind: TaggedKind, name: str) -> ConfigObject:
    """The object of that kind and name."""
    match kind:
        case "cluster":
            return snapshot.cluster
        case "group":
            return snapshot.group(name)
        case "node":
            return snapshot.node(name)
        case "instance":
            return snapshot.instance(name)


def with_tags(op: OpTagsAdd, snapshot: Snapshot) -> Edits:
    """The object with more tags, in order; ``NoResources`` if they are too many."""
    found = tagged(snapshot, op.kind, op.name)
    tags = {*found.tags, *op.tags}
    if len(tags) > MOST_TAGS:
        raise NoResources(
            f"{op.kind} {found.name} would have {len(tags)} tags; {MOST_TAGS} are"
            " possible"
        )
    return _edits(found, tags)


def without_tags(op: OpTagsRemove, snapshot: Snapshot) -> Edits:
    """The object with fewer tags; ``NotFound`` names those that it has not."""
    found = tagged(snapshot, op.kind, op.name)
    if missing := sorted({*op.tags} - {*found.tags}):
        noun = "tag" if len(missing) == 1 else "tags"
        raise NotFound(f"{op.kind} {found.name} has no {noun} {', '.join(missing)}")
    return _edits(found, {*found.tags} - {*op.tags})


def _edits(found: ConfigObject, tags: set[str]) -> Edits:
    if tags == {*found.tags}:
        return Edits()
    return Edits(put=(replace(found, tags=tuple(sorted(tags))),))
