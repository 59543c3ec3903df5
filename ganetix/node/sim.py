"""A host that is not there: its resources are words, its guests are notes.

What talks to the master is the real thing. Guests and disks survive a restart, as
notes and sparse files below the node's own root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from ganetix.errors import NotAllowed
from ganetix.hypervisor.fake import FakeHypervisor
from ganetix.interfaces import IHypervisor, IStorage, Offload
from ganetix.node.info import HostState
from ganetix.node.os import OsProvider
from ganetix.objects import new_uuid
from ganetix.objects.base import Value
from ganetix.objects.node_calls import DiskSpace
from ganetix.process import ProcessResult, Runner
from ganetix.storage.diskless import DisklessStorage
from ganetix.storage.file import FileStorage

if TYPE_CHECKING:
    from pathlib import Path

    from ganetix.paths import Paths

OWN_MEMORY_MIB = 512
"""What the host takes for itself."""

HYPERVISORS = ("fake", "kvm")
"""Those whose place notes take, so that a cluster of either kind can be rehearsed."""


class SimResources(Value, frozen=True, kw_only=True):
    """What a simulated host is said to have; sizes in MiB."""

    memory_mib: int = 65_536
    disk_mib: int = 1_048_576
    cpus: int = 16


class SimGuests(FakeHypervisor):
    """Notes of guests, under the name of the hypervisor that a cluster uses."""

    def __init__(self, name: str, paths: Paths, clock: IReactorTime) -> None:
        self.name = name
        super().__init__(paths, clock)

    @property
    def memory_mib(self) -> int:
        """What the guests that run take."""
        records = self._records.all()
        return sum(each.spec.memory_mib for each in records if not each.ended)


class SimStorage(FileStorage):
    """Sparse files, which fill the space that the host is said to have."""

    def __init__(
        self, paths: Paths, runner: Runner, offload: Offload, total_mib: int
    ) -> None:
        super().__init__(paths, runner, offload)
        self._total_mib = total_mib

    def _space(self) -> DiskSpace:
        taken = sum(disk.size_mib for disk in self._disks())
        return DiskSpace(
            template=self.template,
            total_mib=self._total_mib,
            free_mib=max(0, self._total_mib - taken),
        )


class SimRunner:
    """Runs no command: pretends that it went well, or refuses.

    Notes of guests do without what scripts of OS definitions would do; what a user
    wants to have run would be missed.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        on_data: Callable[[int, bytes], None] | None = None,
        cwd: str | None = None,
        check: bool = True,
        max_output: int = 1 << 20,
        umask: int | None = None,
    ) -> Deferred[ProcessResult]:
        """See ``Runner``."""
        if self._refuses:
            return fail(NotAllowed("a simulated node runs no commands"))
        if on_line is not None:
            on_line(f"simulated: {argv[0]} is not run")
        return succeed(ProcessResult(status=0))


class SimHost:
    """What makes up one simulated host, for a ``NodeService``.

    :param runner: makes disk images; scripts of OS definitions are not run
    """

    def __init__(
        self,
        *,
        paths: Paths,
        node_name: str,
        clock: IReactorTime,
        runner: Runner,
        resources: SimResources,
        offload: Offload,
        os_search_path: Sequence[Path],
    ) -> None:
        self._resources = resources
        self._boot_id = new_uuid()
        self._guests = [SimGuests(name, paths, clock) for name in HYPERVISORS]
        self.hypervisors: Mapping[str, IHypervisor] = {
            each.name: each for each in self._guests
        }
        self.storages: Mapping[str, IStorage] = {
            "file": SimStorage(paths, runner, offload, resources.disk_mib),
            "diskless": DisklessStorage(),
        }
        self.os_provider = OsProvider(os_search_path, SimRunner(), offload, node_name)

    def read(self) -> HostState:
        """Its resources now: guests that run take their memory."""
        total = self._resources.memory_mib
        taken = OWN_MEMORY_MIB + sum(each.memory_mib for each in self._guests)
        return HostState(
            boot_id=self._boot_id,
            memory_total_mib=total,
            memory_free_mib=max(0, total - taken),
            cpus=self._resources.cpus,
        )
