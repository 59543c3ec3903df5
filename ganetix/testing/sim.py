"""A cluster without processes or sockets: the real units, store, codec and node code.

Hosts are fake: their hypervisor keeps files, their disks are notes, their clock is a
``Clock``. Nodes can be taken down and calls made to fail through ``rpc``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap.authorities import CertificateAuthorities
from ganetix.bootstrap.dirs import make_directories, write_file, write_secret
from ganetix.bootstrap.pki import key_pem
from ganetix.cache.capacity import CapacityBook
from ganetix.config.snapshot import Edits, Snapshot
from ganetix.config.store import ConfigStore, initial_rows
from ganetix.errors import Cancelled, NotFound
from ganetix.flow.offload import inline_offload
from ganetix.hypervisor.fake import FakeHypervisor
from ganetix.interfaces import Say
from ganetix.jobs.work import Outcome
from ganetix.node.files import LocalFiles
from ganetix.node.info import HostState
from ganetix.node.os import OsProvider
from ganetix.node.service import NodeService
from ganetix.objects import GuestDisk, Instance, Node
from ganetix.objects.node import Enrolment
from ganetix.opcodes import Opcode
from ganetix.paths import Paths
from ganetix.state.store import StateStore
from ganetix.storage.diskless import DisklessStorage
from ganetix.testing.allocation import InlineAllocation
from ganetix.testing.config import make_node, make_snapshot, uuid_of
from ganetix.testing.pki import authority
from ganetix.testing.process import FakeRunner
from ganetix.testing.rpc import FakeNodeRpc
from ganetix.testing.state import MemoryEngine
from ganetix.testing.storage import FakeStorage
from ganetix.units.base import Services
from ganetix.units.worker import LogicalUnits

T = TypeVar("T")

SHIPPED_OS = Path(__file__).parents[2] / "etc/os"
VERSION = "1.0"


class RecordedProgress:
    """A job's log, and its user's wish to cancel, as tests see them.

    ``recorded`` fires when it is recorded that the opcode runs; it has, unless the test
    puts another in its place.
    """

    def __init__(self, job_id: int = 1) -> None:
        self.job_id = job_id
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.has_begun = False
        self.recorded: Deferred[None] = succeed(None)
        self.cancel_after: int | None = None
        self.held: frozenset[str] = frozenset()
        self.on_hold: Callable[[], None] = lambda: None

    def begun(self) -> Deferred[None]:
        """Fires when the test has it recorded."""
        self.has_begun = True
        return self.recorded

    def say(self, text: str) -> None:
        """Note a line."""
        self.lines.append(text)

    def warn(self, text: str) -> None:
        """Note a warning."""
        self.warnings.append(text)

    def hold_nodes(self, uuids: Collection[str]) -> Deferred[None]:
        """Note that they are locked now; ``on_hold`` may do something before."""
        self.on_hold()
        self.held = frozenset(uuids)
        return succeed(None)

    def while_wanted(self, work: Deferred[T]) -> Deferred[T]:
        """The same: it is wanted."""
        return work

    def check_cancelled(self) -> None:
        """Raise at the check that the test chose (0 is the first)."""
        if self.cancel_after is not None:
            self.cancel_after -= 1
            if self.cancel_after < 0:
                raise Cancelled("cancelled by the test")


class DirectoryStorage(FakeStorage):
    """Notes of disks, with an empty file each: hypervisors look whether it is there."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def create(self, instance_uuid: str, disk: GuestDisk, say: Say) -> Deferred[None]:
        """Note a disk and make its file."""
        made = super().create(instance_uuid, disk, say)
        return made.addCallback(lambda _: self.path(instance_uuid, disk).touch())

    def path(self, instance_uuid: str, disk: GuestDisk) -> Path:
        """The disk's file."""
        return self._directory / disk.uuid


class SimNode:
    """One fake host."""

    def __init__(self, reactor: MemoryReactorClock, node: Node, root: Path) -> None:
        self.node = node
        self.paths = Paths(root)
        root.mkdir(parents=True)
        make_directories(self.paths)
        self.hypervisor = FakeHypervisor(self.paths, reactor)
        self.storage = DirectoryStorage(self.paths.file_storage)
        self.runner = FakeRunner()
        self.memory_free_mib = 4096
        self.has_left = False
        service = NodeService(
            reactor=reactor,
            paths=self.paths,
            node_uuid=node.uuid,
            hypervisors={"fake": self.hypervisor},
            storages={"file": self.storage, "diskless": DisklessStorage()},
            os_provider=OsProvider(
                (SHIPPED_OS,), self.runner, inline_offload, node.name
            ),
            offload=inline_offload,
            runner=self.runner,
            relay_enrol=lambda _: Deferred[Enrolment](),
            on_left=self._leave,
            read_host=lambda: HostState(
                boot_id="boot",
                memory_total_mib=8192,
                memory_free_mib=self.memory_free_mib,
                cpus=4,
            ),
            has_address=lambda _: True,
            find=lambda address, port: succeed(True),
        )
        self.handlers = service.handlers()

    def _leave(self) -> None:
        self.has_left = True


class SimCluster:
    """A master with its units, and nodes ``node1`` …, the first of them the master's.

    :param directory: where the nodes' roots are made
    """

    def __init__(self, directory: Path, nodes: int = 2) -> None:
        self.clock = MemoryReactorClock()
        self.clock.advance(1_000_000.0)
        self.nodes = {
            f"node{n}": SimNode(
                self.clock,
                make_node(f"node{n}", last=10 + n),
                directory / f"node{n}",
            )
            for n in range(1, nodes + 1)
        }
        self.rpc = FakeNodeRpc(
            {sim.node.uuid: sim.handlers for sim in self.nodes.values()}
        )
        self.engine = MemoryEngine()
        self.store = StateStore(self.engine, self.clock)
        self.config = ConfigStore(self.store, self.clock)
        self.active: set[int] = set()
        self.farewells = 0
        numbers = itertools.count()
        self.distribution = SimDistribution()
        ca, paths = authority(), self.nodes["node1"].paths
        write_secret(paths.ca_key, key_pem(ca.key))
        write_file(paths.ca_certificate, ca.certificate_pem)
        self.allocation = InlineAllocation()
        self.services = Services(
            config=self.config,
            rpc=self.rpc,
            clock=self.clock,
            distribution=self.distribution,
            allocation=self.allocation,
            capacities=CapacityBook(),
            files=LocalFiles(self.nodes["node1"].paths, inline_offload),
            version=VERSION,
            authorities=self.authorities(),
            resolve=lambda name: fail(NotFound(f"{name} is not known")),
            new_uuid=lambda: uuid_of(f"new {next(numbers)}"),
            random_byte=lambda: next(numbers) % 256,
            is_active=self.active.__contains__,
            farewell=self._farewell,
        )
        self.units = LogicalUnits(self.services)
        self._load()

    @property
    def snapshot(self) -> Snapshot:
        """The configuration."""
        return self.config.snapshot()

    def run(self, op: Opcode, progress: RecordedProgress | None = None) -> Outcome:
        """Run an opcode to its end as the job queue would, or raise its error."""
        done = self.begin(op, progress or RecordedProgress())
        return SynchronousTestCase().successResultOf(done)

    def begin(self, op: Opcode, progress: RecordedProgress) -> Deferred[Outcome]:
        """Begin an opcode; its last change is committed as the job queue would."""

        async def work() -> Outcome:
            locks = self.units.locks_for(op, self.snapshot)
            outcome = await self.units.run(op, progress, locks)
            if outcome.change is not None:
                await self.config.commit(outcome.change)
            return outcome

        return Deferred.fromCoroutine(work())

    def put(self, *instances: Instance) -> None:
        """Bring instances into the configuration as they are."""
        self._commit(lambda _: Edits(put=instances))

    def edit_node(self, name: str, **fields: bool) -> None:
        """Change a node's flags."""
        changed = replace(self.snapshot.node(name), **fields)
        self._commit(lambda _: Edits(put=(changed,)))

    def _commit(self, change: Callable[[Snapshot], Edits]) -> None:
        SynchronousTestCase().successResultOf(self.config.commit(change))

    def authorities(self) -> CertificateAuthorities:
        """The CA, read from the master node's files; all candidates have its keys."""
        return CertificateAuthorities(
            self.clock,
            self.nodes["node1"].paths,
            inline_offload,
            on_new_credentials=lambda: succeed(None),
            share=lambda: succeed(()),
            secrets=lambda: "",
        )

    def _load(self) -> None:
        initial = make_snapshot(*(sim.node for sim in self.nodes.values()))
        first = initial.nodes[initial.cluster.master_node]
        (group,) = initial.groups.values()
        rows = initial_rows(initial.cluster, group, first)
        case = SynchronousTestCase()
        case.successResultOf(Deferred.fromCoroutine(self.store.open()))
        case.successResultOf(self.store.write(rows))
        case.successResultOf(Deferred.fromCoroutine(self.config.load()))
        others = tuple(n for n in initial.nodes.values() if n.uuid != first.uuid)
        if others:
            self._commit(lambda _: Edits(put=others))

    def _farewell(self) -> None:
        self.farewells += 1


class SimDistribution:
    """A distribution that has always reached everybody, but for those ``behind``."""

    behind: tuple[str, ...] = ()

    def settled(self, group: str | None = None) -> Deferred[tuple[str, ...]]:
        """At once."""
        return succeed(self.behind)

    def repeat(self) -> Deferred[tuple[str, ...]]:
        """At once."""
        return succeed(self.behind)
