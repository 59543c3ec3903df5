"""Tests for adding and removing tags."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits
from ganetix.errors import NoResources, NotFound
from ganetix.opcodes import OpTagsAdd, OpTagsRemove, summary
from ganetix.opcodes.tags import MOST_TAGS, TAGGED_KINDS
from ganetix.plan.tags import tagged, with_tags, without_tags
from ganetix.testing.config import apply, make_instance, make_node, make_snapshot

WORLD = make_snapshot(
    replace(make_node("node1"), tags=("b", "c")),
    instances=(make_instance("web1", "node1"),),
)
NAMES = {"cluster": "", "group": "default", "node": "node1", "instance": "web1"}


class TagTests(SynchronousTestCase):
    """Tests for tags."""

    def test_every_kind(self) -> None:
        """All four kinds of objects can be tagged, and be rid of it."""
        for kind in TAGGED_KINDS:
            with self.subTest(kind=kind):
                name = NAMES[kind]
                add = OpTagsAdd(kind=kind, name=name, tags=("env:prod", "a"))
                world = apply(WORLD, with_tags(add, WORLD))
                had = tagged(WORLD, kind, name).tags
                self.assertEqual(
                    tagged(world, kind, name).tags,
                    tuple(sorted({"a", "env:prod", *had})),
                )
                remove = OpTagsRemove(kind=kind, name=name, tags=add.tags)
                world = apply(world, without_tags(remove, world))
                self.assertEqual(tagged(world, kind, name).tags, had)

    def test_tag_that_is_there(self) -> None:
        """Adding a tag twice changes nothing."""
        op = OpTagsAdd(kind="node", name="node1", tags=("b", "b"))
        self.assertEqual(with_tags(op, WORLD), Edits())

    def test_tag_that_is_missing(self) -> None:
        """Removing one that is not there is refused by name, and none is removed."""
        op = OpTagsRemove(kind="node", name="node1", tags=("b", "x", "y"))
        error = self.assertRaises(NotFound, without_tags, op, WORLD)
        self.assertEqual(str(error), "node node1 has no tags x, y")

    def test_too_many(self) -> None:
        """An object has a limited number of tags."""
        full = OpTagsAdd(
            kind="instance", name="web1", tags=tuple(map(str, range(MOST_TAGS)))
        )
        world = apply(WORLD, with_tags(full, WORLD))
        op = OpTagsAdd(kind="instance", name="web1", tags=("one-more",))
        error = self.assertRaises(NoResources, with_tags, op, world)
        self.assertIn("would have 4097 tags; 4096 are possible", str(error))

    def test_unknown_object(self) -> None:
        """An object that does not exist has no tags."""
        op = OpTagsAdd(kind="node", name="node9", tags=("a",))
        self.assertRaises(NotFound, with_tags, op, WORLD)

    def test_syntax(self) -> None:
        """Letters, digits and . + * / : @ - _, 1 to 128 of them."""
        for good in ("a", "A9.+*/:@-_", "x" * 128):
            OpTagsAdd(kind="cluster", tags=(good,))
        for bad in ("", "a b", "x" * 129, "ä", "a\n", "a,b", "a=b", "²"):
            with self.subTest(bad=bad):
                error = self.assertRaises(
                    ValueError, OpTagsAdd, kind="cluster", tags=("a", bad)
                )
                self.assertIn("is not a tag: 1 to 128 letters", str(error))

    def test_summary(self) -> None:
        """Lists of jobs name the object that is tagged."""
        op = OpTagsAdd(kind="node", name="node1", tags=("a",))
        self.assertEqual(summary(op), "TAGS_ADD(node1)")
        op = OpTagsAdd(kind="cluster", tags=("a",))
        self.assertEqual(summary(op), "TAGS_ADD(cluster)")

    def test_bad_requests(self) -> None:
        """No tags, no name, or a name for the cluster are refused."""
        for fields, text in (
            ({"kind": "cluster", "tags": ()}, "at least one"),
            ({"kind": "node", "tags": ("a",)}, "name: missing; which node?"),
            ({"kind": "cluster", "name": "x", "tags": ("a",)}, "is not named here"),
        ):
            error = self.assertRaises(ValueError, OpTagsRemove, **fields)
            self.assertIn(text, str(error))
