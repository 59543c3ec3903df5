"""Tests for what requests to change the cluster come to."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    ConfigConflict,
    GanetixError,
    NotFound,
    WrongState,
)
from ganetix.objects import Cluster, InstanceSize
from ganetix.objects.intent import InstanceIntent
from ganetix.opcodes import OpClusterModify, OpClusterRename, OpGroupModify
from ganetix.plan.cluster_modify import changed_cluster, modified, renamed
from ganetix.plan.group import changed_group
from ganetix.testing.config import (
    apply,
    make_instance,
    make_node,
    make_snapshot,
    uuid_of,
)

WORLD = make_snapshot(
    replace(make_node("node1"), master_candidate=True),
    make_node("node2", last=12),
    groups=("default", "rack1"),
    instances=(make_instance("web1", "node1"),),
)


def after(op: OpClusterModify, world: Snapshot = WORLD) -> Cluster:
    """The cluster as it becomes."""
    return changed_cluster(op, world).after


class ModifyTests(SynchronousTestCase):
    """Tests for ``changed_cluster`` and ``modified``."""

    def refused(
        self,
        kind: type[GanetixError],
        text: str,
        op: OpClusterModify,
        world: Snapshot = WORLD,
    ) -> None:
        """The request is refused with this text."""
        self.assertIn(text, str(self.assertRaises(kind, modified, op, world)))

    def test_absent_stays(self) -> None:
        """What is not given stays as it is, and only the rest is told."""
        change = changed_cluster(OpClusterModify(candidate_pool_size=3), WORLD)
        self.assertEqual(change.after, replace(WORLD.cluster, candidate_pool_size=3))
        (told,) = change.changes
        self.assertEqual(
            (told.name, told.before, told.after), ("candidate_pool_size", 10, 3)
        )

    def test_same_value(self) -> None:
        """What is so already is no change, and nothing is written."""
        op = OpClusterModify(candidate_pool_size=10)
        self.assertEqual(changed_cluster(op, WORLD).changes, ())
        self.assertEqual(modified(op, WORLD), Edits())

    def test_names_in_changes(self) -> None:
        """Changes are told by the names that people type."""
        op = OpClusterModify(
            default_group="rack1",
            beparams={"memory_mib": 512},
            hvparams={"fake": {"accel": "tcg"}},
            diskparams={"file": {"format": "qcow2"}},
            ndparams={"reserved_cpus": 2},
            capacity={"max_cpu_ratio": 6},
            nicparams={"mode": "bridged", "link": "br0"},
            cache_seconds=60,
        )
        change = changed_cluster(op, WORLD)
        self.assertEqual(
            [(each.name, each.before, each.after) for each in change.changes],
            [
                ("be/memory", 128, 512),
                ("cache_time", 3600, 60),
                ("capacity/max_cpu_ratio", 4.0, 6.0),
                ("default_group", "default", "rack1"),
                ("disk/file/format", None, "qcow2"),
                ("hv/fake/accel", None, "tcg"),
                ("nd/reserved_cpus", 0, 2),
                ("nic/link", "", "br0"),
                ("nic/mode", "user", "bridged"),
            ],
        )

    def test_default_resets(self) -> None:
        """None takes a parameter back to the built-in value."""
        first = OpClusterModify(
            beparams={"memory_mib": 512, "vcpus": 2},
            hvparams={"fake": {"accel": "tcg", "tcg_tb_size": 64}},
            ndparams={"cpu_speed": 2.0},
            capacity={"max_inst_spec": {"memory_mib": 1}, "max_disk_usage": 0.5},
        )
        changed = apply(WORLD, modified(first, WORLD))
        second = OpClusterModify(
            beparams={"memory_mib": None},
            hvparams={"fake": {"accel": None}},
            ndparams={"cpu_speed": None},
            capacity={"max_inst_spec": None, "max_disk_usage": None},
        )
        cluster = after(second, changed)
        self.assertEqual(
            (cluster.beparams.memory_mib, cluster.beparams.vcpus), (128, 2)
        )
        self.assertEqual(cluster.hvparams, {"fake": {"tcg_tb_size": 64}})
        self.assertEqual(cluster.ndparams, WORLD.cluster.ndparams)
        self.assertEqual(cluster.capacity, WORLD.cluster.capacity)
        third = OpClusterModify(hvparams={"fake": {"tcg_tb_size": None}})
        self.assertEqual(
            after(third, apply(changed, modified(second, changed))).hvparams, {}
        )

    def test_part_of_a_size(self) -> None:
        """Of a size that is given in part the rest stays."""
        op = OpClusterModify(capacity={"max_inst_spec": {"vcpus": 8}})
        self.assertEqual(
            after(op).capacity.max_inst_spec,
            InstanceSize(memory_mib=8192, disk_mib=102400, vcpus=8),
        )

    def test_hypervisor_in_use(self) -> None:
        """A hypervisor that instances use cannot be disabled; they are named."""
        op = OpClusterModify(enabled_hypervisors=("kvm",))
        text = "hypervisor fake stays enabled: it is used by web1"
        self.refused(WrongState, text, op)
        both = after(OpClusterModify(enabled_hypervisors=("kvm", "fake", "kvm")))
        self.assertEqual(both.enabled_hypervisors, ("kvm", "fake"))

    def test_template_in_use(self) -> None:
        """So it is with a disk template, also for an instance that is being made."""
        op = OpClusterModify(enabled_disk_templates=("diskless",))
        self.refused(WrongState, "disk template file stays enabled: it is used", op)
        coming = InstanceIntent(
            instance=make_instance("new1", "node1"), job_id=7, step="disks"
        )
        world = make_snapshot(make_node("node1"), intents=(coming,))
        self.refused(WrongState, "used by new1", op, world)

    def test_template_of_capacity(self) -> None:
        """The template that capacity is computed for stays enabled, a group's too."""
        world = make_snapshot(make_node("node1"), groups=("default", "rack1"))
        op = OpClusterModify(enabled_disk_templates=("diskless",))
        self.refused(BadParameter, "default_template: 'file' is not enabled", op, world)
        both = replace(op, capacity={"default_template": "diskless"})
        self.assertEqual(after(both, world).enabled_disk_templates, ("diskless",))
        rack1 = world.group("rack1")
        own = replace(rack1.capacity, default_template="file")
        world = apply(world, Edits(put=(replace(rack1, capacity=own),)))
        self.refused(
            BadParameter, "group rack1: capacity: default_template", both, world
        )

    def test_unknown_words(self) -> None:
        """Words that nobody knows are refused, with those that are allowed."""
        for op, text in (
            (
                OpClusterModify(enabled_hypervisors=("xen",)),
                "enabled_hypervisors: 'xen' is not one of kvm, fake",
            ),
            (
                OpClusterModify(enabled_disk_templates=("tape",)),
                "'tape' is not one of diskless, file",
            ),
            (
                OpClusterModify(hvparams={"xen": {"a": "b"}}),
                "hypervisor 'xen' is not known; there are: fake, kvm",
            ),
            (
                OpClusterModify(hvparams={"kvm": {"colour": None}}),
                "hypervisor kvm has no parameter 'colour'",
            ),
            (
                OpClusterModify(hvparams={"kvm": {"tcg_tb_size": 0}}),
                "tcg_tb_size is 0; it may be 1 to 4096",
            ),
            (
                OpClusterModify(capacity={"default_template": "drbd"}),
                "'drbd' is not enabled in this cluster; there are file, diskless",
            ),
        ):
            with self.subTest(text=text):
                self.refused(BadParameter, text, op)
        unknown = OpClusterModify(default_group="rack9")
        self.refused(
            NotFound, "there is no group 'rack9'; did you mean rack1?", unknown
        )

    def test_parameters_that_do_not_fit(self) -> None:
        """A group's or an instance's parameters must go with the cluster's new ones."""
        kernel = OpClusterModify(
            hvparams={"fake": {"kernel_path": "/k", "initrd_path": "/i"}}
        )
        world = apply(WORLD, modified(kernel, WORLD))
        reset = OpClusterModify(hvparams={"fake": {"kernel_path": None}})
        self.refused(BadParameter, "initrd_path is '/i'", reset, world)
        web1 = replace(world.instance("web1"), hvparams={"initrd_path": "/own"})
        world = apply(world, Edits(put=(web1,)))
        reset = OpClusterModify(
            hvparams={"fake": {"kernel_path": None, "initrd_path": None}}
        )
        self.refused(BadParameter, "instance web1: fake parameter", reset, world)
        rack1 = world.group("rack1")
        own = replace(rack1, hvparams={"fake": {"initrd_path": "/i"}})
        world = apply(world, Edits(put=(own, replace(web1, hvparams={}))))
        self.refused(BadParameter, "group rack1: fake parameter", reset, world)

    def test_bridge(self) -> None:
        """Mode bridged needs the name of a bridge, now or from before."""
        op = OpClusterModify(nicparams={"mode": "bridged"})
        self.refused(BadParameter, "nicparams: link: missing", op)
        world = apply(
            WORLD, modified(OpClusterModify(nicparams={"link": "br0"}), WORLD)
        )
        self.assertEqual(after(op, world).nicparams.mode, "bridged")

    def test_disk_parameters(self) -> None:
        """They are set by template, taken back, and refused if there are none such."""
        first = OpClusterModify(diskparams={"file": {"format": "qcow2"}})
        world = apply(WORLD, modified(first, WORLD))
        self.assertEqual(world.cluster.diskparams, {"file": {"format": "qcow2"}})
        back = OpClusterModify(diskparams={"file": {"format": None}})
        self.assertEqual(after(back, world).diskparams, {})
        wrong: tuple[tuple[dict[str, dict[str, str | None]], str], ...] = (
            ({"drbd": {"a": "b"}}, "'drbd' is not known; there are: diskless, file"),
            ({"file": {"colour": None}}, "no parameter 'colour'; its parameters: for"),
            ({"file": {"format": "vmdk"}}, "is 'vmdk'; it may be: raw, qcow2"),
            ({"file": {"format": ""}}, "is ''; it may be: raw, qcow2"),
            ({"diskless": {"format": "raw"}}, "its parameters: none"),
        )
        for given, text in wrong:
            with self.subTest(given=given):
                self.refused(BadParameter, text, OpClusterModify(diskparams=given))

    def test_bridge_of_an_instance(self) -> None:
        """A NIC with a mode of its own keeps the bridge that it inherits."""
        link = OpClusterModify(nicparams={"link": "br0"})
        world = apply(WORLD, modified(link, WORLD))
        web1 = world.instance("web1")
        nics = tuple(replace(nic, mode="bridged") for nic in web1.nics)
        world = apply(world, Edits(put=(replace(web1, nics=nics),)))
        gone = OpClusterModify(nicparams={"link": None})
        self.refused(
            BadParameter, "instance web1: nicparams: link: missing", gone, world
        )

    def test_bridge_of_a_group(self) -> None:
        """A group that has a mode of its own keeps the bridge that it inherits."""
        link = OpClusterModify(nicparams={"link": "br0"})
        world = apply(WORLD, modified(link, WORLD))
        own = OpGroupModify(name="rack1", nicparams={"mode": "bridged"})
        error = self.assertRaises(BadParameter, changed_group, own, WORLD)
        self.assertIn("group rack1: nicparams: link: missing", str(error))
        world = apply(world, Edits(put=(changed_group(own, world).after,)))
        gone = OpClusterModify(nicparams={"link": None})
        self.refused(BadParameter, "group rack1: nicparams: link: missing", gone, world)

    def test_master_address(self) -> None:
        """The role's address needs an interface, suits the cluster, and is free."""
        op = OpClusterModify(master_ip="192.0.2.9")
        self.refused(BadParameter, "master_netdev: missing", op)
        op = replace(op, master_netdev="eth0", master_netmask=24)
        cluster = after(op)
        self.assertEqual(
            (cluster.master_ip, cluster.master_netdev, cluster.master_netmask),
            ("192.0.2.9", "eth0", 24),
        )
        world = apply(WORLD, modified(op, WORLD))
        off = OpClusterModify(master_ip="", master_netdev="", master_netmask=0)
        self.assertEqual(after(off, world), WORLD.cluster)
        self.refused(
            BadParameter,
            "master_ip: 2001:db8::1 is not an IPv4 address",
            replace(op, master_ip="2001:db8::1"),
        )
        self.refused(
            BadParameter, "33 is not between 1 and 32", replace(op, master_netmask=33)
        )
        self.refused(
            AlreadyExists,
            "127.0.0.12 is an address of node node2",
            replace(op, master_ip="127.0.0.12"),
        )
        self.refused(BadParameter, "not an IP", replace(op, master_ip="x"))

    def test_larger_pool_promotes(self) -> None:
        """With more candidates wanted, nodes are promoted in the same change."""
        world = apply(WORLD, modified(OpClusterModify(candidate_pool_size=1), WORLD))
        nodes = [replace(n, master_candidate=False) for n in world.nodes.values()]
        world = apply(world, Edits(put=tuple(nodes)))
        edits = modified(OpClusterModify(candidate_pool_size=2), world)
        self.assertEqual([each.name for each in edits.put[1:]], ["node2"])

    def test_two_administrators(self) -> None:
        """Who has seen an older state is told; other fields of the first stay."""
        first = OpClusterModify(candidate_pool_size=5)
        seen = WORLD.cluster.serial_no
        (cluster,) = modified(first, WORLD).put[:1]
        world = apply(WORLD, Edits(put=(replace(cluster, serial_no=seen + 1),)))
        second = OpClusterModify(candidate_pool_size=7, expected_serial=seen)
        text = f"serial number {seen}, now {seen + 1}"
        self.refused(ConfigConflict, text, second, world)
        other = after(OpClusterModify(cache_seconds=60), world)
        self.assertEqual((other.candidate_pool_size, other.cache_seconds), (5, 60))

    def test_rename(self) -> None:
        """A cluster gets another name, not the one that it has."""
        (cluster,) = renamed(OpClusterRename(name="new.example"), WORLD).put
        self.assertEqual(
            (cluster.name, cluster.uuid), ("new.example", uuid_of("cluster"))
        )
        same = OpClusterRename(name=WORLD.cluster.name)
        self.assertRaises(AlreadyExists, renamed, same, WORLD)


class RequestTests(SynchronousTestCase):
    """Tests for what the requests themselves refuse."""

    def test_bad_values(self) -> None:
        """Each refusal names the field, the value and what is allowed."""
        for fields, text in (
            ({}, "nothing to change"),
            ({"expected_serial": 3}, "nothing to change"),
            ({"candidate_pool_size": 0}, "candidate_pool_size: 0 is not between 1"),
            ({"mac_prefix": "aa:0"}, "mac_prefix: 'aa:0' is not three bytes"),
            ({"mac_prefix": "01:00:00"}, "the first one even"),
            ({"enabled_hypervisors": ()}, "enabled_hypervisors: at least one"),
            ({"enabled_disk_templates": ()}, "enabled_disk_templates: at least one"),
            (
                {"nicparams": {"link": "a b"}},
                "link: 'a b' is not the name of a network",
            ),
            ({"nicparams": {"mode": "tap"}}, "'tap' is not one of user, bridged"),
            ({"master_netdev": "x" * 16}, "master_netdev: 'xxxx"),
            ({"cache_seconds": 0}, "cache_seconds: 0 is not between 1 and 86400 s"),
            ({"watcher_seconds": 9}, "watcher_seconds: 9 is not between 10 and 300 s"),
            ({"master_netmask": 129}, "master_netmask: 129"),
            ({"default_iallocator": "../x"}, "default_iallocator: '../x'"),
            ({"beparams": {"memory_mib": 0}}, "beparams: memory: 0 is not between"),
            ({"beparams": {"vcpu": 1}}, "beparams: 'vcpu' is not one of"),
            ({"ndparams": {"reserved_cpus": -1}}, "reserved_cpus: -1"),
            ({"capacity": {"max_disk_usage": 2.0}}, "max_disk_usage: 2 is not"),
            ({"capacity": {"max_inst_spec": {"ram": 1}}}, "'ram' is not one of"),
            ({"capacity": {"max_inst_spec": {"vcpus": 0}}}, "vcpus: 0 is not"),
            ({"capacity": {"max_inst_spec": 3}}, "max_inst_spec: 3 is not a mapping"),
        ):
            with self.subTest(fields=fields):
                error = self.assertRaises(ValueError, OpClusterModify, **fields)
                self.assertIn(text, str(error))
