"""Tests for the pool of master candidates."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.objects import Node
from ganetix.plan.candidates import (
    balance,
    may_be_candidate,
    promoted,
    with_promotions,
)
from ganetix.testing.config import apply, make_node, make_snapshot, uuid_of


def cluster(*nodes: Node, size: int = 3, **minimums: int) -> Snapshot:
    """A cluster with a pool of that size; groups with their minimums."""
    master = replace(nodes[0], master_candidate=True)
    names = tuple(dict.fromkeys(("default", *minimums)))
    made = make_snapshot(master, *nodes[1:], groups=names)
    groups = (
        replace(made.groups[uuid_of(name)], min_candidates=least)
        for name, least in minimums.items()
    )
    return apply(
        made, Edits(put=(replace(made.cluster, candidate_pool_size=size), *groups))
    )


def nodes(count: int, group: str = "default", first: int = 1) -> tuple[Node, ...]:
    """Nodes of one group."""
    numbers = range(first, first + count)
    return tuple(make_node(f"node{n}", group, last=10 + n) for n in numbers)


def names(promotions: tuple[Node, ...]) -> list[str]:
    """Who is promoted."""
    return [node.name for node in promotions]


class BalanceTests(SynchronousTestCase):
    """Tests for ``balance`` and what is made of it."""

    def test_fills_the_pool(self) -> None:
        """The pool is filled up to its size, by name."""
        self.assertEqual(names(balance(cluster(*nodes(5)))), ["node2", "node3"])

    def test_full_pool(self) -> None:
        """Nobody is promoted into a full pool, nor demoted from one too large."""
        one, *others = nodes(3)
        candidates = [replace(node, master_candidate=True) for node in others]
        self.assertEqual(balance(cluster(one, *candidates, size=1)), ())

    def test_unfit(self) -> None:
        """Nodes that are offline, drained or not master capable are passed over."""
        one, two, three, four = nodes(4)
        snapshot = cluster(
            one,
            replace(two, offline=True),
            replace(three, drained=True),
            replace(four, master_capable=False),
        )
        self.assertEqual(balance(snapshot), ())

    def test_minimum_of_a_group(self) -> None:
        """A group gets its minimum although the pool has its size without it."""
        snapshot = cluster(*nodes(2), *nodes(3, "rack2", 3), size=1, rack2=2)
        self.assertEqual(names(balance(snapshot)), ["node3", "node4"])

    def test_spreads(self) -> None:
        """The pool is filled from the group that has the fewest candidates."""
        snapshot = cluster(*nodes(3), *nodes(3, "rack2", 4), size=4, rack2=0)
        self.assertEqual(names(balance(snapshot)), ["node4", "node2", "node3"])

    def test_no_other_group_is_half_the_pool(self) -> None:
        """Any group but the master's may be down, and a majority is left."""
        snapshot = cluster(*nodes(2), *nodes(2, "rack2", 3), size=10, rack2=0)
        self.assertEqual(names(balance(snapshot)), ["node3", "node2"])

    def test_two_candidates(self) -> None:
        """A second candidate is worth more than its place: two need no majority."""
        snapshot = cluster(*nodes(1), *nodes(3, "rack2", 2), size=10, rack2=0)
        self.assertEqual(names(balance(snapshot)), ["node2"])

    def test_spare(self) -> None:
        """A node to be spared is passed over."""
        snapshot = cluster(*nodes(3), size=2)
        self.assertEqual(names(balance(snapshot, {uuid_of("node2")})), ["node3"])

    def test_with_the_change(self) -> None:
        """A change that takes a candidate away brings another in the same edits."""
        one, two, three = nodes(3)
        two = replace(two, master_candidate=True)
        snapshot = cluster(one, two, three, size=2)
        edits = with_promotions(snapshot, Edits(delete=(two,)))
        self.assertEqual(
            names(tuple(n for n in edits.put if isinstance(n, Node))), ["node3"]
        )
        self.assertEqual(edits.delete, (two,))

    def test_with_a_change_of_the_same_node(self) -> None:
        """A node that comes back is put once: changed, and promoted."""
        one, two = nodes(2)
        snapshot = cluster(one, replace(two, offline=True))
        edits = with_promotions(snapshot, Edits(put=(two,)))
        self.assertEqual(edits.put, (replace(two, master_candidate=True),))

    def test_raised_size(self) -> None:
        """The size may be part of the change."""
        snapshot = cluster(*nodes(3), size=1)
        larger = replace(snapshot.cluster, candidate_pool_size=2)
        self.assertEqual(names(promoted(snapshot, Edits(put=(larger,)))), ["node2"])

    @given(
        flags=st.lists(st.tuples(*[st.booleans()] * 5), min_size=1, max_size=9),
        size=st.integers(1, 6),
        least=st.integers(0, 3),
    )
    def test_properties(
        self, flags: list[tuple[bool, ...]], size: int, least: int
    ) -> None:
        """After promotions nothing is lacking that a fit node could fill; only fit
        nodes are promoted; and no more than needed."""
        made = [
            replace(
                make_node(f"node{n}", "rack2" if in_rack2 else "default", last=10 + n),
                master_candidate=candidate,
                offline=offline,
                drained=drained,
                master_capable=capable,
            )
            for n, (candidate, offline, drained, capable, in_rack2) in enumerate(flags)
        ]
        made[0] = replace(made[0], offline=False, drained=False)
        snapshot = cluster(*made, size=size, default=least, rack2=least)
        promotions = balance(snapshot)
        after = apply(snapshot, Edits(put=promotions))
        self.assertEqual(balance(after), ())
        self.assertTrue(all(may_be_candidate(node) for node in promotions))
        before = Counter(n.group for n in snapshot.nodes.values() if n.master_candidate)
        per_group = Counter(node.group for node in promotions)
        for group, count in per_group.items():
            if before[group] + count > least:
                total = before.total() + len(promotions)
                self.assertLessEqual(total - 1, max(size, 2 * least))
