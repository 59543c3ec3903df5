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


def write_files(files: Mapping[Path, bytes], mode: int = FILE_MODE) -> None:
    """Write files of one directory, each whole or not at all; durable on return.

    Faster than one by one: none takes its place before all are on the disk.
    """
    drafts: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            drafts[path] = _draft(path, data, mode)
        for path in files:
            drafts[path].replace(path)
            del drafts[path]
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    for directory in {path.parent for path in files}:
        _sync_directory(directory)


def _make(directory: Path, mode: int) -> None:
    if not directory.parent.exists():
        # Who may write there could put another directory in the place of this one.
        _make(directory.parent, PARENT_MODE)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode)
        directory.chmod(mode)  # whatever the umask is


def _write(path: Path, data: bytes, mode: int) -> None:
    """A reader sees the old contents or the new, and never a looser mode."""
    draft = _draft(path, data, mode)
    try:
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _draft(path: Path, data: bytes, mode: int) -> Path:
    """A file beside that one, on the disk already."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
