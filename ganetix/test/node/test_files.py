"""Tests of files that are copied to a node, on a real directory."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from msgspec.structs import replace

from ganetix.errors import BadParameter, NotAllowed, NotFound, StorageFault
from ganetix.flow.offload import inline_offload
from ganetix.node.files import LocalFiles
from ganetix.objects.remote import FilePart, FileState
from ganetix.rpc.methods import FILE_COMMIT, FILE_OFFER, FILE_WRITE
from ganetix.test.node.support import NodeCase

DATA = bytes(range(256)) * 20


class FileTests(NodeCase):
    """A file comes whole or not at all."""

    def setUp(self) -> None:
        """A file at its source, offered for another place."""
        super().setUp()
        self.source = self.root / "source"
        self.source.write_bytes(DATA)
        self.source.chmod(0o4750)
        self.files = LocalFiles(self.paths, inline_offload)
        self.target = self.root / "etc/thing.conf"
        self.target.parent.mkdir()
        found = self.successResultOf(self.files.describe(str(self.source)))
        self.offer = replace(found, path=str(self.target))

    def send(self, offset: int, data: bytes) -> None:
        """A part."""
        self.ask(
            FILE_WRITE,
            FilePart(
                path=self.offer.path,
                sha256=self.offer.sha256,
                offset=offset,
                data=data,
            ),
        )

    def partials(self) -> list[str]:
        """What lies beside the target."""
        return [name for name in os.listdir(self.target.parent) if name[0] == "."]

    def test_describe(self) -> None:
        """A file is described by size, digest, mode and names."""
        self.assertEqual(self.offer.size, len(DATA))
        self.assertEqual(self.offer.sha256, hashlib.sha256(DATA).hexdigest())
        self.assertEqual(self.offer.mode, 0o4750)

    def test_whole(self) -> None:
        """Bytes, mode and time arrive, and nothing is left beside the file."""
        self.assertEqual(self.ask(FILE_OFFER, self.offer), FileState(received=0))
        self.send(0, DATA[:1000])
        self.assertFalse(self.target.exists())
        self.send(1000, DATA[1000:])
        self.ask(FILE_COMMIT, self.offer)
        self.assertEqual(self.target.read_bytes(), DATA)
        self.assertEqual(stat.S_IMODE(self.target.stat().st_mode), 0o4750)
        self.assertEqual(
            int(self.target.stat().st_mtime), int(self.source.stat().st_mtime)
        )
        self.assertEqual(self.partials(), [])

    def test_resumed(self) -> None:
        """After a cut the node says how much it has."""
        self.send(0, DATA[:1000])
        self.assertEqual(self.ask(FILE_OFFER, self.offer), FileState(received=1000))

    def test_part_sent_twice(self) -> None:
        """A part whose answer was lost may be sent again."""
        self.send(0, DATA[:1000])
        self.send(0, DATA[:1000])
        self.send(1000, DATA[1000:])
        self.ask(FILE_COMMIT, self.offer)
        self.assertEqual(self.target.read_bytes(), DATA)

    def test_same_file_needs_nothing(self) -> None:
        """A file that is there already, as it should be, is not sent."""
        self.send(0, DATA)
        self.ask(FILE_COMMIT, self.offer)
        self.assertTrue(self.ask(FILE_OFFER, self.offer).is_same)

    def test_empty_file(self) -> None:
        """An empty file is a file."""
        empty = hashlib.sha256(b"").hexdigest()
        self.offer = replace(self.offer, size=0, sha256=empty)
        self.ask(FILE_COMMIT, self.offer)
        self.assertEqual(self.target.read_bytes(), b"")

    def test_changed_on_the_way(self) -> None:
        """What does not have the digest that was offered changes nothing."""
        self.target.write_bytes(b"old")
        self.send(0, DATA[:-1] + b"?")
        said = self.refusal(FILE_COMMIT, self.offer, StorageFault)
        self.assertIn("did not arrive as it was sent", said)
        self.assertEqual(self.target.read_bytes(), b"old")
        self.assertEqual(self.partials(), [])

    def test_symlink_is_replaced(self) -> None:
        """A link in the file's place is replaced, and what it pointed to is left."""
        elsewhere = self.root / "elsewhere"
        elsewhere.write_bytes(b"mine")
        self.target.symlink_to(elsewhere)
        self.send(0, DATA)
        self.ask(FILE_COMMIT, self.offer)
        self.assertFalse(self.target.is_symlink())
        self.assertEqual(elsewhere.read_bytes(), b"mine")

    def test_directory_is_refused(self) -> None:
        """A directory in the file's place is left alone."""
        self.target.mkdir()
        said = self.refusal(FILE_OFFER, self.offer, BadParameter)
        self.assertIn("is a directory on this node", said)

    def test_no_directory(self) -> None:
        """A file is not put into a directory that is not there."""
        offer = replace(self.offer, path=str(self.root / "nowhere/file"))
        said = self.refusal(FILE_OFFER, offer, NotFound)
        self.assertIn("is no directory on this node", said)

    def test_unknown_owner(self) -> None:
        """An owner whom the node does not know is named before anything is sent."""
        offer = replace(self.offer, owner="nobody-such")
        said = self.refusal(FILE_OFFER, offer, NotFound)
        self.assertIn("no user nobody-such", said)

    def test_own_state_is_never_written(self) -> None:
        """A node's keys and state are not copied over, by any spelling."""
        link = self.root / "innocent"
        link.symlink_to(self.paths.lib)
        for directory in (self.paths.lib, link):
            offer = replace(self.offer, path=str(directory / "node.key"))
            self.refusal(FILE_OFFER, offer, NotAllowed)
            self.refusal(FILE_COMMIT, offer, NotAllowed)

    def test_missing_source(self) -> None:
        """A source that is not there is said to be missing."""
        described = self.files.describe(str(self.root / "nothing"))
        self.assertIn("nothing", str(self.failureResultOf(described, NotFound).value))

    def test_directory_is_no_source(self) -> None:
        """Directories are not copied."""
        described = self.files.describe(str(self.root))
        self.failureResultOf(described, BadParameter)

    def test_stale_parts_go(self) -> None:
        """What was begun of another version long ago is cleared away."""
        old = Path(self.target.parent, ".thing.conf.ganetix-" + "0" * 16)
        old.write_bytes(b"half")
        os.utime(old, (1, 1))
        self.ask(FILE_OFFER, self.offer)
        self.assertFalse(old.exists())
