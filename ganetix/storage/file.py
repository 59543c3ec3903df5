"""Disks as files below one directory, sparse, in raw or qcow2 format."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from zope.interface import implementer

from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    CommandFailed,
    NoResources,
    StorageFault,
)
from ganetix.interfaces import IStorage, Offload, Say
from ganetix.objects.node_calls import DiskInfo, DiskSpace
from ganetix.storage.base import MIB, checked_uuid, is_uuid, mib_up, uninterrupted
from ganetix.storage.params import disk_param
from ganetix.storage.parsers import QCOW2_HEADER_SIZE, image_info, qcow2_size

if TYPE_CHECKING:
    from ganetix.objects import GuestDisk
    from ganetix.paths import Paths
    from ganetix.process import Runner

FORMATS = ("raw", "qcow2")
QEMU_IMG_SECONDS = 120.0

T = TypeVar("T")


@implementer(IStorage)
class FileStorage:
    """Keeps ``<directory>/<instance UUID>/<disk UUID>.raw`` (or ``.qcow2``).

    Names are checked to be UUIDs and an instance's directory may not be a symbolic
    link, so nothing outside the directory can be reached.
    """

    template = "file"

    def __init__(self, paths: Paths, runner: Runner, offload: Offload) -> None:
        self._base = paths.file_storage
        self._runner = runner
        self._offload = offload

    def check(self) -> Deferred[Sequence[str]]:
        """Whether the directory can be written."""
        return self._later(self._check)

    def create(self, instance_uuid: str, disk: GuestDisk, say: Say) -> Deferred[None]:
        """Make the file, readable by its owner only; see ``IStorage``."""
        return Deferred.fromCoroutine(self._create(instance_uuid, disk, say))

    def remove(self, instance_uuid: str, disk_uuid: str) -> Deferred[bool]:
        """Remove one file, and its directory if nothing else is in it."""
        return self._later(lambda: self._remove(instance_uuid, disk_uuid))

    def remove_all(self, instance_uuid: str) -> Deferred[int]:
        """Remove the instance's directory with all that is in it."""
        return self._later(lambda: self._remove_all(instance_uuid))

    def path(self, instance_uuid: str, disk: GuestDisk) -> Path:
        """The file's path; whether it exists is not looked at."""
        file_format = disk_param(self.template, disk.params, "format")
        directory = self._directory(instance_uuid)
        return directory / f"{checked_uuid('disk', disk.uuid)}.{file_format}"

    def disks(self) -> Deferred[Sequence[DiskInfo]]:
        """All files whose names are those of disks."""
        return self._later(lambda: tuple(self._disks()))

    def space(self) -> Deferred[DiskSpace | None]:
        """The space of the file system that the directory is in."""
        return self._later(self._space)

    def _later(self, work: Callable[[], T]) -> Deferred[T]:
        return self._offload(lambda: _with_clear_faults(work))

    async def _create(self, instance_uuid: str, disk: GuestDisk, say: Say) -> None:
        path = self.path(instance_uuid, disk)
        try:
            await uninterrupted(Deferred.fromCoroutine(self._make(path, disk)))
        except CancelledError:
            await self.remove(instance_uuid, disk.uuid)
            raise
        say(f"made disk {disk.uuid}: {disk.size_mib} MiB, {path.suffix[1:]}")

    async def _make(self, path: Path, disk: GuestDisk) -> None:
        size = disk.size_mib * MIB
        is_raw = path.suffix == ".raw"
        await self._later(lambda: self._reserve(path, disk, size if is_raw else 0))
        if is_raw:
            return
        try:
            await self._make_qcow2(path, size)
        except (CommandFailed, StorageFault) as error:
            await self.remove(path.parent.name, disk.uuid)
            raise StorageFault(
                f"disk {disk.uuid} could not be made: {error.message}"
            ) from error

    async def _make_qcow2(self, path: Path, size: int) -> None:
        await self._runner.run(
            ("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(size)),
            timeout_seconds=QEMU_IMG_SECONDS,
        )
        answer = await self._runner.run(
            ("qemu-img", "info", "--output=json", "-f", "qcow2", str(path)),
            timeout_seconds=QEMU_IMG_SECONDS,
        )
        made = image_info(answer.stdout)
        if made.virtual_size != size:
            raise StorageFault(
                f"qemu-img made {made.virtual_size} bytes, {size} were asked for"
            )

    def _reserve(self, path: Path, disk: GuestDisk, size: int) -> None:
        """Create the file exclusively, with a hole of ``size`` bytes in it."""
        directory = path.parent
        for file_format in FORMATS:
            if os.path.lexists(path.with_suffix(f".{file_format}")):
                raise AlreadyExists(f"disk {disk.uuid} exists already in {directory}")
        if disk.size_mib < 1:
            raise BadParameter(
                f"disk size is {disk.size_mib} MiB; it must be 1 or more"
            )
        free_mib = self._space().free_mib
        if disk.size_mib > free_mib:
            raise NoResources(
                f"disk of {disk.size_mib} MiB does not fit:"
                f" {self._base} has {free_mib} MiB free"
            )
        self._base.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.ftruncate(file, size)
        except OSError:
            path.unlink()
            _remove_if_empty(directory)
            raise
        finally:
            os.close(file)

    def _remove(self, instance_uuid: str, disk_uuid: str) -> bool:
        directory = self._directory(instance_uuid)
        name = checked_uuid("disk", disk_uuid)
        removed = False
        for file_format in FORMATS:
            try:
                (directory / f"{name}.{file_format}").unlink()
            except FileNotFoundError:
                continue
            removed = True
        _remove_if_empty(directory)
        return removed

    def _remove_all(self, instance_uuid: str) -> int:
        directory = self._directory(instance_uuid)
        if not directory.exists():
            return 0
        disks = sum(1 for _ in _disks_in(directory))
        shutil.rmtree(directory)
        return disks

    def _directory(self, instance_uuid: str) -> Path:
        directory = self._base / checked_uuid("instance", instance_uuid)
        if directory.is_symlink():
            raise StorageFault(
                f"{directory} is a symbolic link; disks may not leave {self._base}"
            )
        return directory

    def _disks(self) -> Iterator[DiskInfo]:
        if not self._base.is_dir():
            return
        for directory in sorted(self._base.iterdir()):
            if is_uuid(directory.name) and not directory.is_symlink():
                yield from _disks_in(directory)

    def _space(self) -> DiskSpace:
        status = os.statvfs(_existing(self._base))
        return DiskSpace(
            template=self.template,
            total_mib=status.f_blocks * status.f_frsize // MIB,
            free_mib=status.f_bavail * status.f_frsize // MIB,
        )

    def _check(self) -> Sequence[str]:
        found = _existing(self._base)
        if not found.is_dir():
            return (f"{found} is not a directory; disks of template file go there",)
        if not os.access(found, os.W_OK | os.X_OK):
            return (f"{found} cannot be written; disks of template file go there",)
        return ()


def _existing(path: Path) -> Path:
    """The path itself, or else the closest directory above that exists."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _disks_in(directory: Path) -> Iterator[DiskInfo]:
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.suffix[1:] not in FORMATS or not is_uuid(path.stem):
            continue
        if path.is_symlink() or not path.is_file():
            continue
        status = path.stat()
        size = status.st_size
        if path.suffix == ".qcow2":
            with path.open("rb") as file:
                size = qcow2_size(file.read(QCOW2_HEADER_SIZE)) or 0
        yield DiskInfo(
            template="file",
            instance_uuid=directory.name,
            disk_uuid=path.stem,
            path=str(path),
            size_mib=mib_up(size),
            used_mib=mib_up(status.st_blocks * 512),
        )


def _remove_if_empty(directory: Path) -> None:
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def _with_clear_faults(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        name = error.filename or "file storage"
        raise StorageFault(f"{name}: {error.strerror or error}") from error
