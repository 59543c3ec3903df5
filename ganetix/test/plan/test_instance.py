"""Tests for the instance that a request describes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import AlreadyExists, BadParameter
from ganetix.objects import Instance
from ganetix.opcodes import DiskRequest, NicRequest, OpInstanceCreate
from ganetix.plan.guest import guest_spec
from ganetix.plan.instance import build_instance
from ganetix.testing.config import apply, make_instance, make_node, make_snapshot

SNAPSHOT = make_snapshot(
    make_node("node1"), instances=(make_instance("web1", "node1"),)
)

RAW, QCOW2 = {"format": "raw"}, {"format": "qcow2"}


def request(**more: object) -> OpInstanceCreate:
    """A request with a disk of 1 GiB."""
    fields: dict[str, object] = {
        "name": "new1",
        "os": "noop",
        "disks": (DiskRequest(size_mib=1024),),
    }
    return OpInstanceCreate(**{**fields, **more})  # type: ignore[arg-type]


def build(
    op: OpInstanceCreate,
    snapshot: Snapshot = SNAPSHOT,
    random_byte: Callable[[], int] = lambda: 7,
) -> Instance:
    """The instance, with countable UUIDs."""
    uuids = (f"uuid{n}" for n in itertools.count())
    return build_instance(op, snapshot, lambda: next(uuids), random_byte)


class BuildTests(SynchronousTestCase):
    """Tests for ``build_instance`` and ``guest_spec``."""

    def test_defaults(self) -> None:
        """What is left out comes from the cluster: hypervisor, memory, a NIC."""
        instance = build(request())
        self.assertEqual(instance.hypervisor, "fake")
        self.assertEqual(instance.admin_state, "up")
        (nic,) = instance.nics
        self.assertEqual((nic.mode, nic.mac), (None, "aa:00:00:07:07:07"))
        guest = guest_spec(instance, SNAPSHOT)
        self.assertEqual((guest.memory_mib, guest.vcpus), (128, 1))
        self.assertEqual((guest.nics[0].mode, guest.nics[0].mac), ("user", nic.mac))

    def test_own_values(self) -> None:
        """What is given stays, and reaches the node."""
        instance = build(request(memory_mib=512, vcpus=3, nics=(), start=False))
        guest = guest_spec(instance, SNAPSHOT)
        self.assertEqual((guest.memory_mib, guest.vcpus, guest.nics), (512, 3, ()))
        self.assertEqual(instance.admin_state, "down")

    def test_hypervisor_parameters_inherit(self) -> None:
        """The instance's hypervisor parameters go over the cluster's."""
        cluster = replace(
            SNAPSHOT.cluster,
            enabled_hypervisors=("kvm",),
            hvparams={"kvm": {"accel": "tcg", "kernel_args": "a"}},
        )
        snapshot = replace(SNAPSHOT, cluster=cluster)
        instance = build(request(hvparams={"kernel_args": "b"}), snapshot)
        guest = guest_spec(instance, snapshot)
        self.assertEqual(guest.hvparams, {"accel": "tcg", "kernel_args": "b"})

    def test_nic_of_the_group(self) -> None:
        """A NIC that says nothing is as its group has it, now and later."""
        group = replace(
            SNAPSHOT.group(None), nicparams={"mode": "bridged", "link": "br7"}
        )
        snapshot = apply(SNAPSHOT, Edits(put=(group,)))
        node = next(iter(snapshot.nodes.values()))
        for given in ({}, {"group": group.name}, {"node": node.name}):
            made = build(request(**given), snapshot)
            made = replace(made, primary_node=node.uuid)
            (nic,) = guest_spec(made, snapshot).nics
            self.assertEqual((nic.mode, nic.link), ("bridged", "br7"))
            (nic,) = guest_spec(made, SNAPSHOT).nics
            self.assertEqual((nic.mode, nic.link), ("user", ""))

    def test_own_nic(self) -> None:
        """What a NIC has of its own stays; it may inherit the rest."""
        group = replace(SNAPSHOT.group(None), nicparams={"link": "br7"})
        snapshot = apply(SNAPSHOT, Edits(put=(group,)))
        node = next(iter(snapshot.nodes))
        nics = (NicRequest(mode="bridged"), NicRequest(mode="bridged", link="br1"))
        draws = itertools.count()
        made = build(request(nics=nics), snapshot, lambda: next(draws))
        made = replace(made, primary_node=node)
        self.assertEqual(
            [(nic.mode, nic.link) for nic in guest_spec(made, snapshot).nics],
            [("bridged", "br7"), ("bridged", "br1")],
        )

    def test_disk_parameters_of_the_group(self) -> None:
        """A disk gets its group's parameters when it is made, and keeps them."""
        cluster = replace(SNAPSHOT.cluster, diskparams={"file": {"format": "qcow2"}})
        snapshot = apply(SNAPSHOT, Edits(put=(cluster,)))
        disks = (DiskRequest(size_mib=1), DiskRequest(size_mib=1, params=RAW))
        made = build(request(disks=disks), snapshot)
        self.assertEqual([disk.params for disk in made.disks], [QCOW2, RAW])
        group = replace(snapshot.group(None), diskparams={"file": RAW})
        snapshot = apply(snapshot, Edits(put=(group,)))
        (disk,) = build(request(disks=disks[:1]), snapshot).disks
        self.assertEqual(disk.params, RAW)

    def test_duplicate_name(self) -> None:
        """A name that is taken is refused."""
        error = self.assertRaises(AlreadyExists, build, request(name="web1"))
        self.assertIn("'web1'", str(error))

    def test_not_enabled(self) -> None:
        """What is not enabled is named, with what is."""
        for wrong, shown in (
            (request(hypervisor="kvm"), "hypervisor 'kvm' is not enabled"),
            (request(disk_template="drbd"), "there are file, diskless"),
        ):
            error = self.assertRaises(BadParameter, build, wrong)
            self.assertIn(shown, str(error))

    def test_macs_are_distinct(self) -> None:
        """A generated address that is taken is drawn again."""
        draws = iter((0, 0, 1, 0, 0, 1, 0, 0, 2))
        nics = (NicRequest(), NicRequest())
        instance = build(request(nics=nics), random_byte=lambda: next(draws))
        self.assertEqual(
            [nic.mac for nic in instance.nics],
            ["aa:00:00:00:00:01", "aa:00:00:00:00:02"],
        )

    def test_wrong_macs(self) -> None:
        """Addresses of no card, or of another's, are refused."""
        taken = SNAPSHOT.instances[next(iter(SNAPSHOT.instances))].nics[0].mac
        for mac, kind in (
            ("nonsense", BadParameter),
            ("01:00:00:00:00:01", BadParameter),
            (taken, AlreadyExists),
        ):
            self.assertRaises(kind, build, request(nics=(NicRequest(mac=mac),)))

    def test_wrong_link(self) -> None:
        """A bridge's name is that of an interface, and nothing else."""
        for link in ("../../x", "..", "-x", "br0,script=/x", "b" * 16, "br\n", "b\0"):
            op = request(nics=(NicRequest(mode="bridged", link=link),))
            self.assertIn("link", str(self.assertRaises(BadParameter, build, op)))

    def test_ip(self) -> None:
        """A card's address is one, in canonical form; OS scripts are told it."""
        (nic,) = build(request(nics=(NicRequest(ip="2001:DB8::0:1"),))).nics
        self.assertEqual(nic.ip, "2001:db8::1")
        for ip in ("web1", "192.0.2.1\n", "192.0.2.1;id", "224.0.0.1"):
            op = request(nics=(NicRequest(ip=ip),))
            self.assertIn("nic: ip", str(self.assertRaises(BadParameter, build, op)))

    def test_bridge_needs_link(self) -> None:
        """A bridged NIC without a bridge is refused."""
        op = request(nics=(NicRequest(mode="bridged"),))
        self.assertIn("link=", str(self.assertRaises(BadParameter, build, op)))
