"""Directories and files below a root, with their modes. Blocking: call offloaded."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ganetix.paths import Paths

SECRET_MODE = 0o600
FILE_MODE = 0o644
PARENT_MODE = 0o755


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
    _write(path, data, SECRET_MODE)


def write_file(path: Path, data: bytes, mode: int = FILE_MODE) -> None:
    """Write a file whole or not at all; it is durable on return."""
    _write(path, data, mode)


def _make(directory: Path, mode: int) -> None:
    if not directory.parent.exists():
        # Who may write there could put another directory in the place of this one.
        _make(directory.parent, PARENT_MODE)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode)
        directory.chmod(mode)  # whatever the umask is


def _write(path: Path, data: bytes, mode: int) -> None:
    """A reader sees the old contents or the new, and never a looser mode."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
