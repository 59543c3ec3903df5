"""Directories and files with their modes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap.dirs import make_directories, write_file, write_secret
from ganetix.paths import Paths


def mode_of(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


class DirectoryTests(SynchronousTestCase):
    """The directories below a root."""

    def setUp(self) -> None:
        self.paths = Paths(Path(self.mktemp()).absolute())
        self.addCleanup(os.umask, os.umask(0o077))

    def test_modes(self) -> None:
        """Modes do not depend on the umask; what is private is so."""
        make_directories(self.paths)
        self.assertEqual(mode_of(self.paths.run), 0o755)
        self.assertEqual(mode_of(self.paths.lib), 0o750)
        self.assertEqual(mode_of(self.paths.run / "guests"), 0o700)

    def test_parents(self) -> None:
        """Nobody else may write in the directories above, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        make_directories(self.paths)
        above = self.paths.root.rglob("*")
        loose = [str(path) for path in above if mode_of(path) & 0o022]
        self.assertEqual(loose, [])
        self.assertEqual(mode_of(self.paths.root), 0o755)

    def test_again(self) -> None:
        """What an administrator has set is left as it is."""
        make_directories(self.paths)
        self.paths.log.chmod(0o700)
        make_directories(self.paths)
        self.assertEqual(mode_of(self.paths.log), 0o700)


class FileTests(SynchronousTestCase):
    """Files, written whole."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.file = self.directory / "file"

    def test_secret(self) -> None:
        """A secret is for its owner only, even where the old file was not."""
        self.file.write_bytes(b"old")
        self.file.chmod(0o644)
        write_secret(self.file, b"new")
        self.assertEqual((self.file.read_bytes(), mode_of(self.file)), (b"new", 0o600))

    def test_file(self) -> None:
        """Other files can be read by all, and nothing else is left behind."""
        write_file(self.file, b"text")
        self.assertEqual(mode_of(self.file), 0o644)
        self.assertEqual(os.listdir(self.directory), ["file"])

    def test_leftover(self) -> None:
        """What a write that was cut short left does not stand in the way."""
        leftover = self.directory / f".file.{os.getpid()}.new"
        leftover.symlink_to("/etc/passwd")
        write_file(self.file, b"text")
        self.assertEqual(self.file.read_bytes(), b"text")
        self.assertFalse(self.file.is_symlink())

    def test_fails_whole(self) -> None:
        """A write that fails leaves neither the file nor a part of it."""
        target = self.directory / "directory"
        target.mkdir()
        self.assertRaises(OSError, write_file, target, b"text")
        self.assertEqual(os.listdir(self.directory), ["directory"])
