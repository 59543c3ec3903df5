"""The contract of storages, run on each of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import TestCase

from ganetix.flow.offload import inline_offload
from ganetix.interfaces import IStorage
from ganetix.paths import Paths
from ganetix.storage.file import FileStorage
from ganetix.testing.process import FakeRunner
from ganetix.testing.storage import FakeStorage, make_istorage_tests


class FakeQemuImg(FakeRunner):
    """Makes files whose headers are those of qcow2 images, and reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.on("qemu-img", "create", effect=self._create)

    def _create(self, argv: Sequence[str]) -> None:
        path, size = Path(argv[-2]), int(argv[-1])
        path.write_bytes(b"QFI\xfb" + bytes(20) + size.to_bytes(8, "big"))
        answer = b'{"format": "qcow2", "virtual-size": %d}' % size
        self.on("qemu-img", "info", stdout=answer)


def file_storage(case: TestCase) -> IStorage:
    """A file storage in a fresh directory."""
    root = Path(case.mktemp()).absolute()
    root.mkdir(parents=True)
    return FileStorage(Paths(root), FakeQemuImg(), inline_offload)


class FakeStorageTests(make_istorage_tests(lambda _: FakeStorage())):  # type: ignore[misc]
    """The fake keeps the contract."""


class RawFileTests(make_istorage_tests(file_storage, {"format": "raw"})):  # type: ignore[misc]
    """Raw files keep the contract."""


class DefaultFileTests(make_istorage_tests(file_storage)):  # type: ignore[misc]
    """Files of the default format keep the contract."""


class Qcow2FileTests(make_istorage_tests(file_storage, {"format": "qcow2"})):  # type: ignore[misc]
    """qcow2 files keep the contract."""
