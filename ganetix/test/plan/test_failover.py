"""Votes, and what a fail-over would lose."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import WrongState
from ganetix.objects.replica import Epoch, Members, Position
from ganetix.objects.replica_calls import MasterBelief, ReplicaStatus
from ganetix.plan.failover import (
    Loss,
    Words,
    check_loss,
    check_votes,
    loss,
    newest_of,
    next_members,
    next_number,
)

NAMES = {"a": "node1", "b": "node2", "c": "node3", "d": "node4"}

FIRST = Epoch(number=1, master="a")


def vote(master: str, epoch: int = 1) -> MasterBelief:
    """A node takes this one for the master."""
    return MasterBelief(master=master, name=NAMES[master], epoch=epoch)


def status(
    revision: int, epoch: int = 1, members: str = "abc", in_step: str = "abc"
) -> ReplicaStatus:
    """What a candidate holds."""
    return ReplicaStatus(
        position=Position(epoch=epoch, revision=revision),
        record=Members(members=tuple(members), in_step=tuple(in_step)),
        history=(Epoch(number=epoch, master="a"),),
    )


class VoteTests(SynchronousTestCase):
    """Whether a fail-over may be."""

    def refusal(self, votes: Mapping[str, MasterBelief | None], words: Words) -> str:
        """Why node ``b`` may not take over from ``a``."""
        with self.assertRaises(WrongState) as caught:
            check_votes(votes, "b", FIRST, NAMES, words)
        return str(caught.exception)

    def test_agreed(self) -> None:
        """Most nodes answer, and take the same one for the master."""
        votes = {"a": None, "b": vote("a"), "c": vote("a")}
        check_votes(votes, "b", FIRST, NAMES, Words())

    def test_no_majority(self) -> None:
        """Too few answers are refused, naming who is silent."""
        silent = {"a": None, "b": vote("a"), "c": None, "d": vote("a")}
        message = self.refusal(silent, Words())
        self.assertIn("2 of 4 nodes answer, 3 are needed", message)
        self.assertIn("node1, node3", message)

    def test_no_voting(self) -> None:
        """Of two nodes one may go on by the administrator's word."""
        votes = {"a": None, "b": vote("a")}
        self.refusal(votes, Words())
        self.refusal(votes, Words(accept_loss=True))
        check_votes(votes, "b", FIRST, NAMES, Words(no_voting=True))

    def test_another_master(self) -> None:
        """If most take a third one for the master, this state is not up to date."""
        votes = {"a": vote("c", 2), "b": vote("a"), "c": vote("c", 2)}
        for words in (Words(), Words(no_voting=True)):
            self.assertIn("take node3 for the master", self.refusal(votes, words))

    def test_once_more(self) -> None:
        """An attempt that was cut short may be made again."""
        votes = {"a": None, "b": vote("b", 2), "c": vote("b", 2)}
        check_votes(votes, "b", FIRST, NAMES, Words())
        # This node's state knows of the new epoch, the others have not been told yet.
        begun = Epoch(number=2, master="b")
        votes = {"a": None, "b": vote("a"), "c": vote("a")}
        check_votes(votes, "b", begun, NAMES, Words())


class LossTests(SynchronousTestCase):
    """What would be lost."""

    def test_majority(self) -> None:
        """Of three candidates two know all that was acknowledged."""
        found = loss({"b": status(5), "c": status(7)}, "c", NAMES)
        self.assertEqual(found, Loss())

    def test_half(self) -> None:
        """Half of four may lack something."""
        statuses = {"b": status(5, members="abcd"), "c": status(7, members="abcd")}
        found = loss(statuses, "c", NAMES)
        self.assertEqual(found.kind, "possible")
        self.assertIn("after revision 7 of epoch 1", found.text)
        self.assertIn("node1, node4", found.text)

    def test_two(self) -> None:
        """The other one of two may have gone on alone."""
        found = loss({"b": status(5, members="ab", in_step="ab")}, "b", NAMES)
        self.assertEqual(found.kind, "possible")

    def test_out_of_step(self) -> None:
        """Who knows that it was out of step knows that something is missing."""
        found = loss({"b": status(5, members="ab", in_step="a")}, "b", NAMES)
        self.assertEqual(found.kind, "known")
        self.assertIn("node1", found.text)

    def test_later_epoch(self) -> None:
        """An epoch that nobody here holds is something that is missing."""
        found = loss({"b": status(5), "c": status(5)}, "b", NAMES, known_epoch=2)
        self.assertEqual(found.kind, "known")
        self.assertIn("epoch 2 has begun", found.text)

    def test_words(self) -> None:
        """What is missing for certain takes another word than what may be missing."""
        possible, known = (
            Loss(kind="possible", text="t"),
            Loss(kind="known", text="t"),
        )
        check_loss(Loss(), 3, Words())
        check_loss(possible, 2, Words(no_voting=True))
        check_loss(known, 3, Words(accept_loss=True))
        for found, members, words in (
            (possible, 2, Words()),
            (possible, 3, Words(no_voting=True)),
            (known, 2, Words(no_voting=True)),
        ):
            with self.assertRaises(WrongState):
                check_loss(found, members, words)


class BeginTests(SynchronousTestCase):
    """With what the new master begins."""

    def test_newest(self) -> None:
        """The newest state is that of the latest epoch; of equals one's own."""
        statuses = {"a": status(9), "b": status(5, epoch=2), "c": status(5, epoch=2)}
        self.assertEqual(newest_of(statuses, "b"), "b")
        self.assertEqual(newest_of(statuses, "c"), "c")
        self.assertIn(newest_of(statuses, "a"), "bc")

    def test_number(self) -> None:
        """The new epoch is above all that were heard of."""
        self.assertEqual(next_number([status(5, epoch=2), status(5)], 0), 3)
        self.assertEqual(next_number([status(5)], 6), 7)

    def test_members(self) -> None:
        """A majority keeps all members; fewer go on without the others, of two both."""
        three = Members(members=("a", "b", "c"), in_step=("a", "b", "c"))
        self.assertEqual(
            next_members(three, "b", "bc"),
            Members(members=("a", "b", "c"), in_step=("b",)),
        )
        self.assertEqual(
            next_members(three, "b", "b"), Members(members=("b",), in_step=("b",))
        )
        two = Members(members=("a", "b"), in_step=("a", "b"))
        self.assertEqual(
            next_members(two, "b", "b"), Members(members=("a", "b"), in_step=("b",))
        )
