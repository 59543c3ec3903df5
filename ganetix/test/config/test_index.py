"""Indexes follow changes without being made anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.index import Index
from ganetix.errors import AlreadyExists
from ganetix.objects import Instance
from ganetix.test.config.support import make_instance


def _node_of(instance: Instance) -> str:
    return instance.primary_node


def _index(*instances: Instance) -> Index[Instance]:
    return Index.of("instance", _node_of, instances)


class IndexTests(SynchronousTestCase):
    """Names and places after objects came, went and changed."""

    def test_names_stay(self) -> None:
        """A change that leaves names alone keeps the very mapping of names."""
        index = _index(make_instance(1), make_instance(2))
        moved = index.moved([make_instance(1)], [make_instance(1, "n2")])
        self.assertIs(moved.names, index.names)
        self.assertEqual(list(moved.at("n2")), ["i1"])

    def test_nothing_moves(self) -> None:
        """A change of other fields keeps the very index."""
        index = _index(make_instance(1))
        self.assertIs(index.moved([make_instance(1)], [make_instance(1)]), index)

    def test_name_taken(self) -> None:
        """A name cannot be taken twice."""
        index = _index(make_instance(1))
        twin = replace(make_instance(2), name="inst1")
        error = self.assertRaises(AlreadyExists, index.moved, [], [twin])
        self.assertEqual(str(error), "there is already an instance named 'inst1'")

    def test_names_swapped(self) -> None:
        """Two objects may exchange their names in one change."""
        one, two = make_instance(1), make_instance(2)
        swapped = [
            replace(one, name=two.name),
            replace(two, name=one.name),
        ]
        moved = _index(one, two).moved([one, two], swapped)
        self.assertEqual(dict(moved.names), {"inst1": "i2", "inst2": "i1"})

    @given(
        st.lists(
            st.dictionaries(
                st.integers(0, 9),
                st.none() | st.tuples(st.integers(0, 9), st.integers(0, 2)),
                max_size=4,
            ),
            max_size=12,
        )
    )
    def test_like_new(self, changes: list[dict[int, tuple[int, int] | None]]) -> None:
        """After any changes the index is what it would be if made anew."""
        objects: dict[int, Instance] = {}
        index = _index()
        for change in changes:
            gone = [objects[key] for key in change if key in objects]
            come = {
                key: replace(make_instance(key, f"n{to[1]}"), name=f"name{to[0]}")
                for key, to in change.items()
                if to is not None
            }
            after = {k: o for k, o in objects.items() if k not in change} | come
            if len({o.name for o in after.values()}) < len(after):
                self.assertRaises(AlreadyExists, index.moved, gone, come.values())
                continue
            index = index.moved(gone, come.values())
            objects = after
            self.assertEqual(index, _index(*objects.values()))
