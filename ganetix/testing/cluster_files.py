"""Files of whole clusters, kept so that the next cluster of a kind is a copy."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

_LEFT_OUT = shutil.ignore_patterns("*.sock", "*-shm")
_kept: dict[tuple[str, int], KeptFiles] = {}


class KeptFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The roots ``node1`` … of a cluster whose addresses are 127.``network``.x."""

    directory: Path
    network: str
    nodes: int


def kept_files(hypervisor: str, nodes: int) -> KeptFiles | None:
    """Those of the largest cluster that has no more nodes."""
    counts = [n for kind, n in _kept if kind == hypervisor and n <= nodes]
    return _kept[hypervisor, max(counts)] if counts else None


def keep_files(
    base: Path, hypervisor: str, network: str, nodes: int, pids: Iterable[int]
) -> None:
    """Copy a running cluster's roots, as they would be after a power failure.

    :param pids: children of this process, the cluster's daemons; they stand still
        meanwhile
    """
    pids = tuple(pids)
    directory = Path(tempfile.mkdtemp(prefix="gnx-kept"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        shutil.copytree(base, directory, ignore=_LEFT_OUT, dirs_exist_ok=True)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    _kept[hypervisor, nodes] = KeptFiles(
        directory=directory, network=network, nodes=nodes
    )
