"""Tests of reading images and qemu-img's answers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import StorageFault
from ganetix.storage.parsers import image_info, qcow2_size

ANSWER = b"""{
    "virtual-size": 1073741824,
    "filename": "/tmp/x.qcow2",
    "cluster-size": 65536,
    "format": "qcow2",
    "actual-size": 200704,
    "format-specific": {"type": "qcow2", "data": {"compat": "1.1"}},
    "dirty-flag": false
}"""


class ImageInfoTests(SynchronousTestCase):
    """Reading ``qemu-img info``."""

    def test_reads_sizes(self) -> None:
        """Format and sizes are found, the rest does not matter."""
        info = image_info(ANSWER)
        self.assertEqual(
            (info.format, info.virtual_size, info.actual_size, info.backing_file),
            ("qcow2", 1 << 30, 200704, ""),
        )

    def test_refuses_other_text(self) -> None:
        """What is no answer is a fault of the storage."""
        for text in (b"", b"{}", b"qemu-img: error", b'{"format": 1}'):
            with self.assertRaisesRegex(StorageFault, "qemu-img info"):
                image_info(text)


class HeaderTests(SynchronousTestCase):
    """Reading the header of a qcow2 image."""

    def test_reads_size(self) -> None:
        """The size a guest sees is in the header."""
        header = b"QFI\xfb" + bytes(20) + (5 << 30).to_bytes(8, "big")
        self.assertEqual(qcow2_size(header), 5 << 30)

    def test_no_image(self) -> None:
        """Other files, and cut ones, have no size."""
        for header in (b"", b"QFI\xfb", bytes(64)):
            self.assertIsNone(qcow2_size(header))
