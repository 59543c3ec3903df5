"""Tests for changes of nodes."""

from __future__ import annotations

from typing import Any

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
from ganetix.objects import GuestInfo, Instance, Node
from ganetix.opcodes import OpNodeModify
from ganetix.plan.node_modify import NodeChange, changed_node, stale_guests
from ganetix.plan.roles import Role, role_of
from ganetix.testing.config import apply, make_instance, make_node, make_snapshot

ONE = replace(make_node("node1"), master_candidate=True)
TWO = replace(make_node("node2", last=12), master_candidate=True)
THREE = make_node("node3", last=13)


def pool(
    size: int,
    *nodes: Node,
    instances: tuple[Instance, ...] = (),
    groups: tuple[str, ...] = ("default",),
) -> Snapshot:
    """A cluster with a pool of that size."""
    made = make_snapshot(
        *(nodes or (ONE, TWO, THREE)), instances=instances, groups=groups
    )
    cluster = replace(made.cluster, candidate_pool_size=size)
    return apply(made, Edits(put=(cluster,)))


def modify(snapshot: Snapshot, name: str = "node2", **wishes: Any) -> NodeChange:
    """What a request comes to."""
    return changed_node(OpNodeModify(name=name, **wishes), snapshot)


class ModifyTests(SynchronousTestCase):
    """Tests for ``changed_node``."""

    def assert_roles(
        self, snapshot: Snapshot, change: NodeChange, **roles: Role
    ) -> None:
        """Compare the roles after a change."""
        after = apply(snapshot, change.edits())
        for name, role in roles.items():
            self.assertEqual(role_of(after.node(name), after.cluster), role, name)

    def refused(self, snapshot: Snapshot, **wishes: Any) -> str:
        """What a request is refused with."""
        error = self.assertRaises(WrongState, modify, snapshot, **wishes)
        return str(error)

    def test_leaving_candidates(self) -> None:
        """Whichever way a candidate goes, another takes its place at once."""
        wishes: tuple[dict[str, Any], ...] = (
            {"offline": True},
            {"drained": True},
            {"master_capable": False},
        )
        for wish in wishes:
            snapshot = pool(2)
            change = modify(snapshot, **wish)
            self.assert_roles(snapshot, change, node3="candidate")
            self.assertIn("node node3 becomes a master candidate", change.lines)
            self.assertFalse(change.after.master_candidate)

    def test_demotion_must_be_meant(self) -> None:
        """A demotion that leaves the pool short names who would be promoted."""
        text = self.refused(pool(2), master_candidate=False)
        self.assertIn("--auto-promote promotes node3", text)

    def test_demotion(self) -> None:
        """With --auto-promote another takes its place, and it stays demoted."""
        snapshot = pool(2)
        change = modify(snapshot, master_candidate=False, auto_promote=True)
        self.assert_roles(snapshot, change, node2="regular", node3="candidate")

    def test_demotion_of_the_last(self) -> None:
        """Where nobody can take its place it is told how to go about it."""
        text = self.refused(pool(3), master_candidate=False, auto_promote=True)
        self.assertIn("needed as a candidate", text)

    def test_demotion_from_a_large_pool(self) -> None:
        """Where the pool stays large enough nothing else is asked."""
        snapshot = pool(1)
        change = modify(snapshot, master_candidate=False)
        self.assert_roles(snapshot, change, node2="regular", node3="regular")

    def test_coming_back(self) -> None:
        """A node that comes back joins a pool that is short."""
        snapshot = pool(
            3, ONE, replace(TWO, master_candidate=False, offline=True), THREE
        )
        change = modify(snapshot, offline=False)
        self.assertTrue(change.comes_back)
        self.assert_roles(snapshot, change, node2="candidate", node3="candidate")

    def test_master_stays(self) -> None:
        """The master is neither demoted nor drained nor put offline."""
        for wish in (
            {"offline": True},
            {"drained": True},
            {"master_candidate": False},
            {"master_capable": False},
        ):
            text = self.refused(pool(2), name="node1", **wish)
            self.assertIn("is the master", text)

    def test_vm_capable(self) -> None:
        """A node with instances stays able to run them; they are named."""
        snapshot = pool(2, ONE, TWO, instances=(make_instance("web1", "node2"),))
        self.assertIn("web1", self.refused(snapshot, vm_capable=False))
        empty = pool(2, ONE, TWO)
        self.assertFalse(modify(empty, vm_capable=False).after.vm_capable)

    def test_addresses(self) -> None:
        """A secondary address that was the primary one goes with it."""
        change = modify(pool(2), primary_ip="127.0.0.77")
        self.assertTrue(change.is_moved)
        self.assertEqual(change.after.secondary_ip, "127.0.0.77")
        own = modify(pool(2), secondary_ip="127.0.0.78").after
        self.assertEqual(
            (own.primary_ip, own.secondary_ip), ("127.0.0.12", "127.0.0.78")
        )

    def test_bad_addresses(self) -> None:
        """What is no address, or another's, is refused."""
        self.assertRaises(BadParameter, modify, pool(2), primary_ip="here")
        self.assertRaises(AlreadyExists, modify, pool(2), primary_ip="127.0.0.11")

    def test_group(self) -> None:
        """What moves with a node is said."""
        snapshot = pool(
            2,
            ONE,
            TWO,
            instances=(make_instance("web1", "node2"),),
            groups=("default", "rack2"),
        )
        change = modify(snapshot, group="rack2")
        self.assertEqual(
            change.lines,
            (
                "node node2 moves from group default to group rack2",
                "its instances move with it: web1",
            ),
        )
        self.assertEqual(change.after.group, snapshot.group("rack2").uuid)

    def test_group_that_does_not_fit(self) -> None:
        """It stays if an instance's parameters do not go with the new group's."""
        web1 = replace(make_instance("web1", "node2"), hvparams={"initrd_path": "/i"})
        snapshot = pool(2, ONE, TWO, instances=(web1,), groups=("default", "rack2"))
        default = replace(
            snapshot.group("default"), hvparams={"fake": {"kernel_path": "/k"}}
        )
        snapshot = apply(snapshot, Edits(put=(default,)))
        error = self.assertRaises(BadParameter, modify, snapshot, group="rack2")
        self.assertIn("instance web1: fake parameter initrd_path", str(error))

    def test_unknown_names(self) -> None:
        """Unknown nodes and groups are refused."""
        self.assertRaises(NotFound, modify, pool(2), name="node9", drained=True)
        self.assertRaises(NotFound, modify, pool(2), group="rack9")

    def test_parameters(self) -> None:
        """A parameter is set beside the others, and taken back by null."""
        two = replace(TWO, ndparams={"cpu_speed": 2.0})
        set_too = modify(pool(2, ONE, two), ndparams={"reserved_cpus": 1})
        self.assertEqual(set_too.after.ndparams, {"cpu_speed": 2.0, "reserved_cpus": 1})
        taken = modify(pool(2, ONE, two), ndparams={"cpu_speed": None})
        self.assertEqual(taken.after.ndparams, {})

    def test_says_what_is_different(self) -> None:
        """Flags, addresses and parameters are told as they were and as they are."""
        two = replace(TWO, ndparams={"cpu_speed": 2.0})
        change = modify(
            pool(2, ONE, two),
            vm_capable=False,
            port=1812,
            ndparams={"cpu_speed": None, "reserved_memory_mib": 2048},
        )
        self.assertEqual(
            change.lines,
            (
                "nd/cpu_speed: 2.0 -> default",
                "nd/reserved_memory: default -> 2048",
                "port: 1811 -> 1812",
                "vm_capable: yes -> no",
            ),
        )

    def test_bad_requests(self) -> None:
        """Nothing at all, contradictions and unknown parameters are refused."""
        for wishes in (
            {},
            {"offline": True, "drained": True},
            {"offline": True, "master_candidate": True},
            {"master_capable": False, "master_candidate": True},
            {"ndparams": {"colour": 1}},
            {"ndparams": {"cpu_speed": "fast"}},
            {"port": 0},
        ):
            self.assertRaises(ValueError, OpNodeModify, name="node2", **wishes)

    def test_somebody_was_faster(self) -> None:
        """Who decided on an older state of the node is told."""
        error = self.assertRaises(
            ConfigConflict, modify, pool(2), drained=True, expected_serial=9
        )
        self.assertIn("changed since it was read", str(error))

    def test_nothing_new(self) -> None:
        """What is so already changes nothing, and says so."""
        change = modify(pool(2), drained=False)
        self.assertEqual(change.edits(), Edits())
        self.assertEqual(change.lines, ("node node2 is like that already",))

    def test_stale_guests(self) -> None:
        """Guests of instances that live elsewhere by now are stale; no others are."""
        snapshot = pool(
            2,
            ONE,
            TWO,
            instances=(make_instance("gone", "node1"), make_instance("own", "node2")),
        )
        guests = tuple(
            GuestInfo(
                uuid=make_instance(name, "node2").uuid,
                name=name,
                hypervisor="fake",
                state="running",
            )
            for name in ("gone", "own", "stranger")
        )
        (stale,) = stale_guests(snapshot, TWO, guests)
        self.assertEqual(stale.name, "gone")
