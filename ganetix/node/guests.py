"""Starting, stopping, listing, moving and purging guests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from ganetix.errors import GanetixError
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.node.providers import Providers
from ganetix.node.strays import end_scripts
from ganetix.node.turns import Turns
from ganetix.objects import GuestInfo
from ganetix.objects.guest_calls import (
    GuestAwaited,
    GuestList,
    GuestListRequest,
    GuestName,
    GuestPurge,
    GuestReceive,
    GuestSend,
    GuestStart,
    GuestStop,
    GuestStopped,
    Purged,
    RunningSpec,
    SendCancelled,
)
from ganetix.rpc.methods import (
    GUEST_ACCEPT,
    GUEST_LIST,
    GUEST_PURGE,
    GUEST_RECEIVE,
    GUEST_RESET,
    GUEST_SEND,
    GUEST_SEND_CANCEL,
    GUEST_SPEC,
    GUEST_START,
    GUEST_STOP,
    Nothing,
)

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler


class GuestCalls:
    """Does the methods about guests.

    Stopping and calling a guest back never wait behind other work.
    """

    def __init__(self, providers: Providers, turns: Turns, offload: Offload) -> None:
        self._providers = providers
        self._turns = turns
        self._offload = offload

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(GUEST_LIST, self._list)
        yield handler(GUEST_START, self._start)
        yield handler(GUEST_STOP, self._stop)
        yield handler(GUEST_RESET, self._reset)
        yield handler(GUEST_PURGE, self._purge)
        yield handler(GUEST_SPEC, self._spec)
        yield handler(GUEST_RECEIVE, self._receive)
        yield handler(GUEST_SEND, self._send)
        yield handler(GUEST_SEND_CANCEL, self._cancel_send)
        yield handler(GUEST_ACCEPT, self._accept)

    async def _list(self, request: GuestListRequest, call: Call) -> GuestList:
        guests: list[GuestInfo] = []
        for name in request.hypervisors:
            guests += await self._providers.hypervisor(name).guests()
        return GuestList(guests=tuple(guests))

    async def _start(self, request: GuestStart, call: Call) -> GuestInfo:
        guest = request.guest
        hypervisor = self._providers.hypervisor(guest.hypervisor)
        disk_paths = self._providers.disk_paths(guest)
        return await self._turns.run(
            guest.uuid, lambda: hypervisor.start(guest, disk_paths, call.say)
        )

    async def _stop(self, request: GuestStop, call: Call) -> GuestStopped:
        hypervisor = self._providers.hypervisor(request.hypervisor)
        outcome = await hypervisor.stop(request.uuid, request.timeout_seconds, call.say)
        return GuestStopped(outcome=outcome)

    async def _reset(self, request: GuestName, call: Call) -> Nothing:
        await self._providers.hypervisor(request.hypervisor).reset(request.uuid)
        return Nothing()

    async def _spec(self, request: GuestName, call: Call) -> RunningSpec:
        hypervisor = self._providers.hypervisor(request.hypervisor)
        return RunningSpec(guest=await hypervisor.running_spec(request.uuid))

    async def _receive(self, request: GuestReceive, call: Call) -> GuestAwaited:
        guest = request.guest
        hypervisor = self._providers.hypervisor(guest.hypervisor)
        disk_paths = self._providers.disk_paths(guest)
        port = await self._turns.run(
            guest.uuid,
            lambda: hypervisor.receive(
                guest, disk_paths, request.address, request.sender, call.say
            ),
        )
        return GuestAwaited(port=port)

    async def _send(self, request: GuestSend, call: Call) -> Nothing:
        hypervisor = self._providers.hypervisor(request.hypervisor)
        await self._turns.run(
            request.uuid,
            lambda: hypervisor.send(
                request.uuid,
                request.address,
                request.port,
                request.receiver,
                call.say,
            ),
        )
        return Nothing()

    async def _cancel_send(self, request: GuestName, call: Call) -> SendCancelled:
        hypervisor = self._providers.hypervisor(request.hypervisor)
        return SendCancelled(stays=await hypervisor.cancel_send(request.uuid))

    async def _accept(self, request: GuestName, call: Call) -> GuestInfo:
        hypervisor = self._providers.hypervisor(request.hypervisor)
        return await self._turns.run(
            request.uuid, lambda: hypervisor.accept(request.uuid)
        )

    async def _purge(self, request: GuestPurge, call: Call) -> Purged:
        return await self._turns.sweep(
            request.uuid, lambda: Deferred.fromCoroutine(self._remove(request))
        )

    async def _remove(self, request: GuestPurge) -> Purged:
        # One of a daemon that was killed; this daemon's own were swept away just now.
        await self._offload(lambda: end_scripts(request.uuid))
        hypervisors = [self._providers.hypervisor(n) for n in request.hypervisors]
        storages = [self._providers.storage(t) for t in request.disk_templates]
        known = False
        # A guest that cannot be ended keeps its disks: it may be writing to them.
        for hypervisor in hypervisors:
            known = await hypervisor.info(request.uuid) is not None or known
            await hypervisor.forget(request.uuid)
        disks = 0
        first: GanetixError | None = None
        for storage in storages:
            try:
                disks += await storage.remove_all(request.uuid)
            except GanetixError as error:
                first = first or error
        if first is not None:
            raise first
        return Purged(guest=known, disks=disks)
