"""What this host has: memory, processors, which boot it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from ganetix import __version__
from ganetix.errors import ClusterFault
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.node.providers import Providers
from ganetix.objects import GuestInfo
from ganetix.objects.base import Value
from ganetix.objects.node_calls import DiskSpace, NodeInfo, NodeInfoRequest
from ganetix.rpc.methods import NODE_INFO

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler


class HostState(Value, frozen=True, kw_only=True):
    """A host's resources; memory in MiB."""

    boot_id: str
    memory_total_mib: int
    memory_free_mib: int
    cpus: int


ReadHost = Callable[[], HostState]


def parse_meminfo(text: str) -> tuple[int, int]:
    """Total memory, and what can be used without swapping, in MiB."""
    kib: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        number = rest.split(maxsplit=1)[:1]
        if number and number[0].isdigit():
            kib[name] = int(number[0])
    total = kib.get("MemTotal", 0)
    free = kib.get("MemAvailable", kib.get("MemFree", 0) + kib.get("Cached", 0))
    if not total:
        raise ClusterFault("/proc/meminfo does not say how much memory there is")
    return total // 1024, free // 1024


def read_host(proc: Path = Path("/proc")) -> HostState:
    """This host's resources now. Reads small files of the kernel's."""
    total, free = parse_meminfo((proc / "meminfo").read_text("ascii"))
    return HostState(
        boot_id=(proc / "sys/kernel/random/boot_id").read_text("ascii").strip(),
        memory_total_mib=total,
        memory_free_mib=free,
        cpus=os.cpu_count() or 1,
    )


class InfoCalls:
    """Answers ``node_info``."""

    def __init__(
        self,
        clock: IReactorTime,
        node_uuid: str,
        providers: Providers,
        read_host: ReadHost,
        offload: Offload,
    ) -> None:
        self._clock = clock
        self._node_uuid = node_uuid
        self._providers = providers
        self._read_host = read_host
        self._offload = offload

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(NODE_INFO, self._info)

    async def _info(self, request: NodeInfoRequest, call: Call) -> NodeInfo:
        return await self.look(request)

    async def look(self, request: NodeInfoRequest) -> NodeInfo:
        """What this host has now."""
        hypervisors = [self._providers.hypervisor(n) for n in request.hypervisors]
        storages = [self._providers.storage(t) for t in request.disk_templates]
        host = await self._offload(self._read_host)
        guests: list[GuestInfo] = []
        for hypervisor in hypervisors:
            guests += await hypervisor.guests()
        spaces: list[DiskSpace] = []
        for storage in storages:
            space = await storage.space()
            if space is not None:
                spaces.append(space)
        return NodeInfo(
            version=__version__,
            node_uuid=self._node_uuid,
            boot_id=host.boot_id,
            time=self._clock.seconds(),
            memory_total_mib=host.memory_total_mib,
            memory_free_mib=host.memory_free_mib,
            cpus=host.cpus,
            disk_space=tuple(spaces),
            guests=tuple(guests),
        )
