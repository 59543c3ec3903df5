"""Tests of disks in files: what the contract does not say."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import AlreadyExists, CommandFailed, StorageFault
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import Offload
from ganetix.objects import GuestDisk, new_uuid
from ganetix.paths import Paths
from ganetix.storage.base import MIB
from ganetix.storage.file import FileStorage
from ganetix.test.storage.test_contract import FakeQemuImg
from ganetix.testing.storage import ignore

T = TypeVar("T")


def disk_of(size_mib: int = 4, file_format: str = "raw") -> GuestDisk:
    """A disk to make."""
    return GuestDisk(
        uuid=new_uuid(),
        template="file",
        size_mib=size_mib,
        params={"format": file_format},
    )


class LateOffload:
    """Work that is done when a test says so, whether wanted or not by then."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        answer: Deferred[T] = Deferred()

        def finish() -> None:
            result = work()
            if not answer.called:
                answer.callback(result)

        self.waiting.append(finish)
        return answer

    def finish_all(self) -> None:
        """Do all work, and what follows from it."""
        while self.waiting:
            self.waiting.pop(0)()


class FileStorageTests(SynchronousTestCase):
    """Files: names, modes, ways out of the directory, faults."""

    def setUp(self) -> None:
        """Make a storage below a fresh root."""
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir(parents=True)
        self.paths = Paths(self.root)
        self.qemu_img = FakeQemuImg()
        self.instance = new_uuid()
        self.storage = self.storage_with(inline_offload)

    def storage_with(self, offload: Offload) -> FileStorage:
        """A storage whose files are read and written this way."""
        return FileStorage(self.paths, self.qemu_img, offload)

    def make(self, disk: GuestDisk) -> Path:
        """Make a disk; its path."""
        self.successResultOf(self.storage.create(self.instance, disk, ignore))
        return self.storage.path(self.instance, disk)

    def files(self) -> list[Path]:
        """All files and directories of the storage."""
        return sorted(self.paths.file_storage.rglob("*"))

    def test_raw_is_sparse_and_exact(self) -> None:
        """A raw file has exactly the size asked for and takes no space."""
        status = self.make(disk_of(size_mib=100)).stat()
        self.assertEqual(status.st_size, 100 * MIB)
        self.assertLess(status.st_blocks * 512, MIB)

    def test_raw_needs_no_command(self) -> None:
        """A raw file is made without qemu-img."""
        self.make(disk_of())
        self.assertEqual(self.qemu_img.calls, [])

    def test_names(self) -> None:
        """Files are named by instance, disk and format."""
        disk = disk_of(file_format="qcow2")
        path = self.make(disk)
        self.assertEqual(
            path.relative_to(self.paths.file_storage),
            Path(self.instance, f"{disk.uuid}.qcow2"),
        )

    def test_private(self) -> None:
        """Nobody but the owner may read a disk."""
        path = self.make(disk_of())
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)

    def test_directory_goes_with_last_disk(self) -> None:
        """An instance's directory is removed with its last disk."""
        one, other = disk_of(), disk_of()
        self.make(one)
        directory = self.make(other).parent
        self.successResultOf(self.storage.remove(self.instance, one.uuid))
        self.assertTrue(directory.exists())
        self.successResultOf(self.storage.remove(self.instance, other.uuid))
        self.assertFalse(directory.exists())

    def test_other_format_exists(self) -> None:
        """One disk cannot exist in two formats."""
        disk = disk_of()
        self.make(disk)
        other = GuestDisk(
            uuid=disk.uuid, template="file", size_mib=4, params={"format": "qcow2"}
        )
        self.failureResultOf(
            self.storage.create(self.instance, other, ignore), AlreadyExists
        )

    def test_linked_directory(self) -> None:
        """An instance's directory that is a link elsewhere is not followed."""
        elsewhere = self.root / "elsewhere"
        elsewhere.mkdir()
        keep = elsewhere / f"{new_uuid()}.raw"
        keep.touch()
        self.paths.file_storage.mkdir(parents=True)
        (self.paths.file_storage / self.instance).symlink_to(elsewhere)
        for attempt in (
            self.storage.create(self.instance, disk_of(), ignore),
            self.storage.remove(self.instance, keep.stem),
            self.storage.remove_all(self.instance),
        ):
            error = self.failureResultOf(attempt, StorageFault)
            self.assertIn("symbolic link", str(error.value))
        self.assertEqual(list(elsewhere.iterdir()), [keep])
        self.assertEqual(self.successResultOf(self.storage.disks()), ())

    def test_linked_disk(self) -> None:
        """A link in a disk's place is neither overwritten nor listed."""
        disk = disk_of()
        victim = self.root / "victim"
        victim.write_text("precious")
        path = self.storage.path(self.instance, disk)
        path.parent.mkdir(parents=True)
        path.symlink_to(victim)
        self.failureResultOf(
            self.storage.create(self.instance, disk, ignore), AlreadyExists
        )
        self.assertEqual(self.successResultOf(self.storage.disks()), ())
        self.successResultOf(self.storage.remove(self.instance, disk.uuid))
        self.assertEqual(victim.read_text(), "precious")

    def test_directory_elsewhere(self) -> None:
        """The whole storage may be a link to another file system."""
        elsewhere = self.root / "bigdisk"
        elsewhere.mkdir()
        self.paths.file_storage.parent.mkdir(parents=True)
        self.paths.file_storage.symlink_to(elsewhere)
        self.make(disk_of())
        self.assertEqual(len(list(elsewhere.rglob("*.raw"))), 1)

    def test_failing_qemu_img(self) -> None:
        """A failing qemu-img leaves nothing behind and is quoted."""
        self.qemu_img.on(
            "qemu-img", "create", status=1, stderr=b"qemu-img: No space left"
        )
        disk = disk_of(file_format="qcow2")
        error = self.failureResultOf(
            self.storage.create(self.instance, disk, ignore), StorageFault
        )
        self.assertIn("No space left", str(error.value))
        self.assertEqual(self.files(), [])

    def test_missing_qemu_img(self) -> None:
        """A host without qemu-img answers with one line."""
        self.qemu_img.on(
            "qemu-img", "create", error=CommandFailed("qemu-img: command not found")
        )
        error = self.failureResultOf(
            self.storage.create(self.instance, disk_of(file_format="qcow2"), ignore),
            StorageFault,
        )
        self.assertIn("command not found", str(error.value))

    def test_wrong_size_made(self) -> None:
        """An image of another size than asked for is removed again."""
        self.qemu_img.on(
            "qemu-img",
            "info",
            "--output=json",
            stdout=b'{"format": "qcow2", "virtual-size": 1}',
        )
        self.failureResultOf(
            self.storage.create(self.instance, disk_of(file_format="qcow2"), ignore),
            StorageFault,
        )
        self.assertEqual(self.files(), [])

    def test_cancelled_in_thread(self) -> None:
        """Cancelling while a thread makes the file waits for it and removes it."""
        offload = LateOffload()
        making = self.storage_with(offload).create(self.instance, disk_of(), ignore)
        making.cancel()
        self.assertNoResult(making)
        offload.finish_all()
        self.failureResultOf(making, CancelledError)
        self.assertEqual(self.files(), [])

    def test_cancelled_in_qemu_img(self) -> None:
        """Cancelling while qemu-img runs waits for it and removes the file."""
        self.qemu_img.on("qemu-img", "create", hangs=True)
        self.qemu_img.on(
            "qemu-img",
            "info",
            stdout=b'{"format": "qcow2", "virtual-size": 4194304}',
        )
        making = self.storage.create(
            self.instance, disk_of(file_format="qcow2"), ignore
        )
        making.cancel()
        self.assertNoResult(making)
        self.qemu_img.hanging[0].callback(
            self.successResultOf(
                self.qemu_img.run(["qemu-img", "info"], timeout_seconds=1)
            )
        )
        self.failureResultOf(making, CancelledError)
        self.assertEqual(self.files(), [])

    def test_ignores_other_files(self) -> None:
        """Files that are no disks are not listed."""
        path = self.make(disk_of())
        (path.parent / "notes.txt").touch()
        (path.parent / "backup.raw").touch()
        (self.paths.file_storage / "lost+found").mkdir()
        self.assertEqual(len(self.successResultOf(self.storage.disks())), 1)

    def test_used_space(self) -> None:
        """A disk is listed with the space that it takes."""
        path = self.make(disk_of(size_mib=8))
        with path.open("r+b") as file:
            file.write(b"x" * (3 * MIB))
            file.flush()
        (listed,) = self.successResultOf(self.storage.disks())
        self.assertEqual(listed.size_mib, 8)
        self.assertTrue(listed.used_mib in (3, 4), listed)

    def test_obstructed(self) -> None:
        """A file in the directory's place is a problem that is named."""
        self.paths.file_storage.parent.mkdir(parents=True)
        self.paths.file_storage.touch()
        (line,) = self.successResultOf(self.storage.check())
        self.assertIn("is not a directory", line)
        error = self.failureResultOf(
            self.storage.create(self.instance, disk_of(), ignore), StorageFault
        )
        self.assertIn(str(self.paths.file_storage), str(error.value))
