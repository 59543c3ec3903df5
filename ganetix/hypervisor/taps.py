"""Network interfaces of bridged cards: made before a start, removed after the end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ganetix.errors import CommandFailed, HypervisorFault
from ganetix.objects import GuestNic, GuestSpec
from ganetix.process import Runner

IP_SECONDS = 20.0


class Taps:
    """The tap interfaces of the guests of one root."""

    def __init__(
        self, runner: Runner, root: Path, interfaces: Path = Path("/sys/class/net")
    ) -> None:
        self._runner = runner
        self._root = root
        self._interfaces = interfaces

    def names(self, guest: GuestSpec) -> Mapping[str, str]:
        """The interface of each bridged card, by the card's UUID.

        Names hold the root too: two nodes of one machine may know the same card.
        """
        return {
            nic.uuid: "gx" + _digest(f"{self._root}\0{nic.uuid}")
            for nic in guest.nics
            if nic.mode == "bridged"
        }

    async def make(self, guest: GuestSpec) -> Mapping[str, str]:
        """Make the interfaces and attach them to their bridges; their names."""
        names = self.names(guest)
        try:
            for nic in guest.nics:
                if nic.uuid in names:
                    await self._make(nic, names[nic.uuid])
        except BaseException:
            await self.remove(guest)
            raise
        return names

    async def remove(self, guest: GuestSpec) -> None:
        """Remove what there is of the interfaces."""
        for name in self.names(guest).values():
            if (self._interfaces / name).exists():
                with suppress(CommandFailed):
                    await self._ip("link", "delete", "dev", name)

    async def _make(self, nic: GuestNic, name: str) -> None:
        if not nic.link or not (self._interfaces / nic.link / "bridge").is_dir():
            raise HypervisorFault(
                f"network card {nic.mac} is to be on bridge {nic.link!r},"
                " which this node does not have"
            )
        if (self._interfaces / name).exists():
            await self._ip("link", "delete", "dev", name)
        try:
            await self._ip("tuntap", "add", "dev", name, "mode", "tap")
            await self._ip("link", "set", "dev", name, "master", nic.link, "up")
        except CommandFailed as error:
            raise HypervisorFault(
                f"network card {nic.mac} cannot be put on bridge {nic.link}: {error}"
            ) from error

    async def _ip(self, *arguments: str) -> None:
        await self._runner.run(["ip", *arguments], timeout_seconds=IP_SECONDS)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
