"""Making and listing disks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ganetix.errors import GanetixError
from ganetix.interfaces import Say
from ganetix.node.calls import handler
from ganetix.node.providers import Providers
from ganetix.node.turns import Turns
from ganetix.objects import GuestDisk, GuestSpec
from ganetix.objects.guest_calls import DisksCreate
from ganetix.objects.node_calls import DiskInfo, DiskList
from ganetix.rpc.methods import DISK_LIST, DISKS_CREATE, Nothing

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler


class DiskCalls:
    """Does the methods about disks."""

    _log = Logger()

    def __init__(self, providers: Providers, turns: Turns) -> None:
        self._providers = providers
        self._turns = turns

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(DISKS_CREATE, self._create)
        yield handler(DISK_LIST, self._list)

    async def all_disks(self) -> tuple[DiskInfo, ...]:
        """The disks of all storages."""
        disks: list[DiskInfo] = []
        for _, storage in sorted(self._providers.storages.items()):
            disks += await storage.disks()
        return tuple(disks)

    async def _list(self, request: Nothing, call: Call) -> DiskList:
        return DiskList(disks=await self.all_disks())

    async def _create(self, request: DisksCreate, call: Call) -> Nothing:
        guest = request.guest
        self._providers.disk_paths(guest)  # refuses before anything was made
        await self._turns.run(
            guest.uuid,
            lambda: Deferred.fromCoroutine(self._create_all(guest, call.say)),
        )
        return Nothing()

    async def _create_all(self, guest: GuestSpec, say: Say) -> None:
        made: list[GuestDisk] = []
        complete = False
        try:
            for disk in guest.disks:
                await self._providers.storage(disk.template).create(
                    guest.uuid, disk, say
                )
                made.append(disk)
            complete = True
        finally:
            if not complete:
                await self._undo(guest, made, say)

    async def _undo(self, guest: GuestSpec, made: list[GuestDisk], say: Say) -> None:
        for disk in reversed(made):
            try:
                await self._providers.storage(disk.template).remove(
                    guest.uuid, disk.uuid
                )
            except GanetixError as error:
                say(f"disk {disk.uuid} could not be removed again: {error}")
                self._log.error(
                    "disk {disk} of {instance} is left behind: {error}",
                    disk=disk.uuid,
                    instance=guest.name,
                    error=error,
                )
