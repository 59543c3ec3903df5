"""Tests for decisions about node groups."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    ConfigConflict,
    NotFound,
    WrongState,
)
from ganetix.objects import CapacityOverrides, InstanceSize, JoinToken, Node
from ganetix.opcodes import OpGroupAdd, OpGroupAssignNodes, OpGroupModify, OpGroupRename
from ganetix.plan.group import (
    Placed,
    Splits,
    assigned,
    candidates_missing,
    changed_group,
    check_removable,
    check_splits,
    modified,
    new_group,
    renamed,
    split_by,
)
from ganetix.testing.config import (
    apply,
    make_instance,
    make_node,
    make_snapshot,
    uuid_of,
)

GROUP_OF = {"n1": "a", "n2": "a", "n3": "b"}
NODES = st.sampled_from(sorted(GROUP_OF))
GROUPS = st.sampled_from("abc")


def world() -> Snapshot:
    """Two nodes in default, one in rack1, none in rack2."""
    return make_snapshot(
        make_node("node1"),
        make_node("node2", last=12),
        make_node("node3", "rack1", 13),
        groups=("default", "rack1", "rack2"),
        instances=(make_instance("web1", "node2"),),
    )


class SplitTests(SynchronousTestCase):
    """Tests for ``split_by``."""

    def split(self, moves: dict[str, str], *nodes: str) -> Splits:
        """What becomes of a mirrored instance ``db1``."""
        return split_by(moves, GROUP_OF, [Placed(name="db1", nodes=nodes)])

    def test_one_half_moves(self) -> None:
        """Moving one node of a mirrored instance splits it."""
        self.assertEqual(self.split({"n1": "b"}, "n1", "n2"), Splits(new=("db1",)))

    def test_both_halves_move(self) -> None:
        """Moving both at once does not."""
        self.assertEqual(self.split({"n1": "b", "n2": "b"}, "n1", "n2"), Splits())

    def test_without_mirror(self) -> None:
        """An instance on one node is never split."""
        self.assertEqual(self.split({"n1": "b"}, "n1"), Splits())

    def test_healed(self) -> None:
        """A split instance whose other node follows is whole again."""
        self.assertEqual(self.split({"n3": "a"}, "n1", "n3"), Splits())

    def test_stays_split(self) -> None:
        """One that was split before is not blamed on the moves."""
        self.assertEqual(self.split({"n1": "c"}, "n1", "n3"), Splits(old=("db1",)))

    @settings(deadline=None)
    @given(
        st.dictionaries(NODES, GROUPS),
        st.lists(st.lists(NODES, min_size=1, max_size=2, unique=True), max_size=4),
    )
    def test_against_the_definition(
        self, moves: dict[str, str], placed: list[list[str]]
    ) -> None:
        """New splits are those that are split afterwards and were not before."""
        instances = [
            Placed(name=f"i{n}", nodes=tuple(nodes)) for n, nodes in enumerate(placed)
        ]
        found = split_by(moves, GROUP_OF, instances)
        for instance in instances:
            before = {GROUP_OF[node] for node in instance.nodes}
            after = {moves.get(node, GROUP_OF[node]) for node in instance.nodes}
            is_new = len(after) > 1 and len(before) == 1
            self.assertEqual(instance.name in found.new, is_new)
            self.assertEqual(
                instance.name in found.old, len(after) > 1 and len(before) > 1
            )

    def test_refusal(self) -> None:
        """New splits are refused by name, unless forced; old ones are not."""
        error = self.assertRaises(
            WrongState, check_splits, Splits(new=("db1", "db2")), force=False
        )
        self.assertIn("split mirrored instances over two groups: db1, db2", str(error))
        check_splits(Splits(new=("db1",)), force=True)
        check_splits(Splits(old=("db1",)), force=False)


class AssignTests(SynchronousTestCase):
    """Tests for ``assigned``."""

    def test_moves(self) -> None:
        """Nodes change their group; those that are there already are left out."""
        op = OpGroupAssignNodes(name="rack1", nodes=("node2", "node3", "node2"))
        found = assigned(op, world())
        self.assertEqual(found.moves, {uuid_of("node2"): uuid_of("rack1")})
        (node,) = (each for each in found.edits.put if each.name == "node2")
        assert isinstance(node, Node)
        self.assertEqual(node.group, uuid_of("rack1"))

    def test_parameters_that_do_not_fit(self) -> None:
        """Instances stay where what they inherit goes with what they have."""
        web1 = world().instance("web1")
        bridged = tuple(replace(nic, mode="bridged") for nic in web1.nics)
        op = OpGroupAssignNodes(name="rack1", nodes=("node2",))
        for own, here, text in (
            (
                {"nics": bridged},
                {"nicparams": {"link": "br0"}},
                "nicparams: link: missing",
            ),
            (
                {"hvparams": {"initrd_path": "/i"}},
                {"hvparams": {"fake": {"kernel_path": "/k"}}},
                "fake parameter initrd_path",
            ),
        ):
            with self.subTest(text=text):
                default = replace(world().group("default"), **here)
                start = apply(world(), Edits(put=(default, replace(web1, **own))))
                error = self.assertRaises(BadParameter, assigned, op, start)
                self.assertIn(f"instance web1: {text}", str(error))
                rack1 = replace(world().group("rack1"), **here)
                start = apply(start, Edits(put=(rack1,)))
                self.assertEqual(len(assigned(op, start).moves), 1)

    def test_nothing_to_do(self) -> None:
        """Nodes that are all there already change nothing."""
        op = OpGroupAssignNodes(name="rack1", nodes=("node3",))
        self.assertEqual(assigned(op, world()).edits, Edits())

    def test_unknown(self) -> None:
        """Unknown groups and nodes are refused, and nothing moves."""
        for name, node in (("rack9", "node1"), ("rack1", "node9")):
            op = OpGroupAssignNodes(name=name, nodes=("node2", node))
            self.assertRaises(NotFound, assigned, op, world())


class ChangeTests(SynchronousTestCase):
    """Tests for adding, changing, renaming and removing groups."""

    def test_new(self) -> None:
        """A new group has the parameters that it was given."""
        op = OpGroupAdd(
            name="rack3",
            alloc_policy="last_resort",
            min_candidates=2,
            beparams={"memory_mib": 512, "vcpus": None},
            capacity={"max_inst_spec": {"vcpus": 8}},
        )
        group = new_group(op, world(), "u")
        self.assertEqual((group.uuid, group.min_candidates), ("u", 2))
        self.assertEqual(group.beparams, {"memory_mib": 512})
        self.assertEqual(
            group.capacity.max_inst_spec,
            InstanceSize(memory_mib=8192, disk_mib=102400, vcpus=8),
        )

    def test_name_is_taken(self) -> None:
        """Two groups never have one name, neither by adding nor by renaming."""
        error = self.assertRaises(
            AlreadyExists, new_group, OpGroupAdd(name="rack1"), world(), "u"
        )
        self.assertIn("'rack1'", str(error))
        for new_name in ("rack1", "rack2"):
            op = OpGroupRename(name="rack2", new_name=new_name)
            self.assertRaises(AlreadyExists, renamed, op, world())

    def test_rename(self) -> None:
        """Only the name changes."""
        before = world().group("rack1")
        after = renamed(OpGroupRename(name="rack1", new_name="row1"), world())
        self.assertEqual(after, replace(before, name="row1"))

    def test_change(self) -> None:
        """Parameters are set, and go back to the inherited values."""
        op = OpGroupModify(
            name="rack1",
            alloc_policy="unallocable",
            beparams={"vcpus": 2},
            hvparams={"fake": {"accel": "tcg"}},
            diskparams={"file": {"format": "qcow2"}},
            ndparams={"spindle_count": 4},
            capacity={"max_cpu_ratio": 8, "max_inst_spec": {"vcpus": 2}},
        )
        change = changed_group(op, world())
        self.assertEqual(
            [(each.name, each.before, each.after) for each in change.changes],
            [
                ("alloc_policy", "preferred", "unallocable"),
                ("be/vcpus", None, 2),
                ("capacity/max_cpu_ratio", None, 8.0),
                (
                    "capacity/max_inst_spec",
                    None,
                    {"memory_mib": 8192, "disk_mib": 102400, "vcpus": 2},
                ),
                ("disk/file/format", None, "qcow2"),
                ("hv/fake/accel", None, "tcg"),
                ("nd/spindle_count", None, 4),
            ],
        )
        changed = apply(world(), modified(op, world()))
        back = OpGroupModify(
            name="rack1",
            alloc_policy="preferred",
            beparams={"vcpus": None},
            hvparams={"fake": {"accel": None}},
            diskparams={"file": {"format": None}},
            ndparams={"spindle_count": None},
            capacity={"max_cpu_ratio": None, "max_inst_spec": None},
        )
        after = changed_group(back, changed).after
        self.assertEqual(after, world().group("rack1"))
        self.assertEqual(after.capacity, CapacityOverrides())

    def test_no_change(self) -> None:
        """What is so already is not written."""
        op = OpGroupModify(name="rack1", alloc_policy="preferred")
        self.assertEqual(modified(op, world()), Edits())

    def test_minimum_promotes(self) -> None:
        """A larger minimum of candidates promotes nodes of the group."""
        cluster = replace(world().cluster, candidate_pool_size=1)
        start = apply(world(), Edits(put=(cluster,)))
        edits = modified(OpGroupModify(name="rack1", min_candidates=1), start)
        self.assertEqual([each.name for each in edits.put], ["rack1", "node3"])

    def test_missing_candidates(self) -> None:
        """A group that cannot have its minimum of candidates lacks some."""
        start = apply(
            world(), modified(OpGroupModify(name="rack1", min_candidates=3), world())
        )
        self.assertEqual(candidates_missing(start, uuid_of("rack1")), 2)
        self.assertEqual(candidates_missing(start, uuid_of("default")), 0)

    def test_bad_parameters(self) -> None:
        """What does not fit is refused; the group is named where it matters."""
        for op, text in (
            (
                OpGroupModify(name="rack1", hvparams={"fake": {"initrd_path": "/i"}}),
                "group rack1: fake parameter initrd_path",
            ),
            (
                OpGroupModify(name="rack1", capacity={"default_template": "drbd"}),
                "'drbd' is not enabled in this cluster",
            ),
        ):
            error = self.assertRaises(BadParameter, changed_group, op, world())
            self.assertIn(text, str(error))

    def test_bad_requests(self) -> None:
        """Requests that cannot be are refused before anybody looks at the cluster."""
        for make, fields, text in (
            (OpGroupModify, {"name": "a"}, "nothing to change"),
            (OpGroupModify, {"name": "a", "min_candidates": -1}, "min_candidates: -1"),
            (OpGroupRename, {"name": "a", "new_name": "b c"}, "new_name: 'b c'"),
            (OpGroupAdd, {"name": ""}, "name: ''"),
            (OpGroupAssignNodes, {"name": "a", "nodes": ()}, "nodes: at least one"),
        ):
            with self.subTest(text=text):
                error = self.assertRaises(ValueError, make, **fields)
                self.assertIn(text, str(error))

    def test_two_administrators(self) -> None:
        """Who has seen an older state of the group is told."""
        op = OpGroupModify(name="rack1", min_candidates=1, expected_serial=7)
        error = self.assertRaises(ConfigConflict, changed_group, op, world())
        self.assertIn("serial number 7, now 1", str(error))

    def test_remove(self) -> None:
        """Only an empty group that is not needed can go."""
        self.assertEqual(check_removable(world(), "rack2").name, "rack2")
        for name, text in (
            ("rack1", "group rack1 still has nodes: node3"),
            ("default", "is the default group"),
        ):
            error = self.assertRaises(WrongState, check_removable, world(), name)
            self.assertIn(text, str(error))
        last = make_snapshot(make_node("node1"))
        error = self.assertRaises(WrongState, check_removable, last, "default")
        self.assertIn("the last one", str(error))

    def test_remove_reserved(self) -> None:
        """A group that nodes are about to join stays; they are named."""
        token = JoinToken(node=make_node("node4", "rack1", 14))
        snapshot = make_snapshot(
            make_node("node1"), groups=("default", "rack1"), tokens=(token,)
        )
        error = self.assertRaises(WrongState, check_removable, snapshot, "rack1")
        self.assertIn("are to join: node4", str(error))
