"""Opcodes on the tags of the cluster, of groups, nodes and instances."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from ganetix.opcodes.base import Opcode

TaggedKind = Literal["cluster", "group", "node", "instance"]
TAGGED_KINDS: tuple[TaggedKind, ...] = ("cluster", "group", "node", "instance")
MOST_TAGS = 4096
"""How many one object can have."""

_TAG = re.compile(r"[A-Za-z0-9.+*/:@_-]{1,128}")


def check_tags(tags: Sequence[str]) -> None:
    """Raise ``ValueError`` unless all are tags, and there is at least one."""
    if not tags:
        raise ValueError("tags: at least one is needed")
    for tag in tags:
        if not _TAG.fullmatch(tag):
            shown = tag if len(tag) <= 140 else f"{tag[:140]}…"
            raise ValueError(
                f"tags: {shown!r} is not a tag: 1 to 128 letters, digits and any of"
                " . + * / : @ - _"
            )


class TagsChange(Opcode, frozen=True, kw_only=True):
    """Tags of one object; the cluster needs no ``name``."""

    SUBJECT: ClassVar[str] = "whose"
    kind: TaggedKind
    name: str = ""
    tags: tuple[str, ...]

    def __post_init__(self) -> None:
        check_tags(self.tags)
        if not self.name and self.kind != "cluster":
            raise ValueError(f"name: missing; which {self.kind}?")
        if self.name and self.kind == "cluster":
            raise ValueError(f"name: {self.name!r}: the cluster is not named here")

    @property
    def whose(self) -> str:
        """The object's name, or that it is the cluster."""
        return self.name or "cluster"


class OpTagsAdd(TagsChange, frozen=True, kw_only=True):
    """Add tags to an object; those that it has already are no error."""


class OpTagsRemove(TagsChange, frozen=True, kw_only=True):
    """Remove tags from an object, all or none: it must have each of them."""
