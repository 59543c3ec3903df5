"""Tests for units that change the cluster, groups and tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.config.snapshot import Edits
from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    ConfigConflict,
    NodeUnreachable,
    NotFound,
    WrongState,
)
from ganetix.jobs.model import Job
from ganetix.objects.guest_calls import GuestStart
from ganetix.rpc.methods import GUEST_START, NODE_VERIFY
from ganetix.testing.config import make_instance
from ganetix.testing.master import SimMaster
from ganetix.testing.sim import RecordedProgress, SimCluster


class SimTests(SynchronousTestCase):
    """A cluster of three nodes in group ``default``; group ``rack1`` is empty."""

    def setUp(self) -> None:
        """Make it."""
        self.sim = SimCluster(Path(self.mktemp()), nodes=3)
        self.progress = RecordedProgress()
        self.sim.run(ops.OpGroupAdd(name="rack1"))

    def result(self, op: ops.AnyOpcode) -> Any:
        """Run an opcode; its result as JSON has it."""
        return to_builtins(self.sim.run(op, self.progress).result)

    def refused(self, kind: type[Exception], op: ops.AnyOpcode) -> str:
        """Run an opcode that must fail, and change nothing; the error's text."""
        before = self.sim.snapshot
        error = self.failureResultOf(self.sim.begin(op, self.progress), kind).value
        self.assertIs(self.sim.snapshot, before)
        return str(error)


class ClusterTests(SimTests):
    """Tests for units on the cluster."""

    def test_modify(self) -> None:
        """A change is durable, and its result says what is different."""
        result = self.result(
            ops.OpClusterModify(candidate_pool_size=1, default_group="rack1")
        )
        self.assertEqual(
            list(result["changes"]),
            [
                {"name": "candidate_pool_size", "before": 10, "after": 1},
                {"name": "default_group", "before": "default", "after": "rack1"},
            ],
        )
        self.assertEqual(self.sim.snapshot.cluster.candidate_pool_size, 1)
        self.assertEqual(self.sim.snapshot.group(None).name, "rack1")

    def test_modify_refused(self) -> None:
        """A request with one bad part changes nothing at all."""
        self.sim.put(make_instance("web1", "node1"))
        op = ops.OpClusterModify(cache_seconds=60, enabled_hypervisors=("kvm",))
        self.assertIn("used by web1", self.refused(WrongState, op))

    def test_interface(self) -> None:
        """The master's address is put on an interface that its node has."""
        op = ops.OpClusterModify(master_ip="192.0.2.9", master_netdev="nowhere0")
        said = self.refused(BadParameter, op)
        self.assertIn("master_netdev: 'nowhere0' is not an interface of the ma", said)
        self.assertIn("lo", said)
        self.result(replace(op, master_netdev="lo"))
        self.assertEqual(self.sim.snapshot.cluster.master_netdev, "lo")

    def test_interface_without_address(self) -> None:
        """Nor is one taken that waits for an address."""
        self.refused(BadParameter, ops.OpClusterModify(master_netdev="nowhere0"))

    def test_no_more_address(self) -> None:
        """To have no address on an interface nobody is asked."""
        self.result(ops.OpClusterModify(master_ip="192.0.2.9", master_netdev="lo"))
        self.sim.rpc.fail(NODE_VERIFY, NodeUnreachable("node1 does not answer"))
        self.result(ops.OpClusterModify(master_ip="", master_netdev=""))

    def test_unknown_allocator(self) -> None:
        """What places instances must be there already."""
        op = ops.OpClusterModify(default_iallocator="hail")
        self.assertIn("no allocator hail", self.refused(NotFound, op))
        self.result(ops.OpClusterModify(default_iallocator="builtin"))

    def test_promotions_are_told(self) -> None:
        """Nodes that a larger pool promotes are named."""
        self.result(ops.OpClusterModify(candidate_pool_size=2))
        self.assertEqual(self.progress.lines, ["node node2 becomes a master candidate"])

    def test_rename(self) -> None:
        """The cluster has its new name."""
        self.result(ops.OpClusterRename(name="other.example"))
        self.assertEqual(self.sim.snapshot.cluster.name, "other.example")
        same = ops.OpClusterRename(name="other.example")
        self.assertIn("already", self.refused(AlreadyExists, same))

    def test_redistribute(self) -> None:
        """Nodes that did not take the files fail the job, with their names."""
        self.sim.edit_node("node3", offline=True)
        result = self.result(ops.OpClusterRedistribute())
        self.assertEqual(result, {"nodes": 2, "offline": ["node3"]})
        self.assertIn("node3", self.progress.warnings[0])
        self.sim.services.distribution.behind = ("node2",)  # type: ignore[attr-defined]
        op = ops.OpClusterRedistribute()
        self.assertIn("did not reach node2", self.refused(NodeUnreachable, op))


class GroupTests(SimTests):
    """Tests for units on groups."""

    def test_parameters_act_on_instances(self) -> None:
        """An instance that starts in a group has the memory and options of it."""
        self.result(
            ops.OpGroupModify(
                name="default",
                beparams={"memory_mib": 300, "vcpus": 3},
                hvparams={"fake": {"accel": "tcg"}},
            )
        )
        for node in self.sim.nodes.values():
            node.runner.on()
        self.result(
            ops.OpInstanceCreate(
                name="web1",
                os="noop",
                disks=(ops.DiskRequest(size_mib=8),),
                nics=(),
            )
        )
        (request,) = self.sim.rpc.called(GUEST_START)
        assert isinstance(request, GuestStart)
        guest = request.guest
        self.assertEqual((guest.memory_mib, guest.vcpus), (300, 3))
        self.assertEqual(guest.hvparams, {"accel": "tcg"})

    def test_memory_of_the_group_is_promised(self) -> None:
        """Placement counts the memory that instances inherit from their group."""
        self.result(ops.OpGroupModify(name="default", beparams={"memory_mib": 8000}))
        instance = replace(make_instance("web1", "node1"), beparams={})
        self.sim.put(replace(instance, admin_state="up"))
        op = ops.OpInstanceCreate(
            name="web2",
            os="noop",
            disks=(ops.DiskRequest(size_mib=8),),
            memory_mib=500,
            node="node1",
        )
        error = self.failureResultOf(self.sim.begin(op, self.progress)).value
        self.assertIn("MiB of memory free, needs 500", str(error))

    def test_add_modify_rename_remove(self) -> None:
        """The life of a group."""
        self.result(ops.OpGroupAdd(name="row1", ndparams={"spindle_count": 2}))
        result = self.result(ops.OpGroupModify(name="row1", min_candidates=1))
        self.assertEqual(len(result["changes"]), 1)
        self.result(ops.OpGroupRename(name="row1", new_name="row2"))
        group = self.sim.snapshot.group("row2")
        self.assertEqual(
            (group.min_candidates, group.ndparams), (1, {"spindle_count": 2})
        )
        self.result(ops.OpGroupRemove(name="row2"))
        self.assertNotIn(group.uuid, self.sim.snapshot.groups)

    def test_refusals(self) -> None:
        """What cannot be is refused, and nothing changes."""
        for kind, op in (
            (NotFound, ops.OpGroupModify(name="rack9", min_candidates=1)),
            (NotFound, ops.OpGroupRemove(name="rack9")),
            (WrongState, ops.OpGroupRemove(name="default")),
            (AlreadyExists, ops.OpGroupRename(name="rack1", new_name="default")),
            (AlreadyExists, ops.OpGroupAdd(name="rack1")),
            (NotFound, ops.OpGroupAssignNodes(name="rack1", nodes=("node9",))),
        ):
            with self.subTest(op=op):
                self.refused(kind, op)

    def test_assign(self) -> None:
        """Nodes move, and each is told of."""
        op = ops.OpGroupAssignNodes(name="rack1", nodes=("node2", "node3"))
        result = self.result(op)
        self.assertEqual(result["moved"], ["node2", "node3"])
        rack1 = self.sim.snapshot.group("rack1")
        names = [node.name for node in self.sim.snapshot.nodes_of(rack1.uuid)]
        self.assertEqual(names, ["node2", "node3"])
        self.assertIn(
            "node node2 moves from group default to rack1", self.progress.lines
        )
        self.assertEqual(self.result(op)["moved"], [])
        error = self.refused(WrongState, ops.OpGroupRemove(name="rack1"))
        self.assertIn("still has nodes: node2, node3", error)

    def test_assign_promotes(self) -> None:
        """A node that comes into a group that lacks a candidate may become one."""
        self.result(ops.OpClusterModify(candidate_pool_size=1))
        self.sim.edit_node("node1", master_candidate=True)
        self.sim.edit_node("node2", master_candidate=False)
        self.result(ops.OpGroupModify(name="rack1", min_candidates=1))
        self.result(ops.OpGroupAssignNodes(name="rack1", nodes=("node2",)))
        self.assertTrue(self.sim.snapshot.node("node2").master_candidate)
        self.assertIn("node node2 becomes a master candidate", self.progress.lines)

    def test_no_node_is_called(self) -> None:
        """Changing groups asks no node anything."""
        self.result(ops.OpGroupAssignNodes(name="rack1", nodes=("node2",)))
        self.result(ops.OpGroupModify(name="rack1", min_candidates=1))
        self.result(ops.OpTagsAdd(kind="group", name="rack1", tags=("a",)))
        self.assertEqual(self.sim.rpc.calls, [])


class TagTests(SimTests):
    """Tests for units on tags."""

    def test_add_and_remove(self) -> None:
        """Tags come and go on every kind of object."""
        self.sim.put(make_instance("web1", "node1"))
        for kind, name in (
            ("cluster", ""),
            ("group", "rack1"),
            ("node", "node2"),
            ("instance", "web1"),
        ):
            with self.subTest(kind=kind):
                add: Any = {"kind": kind, "name": name, "tags": ("a", "b")}
                self.result(ops.OpTagsAdd(**add))
                self.result(ops.OpTagsRemove(**{**add, "tags": ("b",)}))
                op = ops.OpTagsRemove(**{**add, "tags": ("b",)})
                self.assertIn("has no tag b", self.refused(NotFound, op))
        self.assertEqual(self.sim.snapshot.cluster.tags, ("a",))
        self.assertEqual(self.sim.snapshot.instance("web1").tags, ("a",))


class TwoAdministratorsTests(SynchronousTestCase):
    """Jobs of two administrators about one object."""

    def setUp(self) -> None:
        """A cluster that runs jobs."""
        self.sim = SimMaster(Path(self.mktemp()))

    def jobs(self, *given: ops.AnyOpcode) -> list[Job]:
        """Submit all at once, and wait for their ends."""
        ids = [self.sim.submit(op) for op in given]
        self.sim.wait(5)
        ended = {job.id: job for job in self.sim.jobs()}
        return [ended[job_id] for job_id in ids if job_id is not None]

    def test_different_fields(self) -> None:
        """Both changes of different fields hold."""
        first, second = self.jobs(
            ops.OpClusterModify(candidate_pool_size=3),
            ops.OpClusterModify(cache_seconds=60),
        )
        self.assertEqual((first.status, second.status), ("success", "success"))
        cluster = self.sim.snapshot.cluster
        self.assertEqual((cluster.candidate_pool_size, cluster.cache_seconds), (3, 60))

    def test_second_is_told(self) -> None:
        """Who says what he has seen is refused when it is not so any more."""
        seen = self.sim.snapshot.cluster.serial_no
        first, second = self.jobs(
            ops.OpClusterModify(candidate_pool_size=3, expected_serial=seen),
            ops.OpClusterModify(candidate_pool_size=5, expected_serial=seen),
        )
        self.assertEqual((first.status, second.status), ("success", "error"))
        assert second.error is not None
        self.assertEqual(second.error.code, ConfigConflict.code)
        self.assertIn("changed since it was read", second.error.message)
        self.assertEqual(self.sim.snapshot.cluster.candidate_pool_size, 3)

    def test_second_sees_the_first(self) -> None:
        """Who does not say so overwrites, and is told what was there before."""
        _, second = self.jobs(
            ops.OpGroupModify(name="default", min_candidates=1),
            ops.OpGroupModify(name="default", min_candidates=2),
        )
        (run,) = second.ops
        result: Any = run.result
        self.assertEqual(
            result["changes"], [{"name": "min_candidates", "before": 1, "after": 2}]
        )

    def test_tags_of_both(self) -> None:
        """Tags that two add at once are both there."""
        self.jobs(
            ops.OpTagsAdd(kind="cluster", tags=("a",)),
            ops.OpTagsAdd(kind="cluster", tags=("b",)),
        )
        self.assertEqual(self.sim.snapshot.cluster.tags, ("a", "b"))

    def test_same_name_twice(self) -> None:
        """Of two groups that want one name, one gets it."""
        self.jobs(ops.OpGroupAdd(name="a"), ops.OpGroupAdd(name="b"))
        ended = self.jobs(
            ops.OpGroupRename(name="a", new_name="c"),
            ops.OpGroupRename(name="b", new_name="c"),
        )
        self.assertEqual(sorted(job.status for job in ended), ["error", "success"])

    def test_changed_beneath(self) -> None:
        """A change made on another way between decision and commit is not lost."""
        cluster = self.sim.snapshot.cluster
        op = ops.OpClusterModify(candidate_pool_size=3)
        progress = RecordedProgress()
        locks = self.sim.units.locks_for(op, self.sim.snapshot)
        running = self.sim.units.run(op, progress, locks)
        outcome = self.successResultOf(Deferred.fromCoroutine(running))
        other = replace(cluster, cache_seconds=60)
        self.successResultOf(self.sim.config.commit(lambda _: Edits(put=(other,))))
        assert outcome.change is not None
        self.failureResultOf(self.sim.config.commit(outcome.change), ConfigConflict)
        self.assertEqual(self.sim.snapshot.cluster.cache_seconds, 60)

    def test_modify_waits_for_none_but_its_group(self) -> None:
        """A group is changed while all of another group is locked."""
        self.jobs(ops.OpGroupAdd(name="rack1"))
        self.sim.submit(
            ops.OpTestDelay(duration=100, locks={"group": {"default": "exclusive"}})
        )
        (job,) = self.jobs(ops.OpGroupModify(name="rack1", min_candidates=1))
        self.assertEqual(job.status, "success")
