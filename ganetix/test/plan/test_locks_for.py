"""Tests for the locks of opcodes."""

from __future__ import annotations

from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.errors import NotFound
from ganetix.plan import locks_for as module
from ganetix.plan.locks_for import locks_for
from ganetix.testing.config import make_instance, make_node, make_snapshot, uuid_of

NODES = (make_node("node1"), make_node("node2", "gold", 12))
SNAPSHOT = make_snapshot(
    *NODES,
    groups=("default", "gold"),
    instances=(make_instance("web1", "node1"), make_instance("db1", "node2")),
)


class LocksForTests(SynchronousTestCase):
    """Tests for ``locks_for``."""

    def test_every_opcode_has_a_rule(self) -> None:
        """No opcode can be submitted that the lock rules do not know."""
        self.assertEqual(set(module._RULES), set(get_args(ops.AnyOpcode)))

    def test_create_claims_the_name(self) -> None:
        """A creation claims its name, and shares its group only."""
        op = ops.OpInstanceCreate(
            name="new1", os="noop", disk_template="diskless", group="gold"
        )
        plan = locks_for(op, SNAPSHOT)
        self.assertEqual(plan["instance"].creates, {"new1"})
        self.assertEqual(plan["group"].names, {uuid_of("gold"): "shared"})
        self.assertNotIn("node", plan)

    def test_create_on_a_node(self) -> None:
        """With a node given it is that node's group that is shared."""
        op = ops.OpInstanceCreate(
            name="new1", os="noop", disk_template="diskless", node="node2"
        )
        plan = locks_for(op, SNAPSHOT)
        self.assertEqual(plan["group"].names, {uuid_of("gold"): "shared"})

    def test_start(self) -> None:
        """Starting takes the instance alone and shares its node."""
        plan = locks_for(ops.OpInstanceStartup(name="db1"), SNAPSHOT)
        self.assertEqual(plan["instance"].names, {"db1": "exclusive"})
        self.assertEqual(plan["node"].names, {uuid_of("node2"): "shared"})

    def test_verify_stays_in_its_group(self) -> None:
        """Verify shares the nodes and instances of one group, none of another."""
        plan = locks_for(ops.OpClusterVerify(group="gold"), SNAPSHOT)
        self.assertEqual(plan["instance"].names, {"db1": "shared"})
        self.assertEqual(plan["node"].names, {uuid_of("node2"): "shared"})

    def test_unknown_names(self) -> None:
        """What is not there is refused, with names that are close."""
        op = ops.OpInstanceStartup(name="web2")
        error = self.assertRaises(NotFound, locks_for, op, SNAPSHOT)
        self.assertIn("did you mean web1", str(error))

    def test_delay(self) -> None:
        """A delay locks what it is told, by the names that people know."""
        op = ops.OpTestDelay(
            duration=0,
            on_nodes=("node2",),
            locks={
                "instance": {"new1": "exclusive", "db1": "shared"},
                "group": {"gold": "shared"},
                "node": {"node2": "shared"},
            },
        )
        plan = locks_for(op, SNAPSHOT)
        self.assertEqual(plan["instance"].creates, {"new1"})
        self.assertEqual(plan["instance"].names, {"db1": "shared"})
        self.assertEqual(plan["group"].names, {uuid_of("gold"): "shared"})
        self.assertEqual(plan["node"].names, {uuid_of("node2"): "exclusive"})
        self.assertNotIn("node_resource", plan)

    def test_groups_need_no_cluster_lock(self) -> None:
        """What concerns one group locks that group only."""
        alone = {uuid_of("gold"): "exclusive"}
        for op in (
            ops.OpGroupModify(name="gold", min_candidates=1),
            ops.OpGroupRename(name="gold", new_name="silver"),
            ops.OpGroupRemove(name="gold"),
            ops.OpTagsAdd(kind="group", name="gold", tags=("a",)),
        ):
            with self.subTest(op=op):
                plan = locks_for(op, SNAPSHOT)
                self.assertEqual(set(plan), {"group"})
                self.assertEqual(plan["group"].names, alone)

    def test_assign_nodes(self) -> None:
        """The group that loses a node and the node are alone, the other is shared."""
        op = ops.OpGroupAssignNodes(name="gold", nodes=("node1",))
        plan = locks_for(op, SNAPSHOT)
        self.assertEqual(
            plan["group"].names,
            {uuid_of("default"): "exclusive", uuid_of("gold"): "shared"},
        )
        self.assertEqual(plan["node"].names, {uuid_of("node1"): "exclusive"})
        self.assertNotIn("cluster", plan)

    def test_tags(self) -> None:
        """Tagging locks the object that is tagged."""
        plan = locks_for(
            ops.OpTagsAdd(kind="instance", name="db1", tags=("a",)), SNAPSHOT
        )
        self.assertEqual(plan["instance"].names, {"db1": "exclusive"})
        plan = locks_for(
            ops.OpTagsRemove(kind="node", name="node1", tags=("a",)), SNAPSHOT
        )
        self.assertEqual(plan["node"].names, {uuid_of("node1"): "exclusive"})
        plan = locks_for(ops.OpTagsAdd(kind="cluster", tags=("a",)), SNAPSHOT)
        self.assertEqual(plan["cluster"].names, {"cluster": "exclusive"})

    def test_modify_node(self) -> None:
        """A node that changes is alone; a move is alone in both groups."""
        plan = locks_for(ops.OpNodeModify(name="node1", drained=True), SNAPSHOT)
        self.assertEqual(plan["node"].names, {uuid_of("node1"): "exclusive"})
        self.assertEqual(plan["group"].names, {uuid_of("default"): "shared"})
        plan = locks_for(ops.OpNodeModify(name="node1", group="gold"), SNAPSHOT)
        both = dict.fromkeys((uuid_of("default"), uuid_of("gold")), "exclusive")
        self.assertEqual(plan["group"].names, both)

    def test_move(self) -> None:
        """An instance that moves is alone; its node, and a named one, are shared.

        Where the other node is yet to be chosen both are locked when it is.
        """
        op = ops.OpInstanceMigrate(name="web1", node="node2", group="gold")
        plan = locks_for(op, SNAPSHOT)
        self.assertEqual(plan["instance"].names, {"web1": "exclusive"})
        nodes = dict.fromkeys((uuid_of("node1"), uuid_of("node2")), "shared")
        self.assertEqual(plan["node"].names, nodes)
        groups = dict.fromkeys((uuid_of("default"), uuid_of("gold")), "shared")
        self.assertEqual(plan["group"].names, groups)
        plan = locks_for(ops.OpInstanceFailover(name="web1"), SNAPSHOT)
        self.assertEqual(plan["group"].names, {uuid_of("default"): "shared"})
        self.assertNotIn("node", plan)
