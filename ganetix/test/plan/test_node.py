"""Tests for adding, admitting and removing nodes."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import AlreadyExists, BadParameter, NotFound, WrongState
from ganetix.objects import JoinToken
from ganetix.objects.intent import InstanceIntent
from ganetix.opcodes import OpNodeAdd
from ganetix.plan.node import admit, check_removable, removal, reserve
from ganetix.testing.config import apply, make_instance, make_node, make_snapshot

NODE1 = make_node("node1")
NODE2 = make_node("node2", last=12)


def add(
    name: str = "node3", primary: str = "127.0.0.13", **more: str | int | bool | None
) -> OpNodeAdd:
    """A request."""
    return OpNodeAdd(name=name, primary_ip=primary, **more)  # type: ignore[arg-type]


class ReserveTests(SynchronousTestCase):
    """Tests for ``reserve``."""

    def setUp(self) -> None:
        """A cluster of one node."""
        self.snapshot = make_snapshot(NODE1)

    def test_reserves(self) -> None:
        """The reservation holds the node in the default group, its addresses equal."""
        (token,) = reserve(add(), self.snapshot, "u3", 0.0).put_tokens
        self.assertEqual(token.node.group, self.snapshot.cluster.default_group)
        self.assertEqual(token.node.secondary_ip, "127.0.0.13")
        self.assertFalse(token.used)

    def test_member_name(self) -> None:
        """A member's name is taken."""
        error = self.assertRaises(
            AlreadyExists, reserve, add("node1"), self.snapshot, "u", 0.0
        )
        self.assertIn("node1 is a member", str(error))

    def test_member_address(self) -> None:
        """A member's address is taken; the error names whose it is."""
        error = self.assertRaises(
            AlreadyExists, reserve, add(primary="127.0.0.11"), self.snapshot, "u", 0.0
        )
        self.assertIn("127.0.0.11 is node node1's", str(error))

    def test_unknown_group(self) -> None:
        """A group that is not there is named, with those that are."""
        error = self.assertRaises(
            NotFound, reserve, add(group="gold"), self.snapshot, "u", 0.0
        )
        self.assertIn("no group 'gold'", str(error))

    def test_reserved_twice(self) -> None:
        """A second reservation of a name needs ``replace``, and voids the first."""
        first = apply(self.snapshot, reserve(add(), self.snapshot, "u3", 0.0))
        error = self.assertRaises(AlreadyExists, reserve, add(), first, "u4", 0.0)
        self.assertIn("--replace", str(error))
        edits = reserve(add(replace=True), first, "u4", 0.0)
        self.assertEqual(edits.delete_tokens, ("u3",))

    def test_expired_reservation_is_in_nobodys_way(self) -> None:
        """A reservation that ran out unused yields its name and address."""
        old = JoinToken(node=make_node("node3", last=13), token="t", expires=100.0)
        snapshot = make_snapshot(NODE1, tokens=(old,))
        edits = reserve(add(), snapshot, "u4", now=101.0)
        self.assertEqual(edits.delete_tokens, (old.node.uuid,))

    def test_ipv6_needs_secondary(self) -> None:
        """With IPv6 primaries an IPv4 secondary address is demanded."""
        one = replace(NODE1, primary_ip="fd00::1", secondary_ip="192.0.2.1")
        snapshot = make_snapshot(one, primary_ip_version=6)
        error = self.assertRaises(
            BadParameter, reserve, add(primary="fd00::3"), snapshot, "u", 0.0
        )
        self.assertIn("secondary_ip: missing", str(error))
        op = add(primary="fd00::3", secondary_ip="192.0.2.3")
        (token,) = reserve(op, snapshot, "u", 0.0).put_tokens
        self.assertEqual(token.node.primary_ip, "fd00::3")

    def test_wrong_family(self) -> None:
        """An IPv4 primary address does not fit an IPv6 cluster, nor the reverse."""
        six = make_snapshot(NODE1, primary_ip_version=6)
        self.assertRaises(BadParameter, reserve, add(), six, "u", 0.0)
        self.assertRaises(
            BadParameter, reserve, add(primary="fd00::3"), self.snapshot, "u", 0.0
        )

    def test_no_address(self) -> None:
        """Text that is no address is refused with the text."""
        error = self.assertRaises(
            BadParameter, reserve, add(primary="here"), self.snapshot, "u", 0.0
        )
        self.assertIn("here", str(error))


class ReaddTests(SynchronousTestCase):
    """Tests for members that were installed anew."""

    def setUp(self) -> None:
        """A cluster whose second node is drained."""
        self.node = replace(NODE2, drained=True, certificate="ab" * 32)
        self.snapshot = make_snapshot(NODE1, self.node)

    def readd(self, **more: str) -> OpNodeAdd:
        """A request."""
        return OpNodeAdd(name="node2", readd=True, **more)  # type: ignore[arg-type]

    def rejoined(self, op: OpNodeAdd) -> Snapshot:
        """The configuration once the node has joined by this request."""
        reserved = apply(self.snapshot, reserve(op, self.snapshot, "new", 0.0))
        token = reserved.tokens[self.node.uuid]
        node = replace(token.node, certificate="cd" * 32)
        used = JoinToken(node=node, token="t", used=True)
        joined = apply(reserved, Edits(put_tokens=(used,)))
        return apply(joined, admit(joined, node.uuid, node.name))

    def test_keeps_itself(self) -> None:
        """It keeps UUID, group, role and addresses; its old certificate is void."""
        after = self.rejoined(self.readd())
        self.assertEqual(after.node("node2"), replace(self.node, certificate="cd" * 32))
        self.assertEqual(dict(after.tokens), {})

    def test_other_address(self) -> None:
        """It may come back at another address, which is its secondary one too."""
        node = self.rejoined(self.readd(primary_ip="127.0.0.77")).node("node2")
        self.assertEqual((node.primary_ip, node.secondary_ip), ("127.0.0.77",) * 2)

    def test_offline(self) -> None:
        """One that was offline is asked, and online again once it has joined."""
        node = replace(self.node, offline=True, drained=False)
        self.snapshot = make_snapshot(NODE1, node)
        (token,) = reserve(self.readd(), self.snapshot, "new", 0.0).put_tokens
        self.assertFalse(token.node.offline)
        self.assertFalse(self.rejoined(self.readd()).node("node2").offline)

    def test_until_then(self) -> None:
        """Until it joins it stays the member that it was."""
        reserved = apply(
            self.snapshot, reserve(self.readd(), self.snapshot, "new", 0.0)
        )
        self.assertEqual(reserved.node("node2"), self.node)

    def test_master(self) -> None:
        """The master cannot be added again."""
        op = OpNodeAdd(name="node1", readd=True)
        self.assertRaises(WrongState, reserve, op, self.snapshot, "u", 0.0)

    def test_stranger(self) -> None:
        """What is no member cannot be added again."""
        op = OpNodeAdd(name="node9", readd=True)
        self.assertRaises(NotFound, reserve, op, self.snapshot, "u", 0.0)

    def test_member_without_readd(self) -> None:
        """Whoever adds a member is told of --readd."""
        error = self.assertRaises(
            AlreadyExists, reserve, add("node2"), self.snapshot, "u", 0.0
        )
        self.assertIn("--readd", str(error))

    def test_again(self) -> None:
        """A second reservation takes the place of the first."""
        first = apply(self.snapshot, reserve(self.readd(), self.snapshot, "u", 0.0))
        edits = reserve(self.readd(), first, "u", 0.0)
        self.assertEqual(set(apply(first, edits).tokens), {self.node.uuid})

    def test_group(self) -> None:
        """It stays in its group."""
        self.assertRaises(ValueError, self.readd, group="default")

    def test_removal(self) -> None:
        """Removing it takes the reservation away as well."""
        reserved = apply(self.snapshot, reserve(self.readd(), self.snapshot, "u", 0.0))
        after = apply(reserved, removal(reserved, self.node))
        self.assertEqual((len(after.nodes), dict(after.tokens)), (1, {}))


class AdmitTests(SynchronousTestCase):
    """Tests for ``admit``."""

    def test_becomes_candidate(self) -> None:
        """An enrolled node becomes a member, and a candidate while there is room."""
        token = JoinToken(node=NODE2, token="t", used=True)
        snapshot = make_snapshot(NODE1, tokens=(token,))
        edits = admit(snapshot, NODE2.uuid, NODE2.name)
        self.assertTrue(apply(snapshot, edits).nodes[NODE2.uuid].master_candidate)
        self.assertEqual(edits.delete_tokens, (NODE2.uuid,))

    def test_full_pool(self) -> None:
        """With a full pool it becomes a regular node."""
        token = JoinToken(node=NODE2, token="t", used=True)
        snapshot = make_snapshot(replace(NODE1, master_candidate=True), tokens=(token,))
        full = replace(
            snapshot, cluster=replace(snapshot.cluster, candidate_pool_size=1)
        )
        edits = admit(full, NODE2.uuid, NODE2.name)
        self.assertFalse(apply(full, edits).nodes[NODE2.uuid].master_candidate)

    def test_unused_token(self) -> None:
        """A node that has not used its token cannot be admitted."""
        unused = JoinToken(node=NODE2, token="t")
        snapshot = make_snapshot(NODE1, tokens=(unused,))
        self.assertRaises(WrongState, admit, snapshot, NODE2.uuid, NODE2.name)


class RemovableTests(SynchronousTestCase):
    """Tests for ``check_removable``."""

    def test_master(self) -> None:
        """The master cannot be removed."""
        error = self.assertRaises(
            WrongState, check_removable, make_snapshot(NODE1), "node1"
        )
        self.assertIn("is the master", str(error))

    def test_with_instances(self) -> None:
        """Neither can a node with instances; they are named."""
        snapshot = make_snapshot(
            NODE1, NODE2, instances=(make_instance("web1", "node2"),)
        )
        error = self.assertRaises(WrongState, check_removable, snapshot, "node2")
        self.assertIn("web1", str(error))

    def test_with_something_left(self) -> None:
        """What was cut short on a node does not keep it from being removed."""
        intent = InstanceIntent(
            instance=make_instance("new1", "node2"), job_id=1, step="begin"
        )
        snapshot = make_snapshot(NODE1, NODE2, intents=(intent,))
        self.assertEqual(check_removable(snapshot, "node2"), NODE2)

    def test_empty(self) -> None:
        """An empty node can."""
        self.assertEqual(check_removable(make_snapshot(NODE1, NODE2), "node2"), NODE2)
