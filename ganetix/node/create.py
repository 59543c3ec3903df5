"""May a guest be created here? And its OS installed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ganetix.errors import BadParameter, NoResources, WrongState
from ganetix.interfaces import IOsProvider, Offload
from ganetix.node.calls import handler
from ganetix.node.info import ReadHost
from ganetix.node.providers import Providers
from ganetix.node.turns import Turns
from ganetix.objects import GuestSpec
from ganetix.objects.guest_calls import CreateCheck, OsCreate
from ganetix.objects.node_calls import OsList
from ganetix.rpc.methods import CREATE_CHECK, OS_CREATE, OS_LIST, Nothing

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler


class CreateCalls:
    """Does the methods about new guests; only ``os_create`` changes anything."""

    def __init__(
        self,
        providers: Providers,
        turns: Turns,
        os_provider: IOsProvider,
        read_host: ReadHost,
        offload: Offload,
    ) -> None:
        self._providers = providers
        self._turns = turns
        self._os_provider = os_provider
        self._read_host = read_host
        self._offload = offload

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(CREATE_CHECK, self._check)
        yield handler(OS_LIST, self._os_list)
        yield handler(OS_CREATE, self._os_create)

    async def _os_list(self, request: Nothing, call: Call) -> OsList:
        definitions = await self._os_provider.definitions()
        return OsList(definitions=tuple(definitions))

    async def _os_create(self, request: OsCreate, call: Call) -> Nothing:
        guest = request.guest
        if not guest.os:
            raise BadParameter(f"instance {guest.name} has no OS definition to run")
        disk_paths = self._providers.disk_paths(guest)
        await self._turns.run(
            guest.uuid,
            lambda: self._os_provider.create(
                guest, disk_paths, request.reinstall, call.say
            ),
        )
        return Nothing()

    async def _check(self, request: CreateCheck, call: Call) -> Nothing:
        guest = request.guest
        hypervisor = self._providers.hypervisor(guest.hypervisor)
        self._providers.disk_paths(guest)
        _refuse(
            f"hypervisor {guest.hypervisor} does not work here",
            await hypervisor.check(),
        )
        await self._check_memory(guest)
        await self._check_disks(guest)
        if guest.os:
            await self._os_provider.verify(guest.os, guest.osparams)
        return Nothing()

    async def _check_memory(self, guest: GuestSpec) -> None:
        host = await self._offload(self._read_host)
        if guest.memory_mib > host.memory_free_mib:
            raise NoResources(
                f"instance {guest.name} needs {guest.memory_mib} MiB of memory;"
                f" the node has {host.memory_free_mib} MiB free"
            )

    async def _check_disks(self, guest: GuestSpec) -> None:
        needed: Counter[str] = Counter()
        for disk in guest.disks:
            needed[disk.template] += disk.size_mib
        for template, size_mib in sorted(needed.items()):
            storage = self._providers.storage(template)
            _refuse(f"disk template {template} does not work", await storage.check())
            space = await storage.space()
            if space is not None and size_mib > space.free_mib:
                raise NoResources(
                    f"instance {guest.name} needs {size_mib} MiB of disk template"
                    f" {template}; the node has {space.free_mib} MiB free"
                )


def _refuse(what: str, problems: Sequence[str]) -> None:
    if problems:
        raise WrongState(f"{what}: {'; '.join(problems)}")
