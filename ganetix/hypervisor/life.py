"""Whether a guest that QEMU calls running does anything.

Sound signs, of which one is enough:

- it wrote to its serial console;
- it read from one of its disks: QEMU counts only what the guest asks for;
- it powered itself off;
- if it has nothing to boot from, neither kernel nor disk: its processor has left the
  state in which it was created, which shows that the accelerator executes code.

A reset is none: a machine that runs into nonsense resets itself over and over.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ganetix.errors import HypervisorFault
from ganetix.hypervisor.qmp import QmpClient
from ganetix.objects import Value


class _Stats(Value, frozen=True, kw_only=True):
    rd_operations: int = 0


class _BlockStats(Value, frozen=True, kw_only=True):
    stats: _Stats = _Stats()


class LifeSigns:
    """Looks for signs of life of one guest since a moment.

    :param boots: whether it has a kernel or a disk to boot from
    """

    def __init__(self, client: QmpClient, console_log: Path, *, boots: bool) -> None:
        self._client = client
        self._console_log = console_log
        self._boots = boots
        self._console_before = 0
        self._reads_before = 0
        self._registers_before = ""

    async def begin(self) -> None:
        """Note how things are before the guest's first instruction."""
        self._console_before = self._console_size()
        self._reads_before = await _disk_reads(self._client)
        if not self._boots:
            self._registers_before = await self._registers()

    async def seen(self) -> str:
        """What sign was seen, in words; empty if none was.

        Fails with ``HypervisorFault`` if the guest cannot show one any more.
        """
        if self._console_size() > self._console_before:
            return "writes to its console"
        status = (await self._client.status()).status
        if status == "shutdown":
            return "powered itself off"
        if status == "guest-panicked":
            raise HypervisorFault("the guest's kernel panicked")
        if status == "internal-error":
            raise HypervisorFault("QEMU met an internal error and stopped the guest")
        if await _disk_reads(self._client) > self._reads_before:
            return "reads from its disk"
        if not self._boots and await self._registers() != self._registers_before:
            return "executes its firmware, having nothing to boot from"
        return ""

    def _console_size(self) -> int:
        try:
            return self._console_log.stat().st_size
        except FileNotFoundError:
            return 0

    async def _registers(self) -> str:
        raw = await self._client.execute(
            "human-monitor-command", {"command-line": "info registers"}
        )
        return msgspec.json.decode(raw, type=str)


async def has_lived(client: QmpClient, console_log: Path, since: float) -> bool:
    """Whether a guest, started at ``since`` (epoch seconds), has shown a sign of life.

    For a guest whose start this daemon did not see.
    """
    return _wrote_since(console_log, since) or await _disk_reads(client) > 0


def _wrote_since(console_log: Path, moment: float) -> bool:
    try:
        found = console_log.stat()
    except FileNotFoundError:
        return False
    return found.st_size > 0 and found.st_mtime > moment


async def _disk_reads(client: QmpClient) -> int:
    disks = await client.query("query-blockstats", list[_BlockStats])
    return sum(disk.stats.rd_operations for disk in disks)
