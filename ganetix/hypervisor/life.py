"""Whether a guest that QEMU calls running does anything.

QEMU says ``running`` as soon as it lets the processors go, also where these never get
anywhere: a ``/dev/kvm`` may exist that runs no ordinary guest. Signs of life, of which
one is enough:

- the guest wrote to its serial console, or powered itself off;
- it wrote to a disk, or read more from it at a time than firmware does (firmware
  reads sector by sector, and does so again with every reset of a kernel that fails);
- if it boots from disk: its firmware read the disk; what is on it is not ours to judge;
- if it has nothing to boot from: its firmware came to say so on its debug port.

A reset is none: a machine that runs into nonsense resets itself over and over.
"""

from __future__ import annotations

from pathlib import Path

from ganetix.errors import HypervisorFault
from ganetix.hypervisor.kvm_argv import BootSource, GuestFiles
from ganetix.hypervisor.qmp import QmpClient
from ganetix.objects import Value

SECTOR = 512
NOTHING_TO_BOOT = b"No bootable device"


class _Stats(Value, frozen=True, kw_only=True):
    rd_bytes: int = 0
    rd_operations: int = 0
    wr_operations: int = 0


class _BlockStats(Value, frozen=True, kw_only=True):
    stats: _Stats = _Stats()


class LifeSigns:
    """Looks for signs of life of a guest, whose QEMU was started only now.

    :param client: connected to the guest's monitor
    """

    def __init__(
        self, client: QmpClient, files: GuestFiles, boots_from: BootSource
    ) -> None:
        self._client = client
        self._files = files
        self._boots_from = boots_from
        # The console log goes on where the guest's last run left it.
        self._console_before = _size(files.console_log)

    async def seen(self) -> str:
        """What sign was seen, in words; empty if none was.

        Fails with ``HypervisorFault`` if the guest cannot show one any more.
        """
        if _size(self._files.console_log) > self._console_before:
            return "writes to its console"
        status = (await self._client.status()).status
        if status == "shutdown":
            return "powered itself off"
        if status == "guest-panicked":
            raise HypervisorFault("the guest's kernel panicked")
        if status == "internal-error":
            raise HypervisorFault("QEMU met an internal error and stopped the guest")
        return await self._other_sign()

    async def seen_since(self, start: float) -> str:
        """As ``seen``, for a guest started at that time, in epoch seconds."""
        if _changed_since(self._files.console_log, start):
            return "writes to its console"
        return await self._other_sign()

    async def _other_sign(self) -> str:
        if self._boots_from == "nothing":
            said = _beginning(self._files.firmware_log)
            return "has nothing to boot from" if NOTHING_TO_BOOT in said else ""
        for disk in await self._client.query("query-blockstats", list[_BlockStats]):
            stats = disk.stats
            is_kernels = stats.rd_bytes > SECTOR * stats.rd_operations
            is_any = self._boots_from == "disk" and stats.rd_operations > 0
            if is_kernels or is_any or stats.wr_operations > 0:
                return "uses its disk"
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 16)
    except FileNotFoundError:
        return b""


def _changed_since(path: Path, moment: float) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size > 0 and found.st_mtime > moment
