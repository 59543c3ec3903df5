"""Tests for the memory that is left when a node fails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.plan.spare_memory import Guest, Room, stranded


def room(
    name: str, free_mib: int, *movable: Guest, is_open: bool = True, total: int = 8192
) -> Room:
    """A node of that name, which is its UUID too."""
    return Room(
        uuid=name,
        name=name,
        total_mib=total,
        reserved_mib=0,
        free_mib=free_mib,
        guests=movable,
        movable=movable,
        is_open=is_open,
    )


def guest(name: str, memory_mib: int, *targets: str) -> Guest:
    """A guest that can go on at these nodes, or anywhere if there are none."""
    return Guest(name=name, memory_mib=memory_mib, targets=targets or None)


class StrandedTests(SynchronousTestCase):
    """Tests for ``stranded``."""

    def names(self, *rooms: Room) -> dict[str, list[str]]:
        """Names of guests without a place, by the node that fails."""
        return {
            fate.node_name: sorted(each.name for each in fate.guests)
            for fate in stranded(rooms)
        }

    def test_anywhere(self) -> None:
        """Guests that can go anywhere share what is free, the largest first."""
        guests = [guest("a", 300), guest("b", 200), guest("c", 200)]
        fits = self.names(room("n1", 0, *guests), room("n2", 300), room("n3", 400))
        self.assertEqual(fits, {})
        short = self.names(room("n1", 0, *guests), room("n2", 300), room("n3", 399))
        self.assertEqual(short, {"n1": ["c"]})

    def test_only_one_target(self) -> None:
        """A mirrored guest needs its room on its own other node."""
        mirrored = guest("db", 500, "n2")
        self.assertEqual(
            self.names(room("n1", 0, mirrored), room("n2", 499), room("n3", 9000)),
            {"n1": ["db"]},
        )

    def test_the_choosy_go_first(self) -> None:
        """Who can go anywhere leaves room for who cannot."""
        mirrored, free = guest("db", 300, "n2"), guest("web", 400)
        self.assertEqual(
            self.names(room("n1", 0, free, mirrored), room("n2", 450), room("n3", 420)),
            {},
        )

    def test_closed(self) -> None:
        """A drained node takes nobody, but may fail itself."""
        rooms = (
            room("n1", 900, guest("a", 100)),
            room("n2", 900, guest("b", 100), is_open=False),
        )
        self.assertEqual(self.names(*rooms), {"n1": ["a"]})

    def test_alone(self) -> None:
        """On a single node everything is stranded."""
        self.assertEqual(self.names(room("n1", 900, guest("a", 1))), {"n1": ["a"]})

    @given(
        st.lists(st.integers(0, 500), min_size=2, max_size=5),
        st.lists(st.integers(1, 400), max_size=6),
        st.integers(1, 1000),
    )
    def test_more_memory_never_harms(
        self, free: list[int], sizes: list[int], extra: int
    ) -> None:
        """A guest alone finds its place wherever somebody has the memory."""
        for size in sizes:
            rooms = [room("n0", 0, guest("g", size))]
            rooms += [room(f"n{i + 1}", mib) for i, mib in enumerate(free)]
            self.assertEqual(not list(stranded(rooms)), size <= max(free))
        rooms = [room("n0", 0, *(guest(f"g{i}", s) for i, s in enumerate(sizes)))]
        rooms += [room("n1", sum(sizes) + extra)]
        self.assertEqual(list(stranded(rooms)), [])
