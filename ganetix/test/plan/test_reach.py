"""Which groups an opcode may talk to."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Snapshot
from ganetix.objects import JoinToken
from ganetix.objects.intent import InstanceIntent
from ganetix.plan.lock_plan import LevelLocks, LockPlan
from ganetix.plan.reach import reach_of
from ganetix.testing.config import make_instance, make_node, make_snapshot, uuid_of

A, B = uuid_of("default"), uuid_of("b")


def shared(*names: str) -> LevelLocks:
    """Shared locks of these."""
    return LevelLocks(names=dict.fromkeys(names, "shared"))


class ReachTests(SynchronousTestCase):
    """Two groups: ``node1`` with ``web`` in one, ``node2`` with ``db`` in the other."""

    def setUp(self) -> None:
        """Make them."""
        self.snapshot: Snapshot = make_snapshot(
            make_node("node1"),
            make_node("node2", "b", 12),
            instances=(make_instance("web", "node1"), make_instance("db", "node2")),
            groups=("default", "b"),
        )

    def assert_reach(self, locks: LockPlan, *groups: str) -> None:
        """These groups, and no others, are in reach of these locks."""
        self.assertEqual(reach_of(locks, self.snapshot), frozenset(groups))

    def test_nothing(self) -> None:
        """Who locks nothing talks to nobody."""
        self.assert_reach({})

    def test_cluster(self) -> None:
        """Who locks the cluster alone talks to all."""
        self.assertIsNone(reach_of({"cluster": shared("cluster")}, self.snapshot))

    def test_cluster_and_group(self) -> None:
        """Who locks the cluster and a group is about that group."""
        self.assert_reach({"cluster": shared("cluster"), "group": shared(A)}, A)

    def test_all(self) -> None:
        """Who locks all of a level talks to all."""
        for level in ("instance", "group", "node"):
            locks: LockPlan = {level: LevelLocks(all="shared")}
            self.assertIsNone(reach_of(locks, self.snapshot))

    def test_group(self) -> None:
        """A group that is locked is in reach."""
        self.assert_reach({"group": shared(B)}, B)

    def test_node(self) -> None:
        """So is that of a node, even one that is to join."""
        self.assert_reach({"node": shared(uuid_of("node2"))}, B)
        token = JoinToken(node=make_node("node3", "b", 13))
        tokens = {token.node.uuid: token}
        self.snapshot = replace(self.snapshot, tokens=tokens)
        locks = LevelLocks(creates=frozenset({token.node.uuid}))
        self.assert_reach({"node": locks}, B)

    def test_instance(self) -> None:
        """So is that of an instance's node; a new instance has none yet."""
        self.assert_reach({"instance": shared("web", "db")}, A, B)
        creates = LevelLocks(creates=frozenset({"new"}))
        self.assert_reach({"instance": creates, "group": shared(A)}, A)

    def test_intent(self) -> None:
        """So are those where an instance was half made, or is half moved."""
        half = make_instance("half", "node1")
        intent = InstanceIntent(
            instance=half,
            action="migrate",
            job_id=1,
            step="",
            target_node=uuid_of("node2"),
        )
        self.snapshot = replace(self.snapshot, intents={half.uuid: intent})
        self.assert_reach({"instance": LevelLocks(creates=frozenset({"half"}))}, A, B)
