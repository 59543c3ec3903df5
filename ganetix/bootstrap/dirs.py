"""Directories and files below a root, with their modes. Blocking: call offloaded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from ganetix.paths import Paths

SECRET_MODE = 0o600
FILE_MODE = 0o644
PARENT_MODE = 0o755
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def make_directories(paths: Paths) -> None:
    """Make what is missing; what is there keeps the mode it has."""
    for directory, mode in (
        (paths.etc, 0o755),
        (paths.lib, 0o750),
        (paths.lib / "guests", 0o700),
        (paths.log, 0o750),
        (paths.run, 0o755),
        (paths.run / "guests", 0o700),
        (paths.file_storage, 0o750),
    ):
        _make(directory, mode)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read."""
    write_files({path: data}, SECRET_MODE)


def write_file(path: Path, data: bytes, mode: int = FILE_MODE) -> None:
    """Write a file whole or not at all; it is durable on return."""
    write_files({path: data}, mode)


def write_files(files: Mapping[Path, bytes], mode: int = FILE_MODE) -> None:
    """Write files of one directory, each whole or not at all; durable on return.

    A reader sees the old contents or the new, and never a looser mode. Faster than one
    by one: none takes its place before all are on the disk.
    """
    drafts: list[tuple[str, Path]] = []
    try:
        for path, data in files.items():
            drafts.append((_draft(path, data, mode), path))
        while drafts:
            os.replace(*drafts[0])
            del drafts[0]
    finally:
        for draft, _ in drafts:
            os.unlink(draft)
    for directory in {path.parent for path in files}:
        _sync_directory(directory)


def _make(directory: Path, mode: int) -> None:
    if not directory.parent.exists():
        # Who may write there could put another directory in the place of this one.
        _make(directory.parent, PARENT_MODE)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode)
        directory.chmod(mode)  # whatever the umask is


def _draft(path: Path, data: bytes, mode: int) -> str:
    """The path of a file beside that one, which is on the disk already."""
    draft = f"{path.parent}/.{path.name}.{os.getpid()}.new"
    try:
        descriptor = os.open(draft, _NEW, 0o600)
    except FileExistsError:
        os.unlink(draft)
        descriptor = os.open(draft, _NEW, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        os.unlink(draft)
        raise
    return draft


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
