"""QEMU's command line says what the guest's description says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.hypervisor.kvm_argv import GuestFiles, QemuPlaces, qemu_argv
from ganetix.hypervisor.params import effective_hvparams
from ganetix.objects import GuestDisk, GuestNic, GuestSpec
from ganetix.objects.params import HvValue

UUID = "00000000-0000-4000-8000-00000000000{}"


def disk_of(number: int, **params: str) -> GuestDisk:
    """A disk."""
    return GuestDisk(
        uuid=UUID.format(number), template="file", size_mib=8, params=params
    )


def nic_of(number: int, mode: str = "user") -> GuestNic:
    """A network card."""
    assert mode in ("user", "bridged", "none")
    return GuestNic(
        uuid=UUID.format(number),
        mac=f"aa:00:00:00:00:0{number}",
        mode="bridged" if mode == "bridged" else "user" if mode == "user" else "none",
        link="br0",
    )


class QemuArgvTests(SynchronousTestCase):
    """The pure function from description to command line."""

    def argv(
        self,
        accelerator: str = "tcg",
        disks: tuple[GuestDisk, ...] = (),
        nics: tuple[GuestNic, ...] = (),
        **hvparams: HvValue,
    ) -> list[str]:
        """The command line of a guest."""
        guest = GuestSpec(
            uuid=UUID.format(9),
            name="web1,x",
            hypervisor="kvm",
            memory_mib=256,
            vcpus=2,
            disks=disks,
            nics=nics,
        )
        places = QemuPlaces(
            program="/usr/bin/qemu",
            files=GuestFiles(Path("/run/a,b")),
            control="/run/a,b/qmp",
            events="/run/a,b/events",
            serial="/run/a,b/serial",
            disks=[(Path(f"/disks/{disk.uuid},0"), True) for disk in disks],
            taps={nic.uuid: "gx0" for nic in nics},
        )
        return qemu_argv(
            guest, effective_hvparams("kvm", hvparams), places, accelerator
        )

    def options(self, name: str, argv: list[str]) -> list[str]:
        """The values of an option."""
        return [value for option, value in pairwise(argv) if option == name]

    def test_processor(self) -> None:
        """Without a wish the processor depends on the accelerator."""
        self.assertEqual(self.options("-cpu", self.argv("kvm")), ["host"])
        self.assertEqual(self.options("-cpu", self.argv("tcg")), ["qemu64"])
        argv = self.argv("tcg", cpu_type="max")
        self.assertEqual(self.options("-cpu", argv), ["max"])

    def test_accelerator(self) -> None:
        """Translated code is bounded; under kvm there is none."""
        argv = self.argv("tcg", tcg_tb_size=64)
        self.assertEqual(self.options("-accel", argv), ["tcg,tb-size=64"])
        self.assertEqual(self.options("-accel", self.argv("kvm")), ["kvm"])

    def test_commas(self) -> None:
        """Commas in names and paths do not end a value."""
        argv = self.argv()
        self.assertEqual(
            self.options("-name", argv), ["guest=web1,,x,debug-threads=on"]
        )
        self.assertIn("path=/run/a,,b/qmp,", self.options("-chardev", argv)[0])

    def test_kernel(self) -> None:
        """A kernel comes with its command line, and its RAM disk if there is one."""
        argv = self.argv(kernel_path="/boot/k", kernel_args="a b", initrd_path="/i")
        self.assertEqual(self.options("-kernel", argv), ["/boot/k"])
        self.assertEqual(self.options("-append", argv), ["a b"])
        self.assertEqual(self.options("-initrd", argv), ["/i"])
        self.assertEqual(self.options("-append", self.argv()), [])

    def test_disks(self) -> None:
        """Each disk has its format and a fixed place; commas in paths are safe."""
        argv = self.argv(disks=(disk_of(1), disk_of(2, format="qcow2")))
        nodes = self.options("-blockdev", argv)
        self.assertIn('"driver":"raw"', nodes[1])
        self.assertIn('"driver":"qcow2"', nodes[3])
        self.assertIn(f'"filename":"/disks/{UUID.format(1)},0"', nodes[0])
        places = [
            device.rpartition("=")[2]
            for device in self.options("-device", argv)
            if device.startswith("virtio-blk")
        ]
        self.assertEqual(places, ["0x0d", "0x0e"])

    def test_cards(self) -> None:
        """A card is on the user's network, on a tap, or on nothing."""
        argv = self.argv(nics=(nic_of(1), nic_of(2, "bridged"), nic_of(3, "none")))
        self.assertEqual(
            self.options("-netdev", argv),
            [
                "user,id=n0",
                "tap,id=n1,ifname=gx0,script=no,downscript=no",
                "hubport,id=n2,hubid=2",
            ],
        )

    def test_places_do_not_depend_on_others(self) -> None:
        """A disk keeps its place whatever cards there are."""
        disks = (disk_of(1),)
        with_card = self.argv(disks=disks, nics=(nic_of(1),))
        for device in self.options("-device", self.argv(disks=disks)):
            self.assertIn(device, with_card)

    def test_too_many(self) -> None:
        """More disks or cards than there are places are refused, with the limit."""
        error = self.assertRaises(
            BadParameter, self.argv, nics=tuple(nic_of(n) for n in range(9))
        )
        self.assertIn("9 network cards; kvm gives it at most 8", str(error))
