"""The shipped OS definitions, run for real on disks in files."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from msgspec.structs import replace
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

import ganetix
from ganetix.errors import BadParameter, CommandFailed
from ganetix.flow.offload import inline_offload
from ganetix.node.os import OsProvider
from ganetix.objects import GuestDisk, GuestSpec, new_uuid
from ganetix.paths import Paths
from ganetix.process import ProcessReactor, ProcessRunner, find_program
from ganetix.storage.file import FileStorage
from ganetix.testing.storage import ignore

SHIPPED = Path(ganetix.__file__).parents[1] / "etc" / "os"
NEEDED = ("busybox", "cpio", "modprobe", "mformat", "mcopy", "syslinux", "qemu-img")
MISSING = [name for name in NEEDED if find_program(name) is None]


class OsCase(TestCase):
    """A storage, a provider and a guest."""

    def setUp(self) -> None:
        """Make them."""
        root = Path(self.mktemp()).absolute()
        root.mkdir(parents=True)
        self.directory = root
        self.runner = ProcessRunner(cast(ProcessReactor, reactor))
        self.storage = FileStorage(Paths(root), self.runner, inline_offload)
        self.provider = OsProvider([SHIPPED], self.runner, inline_offload, "node1")
        self.lines: list[str] = []

    def guest(self, *disks: GuestDisk, os: str = "tiny", **osparams: str) -> GuestSpec:
        """A guest to install."""
        return GuestSpec(
            uuid=new_uuid(),
            name="web1",
            hypervisor="kvm",
            memory_mib=96,
            vcpus=1,
            os=os,
            osparams=osparams,
            disks=disks,
        )

    def disk(self, file_format: str = "raw", size_mib: int = 64) -> GuestDisk:
        """A disk of the guest."""
        return GuestDisk(
            uuid=new_uuid(),
            template="file",
            size_mib=size_mib,
            params={"format": file_format},
        )

    async def install(self, guest: GuestSpec) -> Path:
        """Make the guest's disks and run ``create``; the first disk's path."""
        paths = []
        for disk in guest.disks:
            await self.storage.create(guest.uuid, disk, ignore)
            paths.append(self.storage.path(guest.uuid, disk))
        await self.provider.create(guest, paths, False, self.lines.append)
        return paths[0]

    async def output(self, *argv: str) -> str:
        """What a command prints."""
        result = await self.runner.run(argv, timeout_seconds=30.0)
        return result.stdout.decode()


class TinyTests(OsCase):
    """The definition ``tiny``."""

    if MISSING:
        skip = f"not installed: {', '.join(MISSING)}"

    async def test_raw(self) -> None:
        """The disk holds loader, kernel and initramfs, and keeps its size."""
        path = await self.install(self.guest(self.disk()))
        self.assertEqual(path.stat().st_size, 64 << 20)
        files = "initrd.img ldlinux.c32 ldlinux.sys syslinux.cfg vmlinuz"
        listing = await self.output("mdir", "-a", "-b", "-i", str(path), "::")
        self.assertEqual(
            sorted(listing.split()),
            [f"::/{name}" for name in files.split()],
        )
        boot_sector = path.read_bytes()[:512]
        self.assertEqual(boot_sector[3:11], b"SYSLINUX")
        self.assertEqual(boot_sector[510:], b"\x55\xaa")

    async def test_sparse(self) -> None:
        """A large disk takes no more space than a small one."""
        path = await self.install(self.guest(self.disk(size_mib=4096)))
        self.assertEqual(path.stat().st_size, 4096 << 20)
        self.assertLess(path.stat().st_blocks * 512, 64 << 20)

    async def test_qcow2(self) -> None:
        """A qcow2 disk holds the same as a raw one, and stays sparse."""
        path = await self.install(self.guest(self.disk("qcow2", 512)))
        raw = self.directory / "copy.raw"
        await self.output(
            "qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(raw)
        )
        self.assertEqual(raw.stat().st_size, 512 << 20)
        listing = await self.output("mdir", "-b", "-i", str(raw), "::")
        self.assertIn("::/vmlinuz", listing.split())
        self.assertLess(path.stat().st_size, 64 << 20)

    async def test_initramfs(self) -> None:
        """The initramfs has an init, the guest's name and the modules for its disk."""
        path = await self.install(self.guest(self.disk()))
        packed, plain = self.directory / "i.gz", self.directory / "i"
        await self.output("mcopy", "-i", str(path), "::initrd.img", str(packed))
        await self.output("gzip", "-dk", "-S", ".gz", str(packed))
        listing = await self.output("cpio", "-t", "--quiet", "-F", str(plain))
        names = set(listing.split())
        self.assertLessEqual(
            {"init", "bin/busybox", "etc/rc", "etc/acpi/PWRF/00000080"}, names
        )
        self.assertIn("lib/modules/virtio_blk.ko", names)
        self.assertIn(b"web1\n", plain.read_bytes())

    async def test_kernel_arguments(self) -> None:
        """Parameters of the definition go to the kernel's command line."""
        guest = self.guest(
            self.disk(), heartbeat="5", noacpi="yes", extra_args="loglevel=7 wr=10"
        )
        path = await self.install(guest)
        config = await self.output("mtype", "-i", str(path), "::syslinux.cfg")
        self.assertRegex(
            config, r"APPEND .*console=ttyS0 .*hb=5 noacpi loglevel=7 wr=10"
        )

    async def test_other_disks(self) -> None:
        """Only the first disk is written."""
        disks = (self.disk(), self.disk())
        guest = self.guest(*disks)
        await self.install(guest)
        other = self.storage.path(guest.uuid, disks[1])
        self.assertEqual(other.stat().st_blocks, 0)

    async def test_again(self) -> None:
        """Installing over an installed disk works, as reinstalling does."""
        guest = self.guest(self.disk())
        path = await self.install(guest)
        await self.provider.create(guest, [path], True, ignore)
        listing = await self.output("mdir", "-b", "-i", str(path), "::")
        self.assertEqual(listing.split().count("::/vmlinuz"), 1)

    async def test_too_small(self) -> None:
        """A disk that is too small is refused with both sizes."""
        with self.assertRaisesRegex(CommandFailed, "16 MiB; tiny needs 32 MiB"):
            await self.install(self.guest(self.disk(size_mib=16)))

    async def test_diskless(self) -> None:
        """An instance without disks is refused."""
        with self.assertRaisesRegex(CommandFailed, "needs a disk; instance web1"):
            await self.provider.create(self.guest(), [], False, ignore)

    async def test_missing_packages(self) -> None:
        """A host that lacks tools is told the Debian packages, in one line."""
        guest = self.guest(self.disk())
        await self.storage.create(guest.uuid, guest.disks[0], ignore)
        said: list[str] = []
        result = await self.runner.run(
            ("/bin/sh", str(SHIPPED / "tiny" / "create")),
            env={
                "PATH": str(self.tools("sort", "tr", "sed", "ls")),
                "INSTANCE_NAME": "web1",
                "DISK_COUNT": "1",
                "DISK_0_PATH": str(self.storage.path(guest.uuid, guest.disks[0])),
                "DISK_0_SIZE": "64",
            },
            timeout_seconds=30.0,
            on_line=said.append,
            check=False,
        )
        self.assertEqual(result.status, 1)
        (line,) = said
        self.assertIn("busybox-static cpio gzip kmod mtools syslinux", line)

    def tools(self, *names: str) -> Path:
        """A directory with these commands only."""
        directory = self.directory / "bin"
        directory.mkdir()
        for name in names:
            (directory / name).symlink_to(find_program(name) or "/nonexistent")
        return directory

    async def test_verify(self) -> None:
        """Good parameters are taken, bad ones refused with what is allowed."""
        await self.provider.verify("tiny", {"heartbeat": "0", "noacpi": "no"})
        with self.assertRaisesRegex(BadParameter, "heartbeat is 'often'"):
            await self.provider.verify("tiny", {"heartbeat": "often"})
        with self.assertRaisesRegex(BadParameter, "noacpi is '1'; it may be yes or no"):
            await self.provider.verify("tiny", {"noacpi": "1"})

    async def test_export_and_import(self) -> None:
        """What export writes makes the same disk by import."""
        path = await self.install(self.guest(self.disk()))
        dump, copy = self.directory / "dump", self.directory / "copy.raw"
        with copy.open("wb") as file:
            file.truncate(64 << 20)
        await self.output(
            "sh",
            "-c",
            f"EXPORT_DISK_PATH={path} {SHIPPED}/tiny/export >{dump} &&"
            f" IMPORT_DISK_PATH={copy} {SHIPPED}/tiny/import <{dump}",
        )
        await self.output("cmp", str(path), str(copy))


class NoopTests(OsCase):
    """The definition ``noop``."""

    async def test_leaves_disk(self) -> None:
        """The disk stays empty, and no disk is needed."""
        path = await self.install(self.guest(self.disk(), os="noop"))
        self.assertEqual(path.stat().st_blocks, 0)
        await self.provider.create(self.guest(os="noop"), [], False, ignore)

    async def test_rename(self) -> None:
        """Renaming works."""
        guest = replace(self.guest(os="noop"), name="web2")
        await self.provider.rename(guest, [], "web1", ignore)
        await self.provider.verify("noop", {})
