"""What may be acknowledged, and who counts as a member."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.objects.replica import Claim, Epoch, Members, Position
from ganetix.plan.replicas import (
    Ledger,
    acknowledged,
    epoch_of,
    held_by_enough,
    is_prefix,
    missing_majority,
    next_record,
)

HISTORY = (
    Epoch(number=1, master="a"),
    Epoch(number=2, master="b", base=10),
    Epoch(number=5, master="a", base=20),
)


def members(*uuids: str, out: str = "", before: str = "") -> Members:
    """A record; ``out`` and ``before`` name members by their letters."""
    return Members(
        members=uuids,
        in_step=tuple(uuid for uuid in uuids if uuid not in out),
        before=tuple(before),
    )


class RuleTests(SynchronousTestCase):
    """Who must have a revision."""

    def test_alone(self) -> None:
        """A master without others needs nobody."""
        self.assertEqual(held_by_enough(["a"], ["a"], {"a": 7}), 7)

    def test_two(self) -> None:
        """Of two, both must have it while both are in step, else the one that is."""
        held = {"a": 7, "b": 5}
        self.assertEqual(held_by_enough(["a", "b"], ["a", "b"], held), 5)
        self.assertEqual(held_by_enough(["a", "b"], ["a"], held), 7)

    def test_majority(self) -> None:
        """Of three and more, more than half must have it, in step or not."""
        held = {"a": 9, "b": 8, "c": 3}
        self.assertEqual(held_by_enough("abc", "a", held), 8)
        self.assertEqual(held_by_enough("abcd", "a", held), 3)
        self.assertEqual(held_by_enough("abcde", "abc", held), 3)

    def test_overdue_holds_up(self) -> None:
        """Nothing is acknowledged while one that is overdue stands as in step."""
        ledger = Ledger(acknowledged=4, record=members("a", "b", "c"))
        held = {"a": 9, "b": 9, "c": 4}
        self.assertEqual(acknowledged(ledger, held, []), 9)
        self.assertEqual(acknowledged(ledger, held, ["c"]), 4)

    def test_record_first(self) -> None:
        """A record of who is out of step is on all others that are in, before more."""
        record = members("a", "b", "c", "d", "e", out="e")
        ledger = Ledger(acknowledged=4, record=record, recorded_at=6)
        held = {"a": 9, "b": 9, "c": 9, "d": 5, "e": 3}
        self.assertEqual(acknowledged(ledger, held, ["e"]), 4)
        self.assertEqual(acknowledged(ledger, held | {"d": 6}, ["e"]), 9)

    def test_both_rules(self) -> None:
        """A change of members is acknowledged by the rule before it as well."""
        record = members("a", "b", out="b", before="abc")
        ledger = Ledger(acknowledged=4, record=record, recorded_at=6)
        self.assertEqual(acknowledged(ledger, {"a": 9, "b": 5, "c": 5}, ["b"]), 4)
        self.assertEqual(acknowledged(ledger, {"a": 9, "b": 5, "c": 6}, ["b"]), 9)

    def test_never_back(self) -> None:
        """A candidate that lost what it had takes nothing back."""
        ledger = Ledger(acknowledged=4, record=members("a", "b", "c"))
        self.assertEqual(acknowledged(ledger, {"a": 4, "b": 0}, []), 4)

    def test_missing_majority(self) -> None:
        """Those who do not answer are named when too few do; of two never."""
        self.assertEqual(missing_majority("abc", "ab"), ())
        self.assertEqual(missing_majority("abc", "a"), ("b", "c"))
        self.assertEqual(missing_majority("abcd", "ab"), ("c", "d"))
        self.assertEqual(missing_majority("ab", "a"), ())


class RecordTests(SynchronousTestCase):
    """What is recorded next."""

    def next(
        self,
        record: Members,
        wanted: str = "",
        caught_up: str = "",
        overdue: str = "",
        known: int = 9,
        holding: str | None = None,
        base: int = 0,
    ) -> Members | None:
        """The next record after one at revision 9."""
        ledger = Ledger(acknowledged=known, record=record, recorded_at=9)
        if holding is None:
            holding = "".join(record.holders)
        return next_record(ledger, "a", wanted, caught_up, overdue, holding, base)

    def test_right(self) -> None:
        """A record that says how things are stays."""
        self.assertIsNone(self.next(members("a", "b"), "b", "b"))
        self.assertIsNone(self.next(members("a", "b"), "b", ""))

    def test_out_and_in(self) -> None:
        """Who is overdue is out of step, who has caught up is in step again."""
        out = members("a", "b", out="b")
        self.assertEqual(self.next(members("a", "b"), "b", "", "b", known=3), out)
        back = self.next(out, "b", "b", known=3)
        self.assertEqual(back, members("a", "b"))

    def test_joins(self) -> None:
        """A new member comes when it is in step, one at a time."""
        self.assertIsNone(self.next(members("a"), "bc", ""))
        joined = members("a", "b", before="a")
        self.assertEqual(self.next(members("a"), "bc", "bc"), joined)
        self.assertIsNone(self.next(joined, "bc", "bc", known=8))
        self.assertEqual(self.next(joined, "bc", "bc"), members("a", "b"))

    def test_leaves(self) -> None:
        """A member that is wanted no more goes, but never the master."""
        gone = replace(members("a", before="ab"), holders=("b",))
        self.assertEqual(self.next(members("a", "b"), "", "b"), gone)
        self.assertIsNone(self.next(members("a"), ""))

    def test_holders(self) -> None:
        """Who may have a replica stands in the record, until it is removed."""
        held = replace(members("a"), holders=("b",))
        self.assertEqual(self.next(members("a"), "b", "", holding="b", known=3), held)
        self.assertIsNone(self.next(held, "b", "", holding="b"))
        self.assertEqual(self.next(held, holding=""), members("a"))
        joined = members("a", "b", before="a")
        self.assertEqual(self.next(held, "b", "b", holding="b"), joined)

    def test_own_epoch_first(self) -> None:
        """Members stay as they are until a revision of this epoch is acknowledged."""
        self.assertIsNone(self.next(members("a"), "b", "b", base=9))

    def test_before_is_carried(self) -> None:
        """While a change is not acknowledged, later records keep the old members."""
        joined = members("a", "b", before="a")
        out = self.next(joined, "b", "", "b", known=3)
        self.assertEqual(out, members("a", "b", out="b", before="a"))


class HistoryTests(SynchronousTestCase):
    """Which positions are of this history."""

    def test_epoch_of(self) -> None:
        """A revision is of the epoch in which it was written."""
        expected = {0: 0, 1: 1, 10: 1, 11: 2, 20: 2, 21: 5, 99: 5}
        found = {revision: epoch_of(HISTORY, revision) for revision in expected}
        self.assertEqual(found, expected)

    def test_prefix(self) -> None:
        """What is beyond the end of its epoch, or of another one, has gone astray."""

        def at(epoch: int, revision: int) -> bool:
            position = Position(epoch=epoch, revision=revision)
            return is_prefix(HISTORY, 30, position)

        self.assertTrue(at(1, 10) and at(2, 11) and at(2, 20) and at(5, 30))
        self.assertFalse(at(1, 11) or at(2, 21) or at(5, 31) or at(3, 12) or at(0, 0))

    def test_newer(self) -> None:
        """A later epoch is newer, whatever its revision."""
        self.assertGreater(Position(epoch=2, revision=1), Position(epoch=1, revision=9))

    def test_obeyed(self) -> None:
        """Of one epoch number only the first master is obeyed."""
        promise = Claim(number=3, master="a", since=1.0)
        self.assertTrue(Claim(number=3, master="a").is_obeyed_after(promise))
        self.assertTrue(Claim(number=4, master="b").is_obeyed_after(promise))
        self.assertFalse(Claim(number=3, master="b").is_obeyed_after(promise))
        self.assertFalse(Claim(number=2, master="a").is_obeyed_after(promise))
