"""Files that the master copies to nodes: whole or not at all, resumed where cut."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import Deferred

from ganetix.errors import BadParameter, NotAllowed, NotFound, StorageFault
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.objects.remote import PART_BYTES, FileOffer, FilePart, FileState
from ganetix.paths import Paths
from ganetix.rpc.methods import FILE_COMMIT, FILE_OFFER, FILE_WRITE, Nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganetix.rpc.server import Call, Handler

T = TypeVar("T")
STALE_SECONDS = 86400.0


class LocalFiles:
    """Describes, reads and writes files of this host, off the reactor.

    All fail with ``NotFound``, ``BadParameter``, ``NotAllowed`` or ``StorageFault``.

    :param paths: what lies in their state directory is never copied: keys and state
        are each node's own
    """

    def __init__(self, paths: Paths, offload: Offload) -> None:
        self._own = paths.lib
        self._offload = offload

    def describe(self, path: str) -> Deferred[FileOffer]:
        """A file as it is now."""
        return self._do(path, lambda: _describe(path))

    def read(self, path: str, offset: int) -> Deferred[bytes]:
        """Up to ``PART_BYTES`` from an offset; nothing at its end."""
        return self._do(path, lambda: _read(path, offset))

    def offer(self, offer: FileOffer) -> Deferred[FileState]:
        """How much of it is here already."""
        return self._do(offer.path, lambda: _received(offer))

    def write(self, part: FilePart) -> Deferred[None]:
        """Add to what was received."""
        return self._do(part.path, lambda: _write(part))

    def commit(self, offer: FileOffer) -> Deferred[None]:
        """Put what was received in its place, if it is all there."""
        return self._do(offer.path, lambda: _commit(offer))

    def _do(self, path: str, work: Callable[[], T]) -> Deferred[T]:
        def checked() -> T:
            real = Path(os.path.realpath(path))
            if real.is_relative_to(os.path.realpath(self._own)):
                raise NotAllowed(
                    f"path: {path} is in {self._own}, of which each node has its own"
                )
            try:
                return work()
            except FileNotFoundError as error:
                raise NotFound(f"{error.filename or path} is not there") from error
            except OSError as error:
                raise StorageFault(f"{path}: {error.strerror}") from error

        return self._offload(checked)


class FileCalls:
    """The node's side of copying a file to it."""

    def __init__(self, files: LocalFiles) -> None:
        self._files = files

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods' names and what does them."""
        yield handler(FILE_OFFER, self._offer)
        yield handler(FILE_WRITE, self._write)
        yield handler(FILE_COMMIT, self._commit)

    async def _offer(self, request: FileOffer, call: Call) -> FileState:
        return await self._files.offer(request)

    async def _write(self, request: FilePart, call: Call) -> Nothing:
        await self._files.write(request)
        return Nothing()

    async def _commit(self, request: FileOffer, call: Call) -> Nothing:
        await self._files.commit(request)
        return Nothing()


def _describe(path: str) -> FileOffer:
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise BadParameter(f"path: {path} is not a file")
    return FileOffer(
        path=path,
        size=found.st_size,
        sha256=_digest(path),
        mode=stat.S_IMODE(found.st_mode),
        owner=_user_name(found.st_uid),
        group=_group_name(found.st_gid),
        mtime=found.st_mtime,
    )


def _digest(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: str, offset: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(PART_BYTES)


def _received(offer: FileOffer) -> FileState:
    place = Path(offer.path)
    if place.is_dir():
        raise BadParameter(f"path: {place} is a directory on this node")
    if not place.parent.is_dir():
        raise NotFound(f"{place.parent} is no directory on this node")
    _ids(offer)
    if _is_same(offer):
        return FileState(received=offer.size, is_same=True)
    part = _part(offer.path, offer.sha256)
    _drop_stale(part)
    return FileState(received=part.stat().st_size if part.exists() else 0)


def _is_same(offer: FileOffer) -> bool:
    try:
        found = os.lstat(offer.path)
    except FileNotFoundError:
        return False
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_size == offer.size
        and stat.S_IMODE(found.st_mode) == offer.mode
        and (found.st_uid, found.st_gid) == _ids(offer)
        and _digest(offer.path) == offer.sha256
    )


def _write(request: FilePart) -> None:
    part = _part(request.path, request.sha256)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(part, flags, 0o600)
    with open(descriptor, "wb") as file:
        # Sent again after a lost answer, or something else wrote here: start from it.
        file.truncate(request.offset)
        file.seek(request.offset)
        file.write(request.data)


def _commit(offer: FileOffer) -> None:
    part = _part(offer.path, offer.sha256)
    if offer.size == 0:
        _write(FilePart(path=offer.path, sha256=offer.sha256, offset=0, data=b""))
    if part.stat().st_size != offer.size or _digest(part) != offer.sha256:
        part.unlink()
        raise StorageFault(f"{offer.path} did not arrive as it was sent; try again")
    owner, group = _ids(offer)
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, owner, group)
        os.fchmod(descriptor, offer.mode)
        os.utime(descriptor, (time.time(), offer.mtime))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(offer.path)
    directory = os.open(part.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _part(path: str, sha256: str) -> Path:
    place = Path(path)
    return place.with_name(f".{place.name[:180]}.ganetix-{sha256[:16]}")


def _drop_stale(part: Path) -> None:
    """Remove what was received of other versions of this file, long ago."""
    stem, _, _ = part.name.rpartition("-")
    for other in part.parent.iterdir():
        is_other = other.name.startswith(f"{stem}-") and other != part
        if is_other and time.time() - other.lstat().st_mtime > STALE_SECONDS:
            other.unlink()


def _ids(offer: FileOffer) -> tuple[int, int]:
    try:
        owner = pwd.getpwnam(offer.owner).pw_uid
    except KeyError:
        owner = _number(offer.owner, f"user {offer.owner}")
    try:
        return owner, grp.getgrnam(offer.group).gr_gid
    except KeyError:
        return owner, _number(offer.group, f"group {offer.group}")


def _number(name: str, what: str) -> int:
    if name.isdecimal():
        return int(name)
    raise NotFound(f"there is no {what} on this node, to whom the file belongs")


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
