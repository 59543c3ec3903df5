"""Disks in files, made by the real qemu-img."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from ganetix.flow.offload import inline_offload
from ganetix.interfaces import IStorage
from ganetix.paths import Paths
from ganetix.process import ProcessReactor, ProcessRunner, find_program
from ganetix.storage.file import FileStorage
from ganetix.testing.storage import make_istorage_tests


def file_storage(case: TestCase) -> IStorage:
    """A file storage in a fresh directory, with the real qemu-img."""
    root = Path(case.mktemp()).absolute()
    root.mkdir(parents=True)
    runner = ProcessRunner(cast(ProcessReactor, reactor))
    return FileStorage(Paths(root), runner, inline_offload)


class Qcow2Tests(make_istorage_tests(file_storage, {"format": "qcow2"})):  # type: ignore[misc]
    """Real qcow2 images keep the contract."""

    if find_program("qemu-img") is None:
        skip = "qemu-img is not installed"
