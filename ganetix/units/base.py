"""What logical units are made of: the world they see, and their three movements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.config.snapshot import Change, Snapshot
from ganetix.interfaces import INodeRpc, Say
from ganetix.jobs.work import Outcome, Progress
from ganetix.objects import CapacityParams, InstanceSize, Node
from ganetix.objects.crypto import CaRenewal, Signed
from ganetix.objects.remote import FileOffer
from ganetix.opcodes import Opcode
from ganetix.plan.capacity.model import CapCluster, TieredRequest, TieredResult
from ganetix.plan.capacity.report import GroupReport
from ganetix.plan.capacity.requests import Allocate, Answer, AnyRequest, Comparison
from ganetix.plan.crypto import Trust
from ganetix.rpc.methods import Method

Q = TypeVar("Q")
R = TypeVar("R")
Op = TypeVar("Op", bound=Opcode, contravariant=True)
F = TypeVar("F")
P = TypeVar("P")


class Config(Protocol):
    """The configuration store, as far as units need it."""

    def snapshot(self) -> Snapshot:
        """The current configuration."""

    def commit(self, change: Change) -> Deferred[Snapshot]:
        """Make a change durable."""


class Distribution(Protocol):
    """Carries ssconf to the nodes."""

    def settled(self, group: str | None = None) -> Deferred[tuple[str, ...]]:
        """Wait until all nodes that answer are up to date; names of the others.

        With the UUID of a group, wait for that group's nodes only.
        """

    def repeat(self) -> Deferred[tuple[str, ...]]:
        """Write all anew on all nodes; names of those that did not take it."""


class Files(Protocol):
    """Files of the master's own host."""

    def describe(self, path: str) -> Deferred[FileOffer]:
        """A file as it is now."""

    def read(self, path: str, offset: int) -> Deferred[bytes]:
        """The next bytes from an offset; none at the end."""


class Authorities(Protocol):
    """The cluster's CA, and the new one while it is being renewed."""

    def trust(self, renewal: CaRenewal | None) -> Trust:
        """Whom nodes must, and may, trust at this step."""

    def expires(self, renewal: CaRenewal | None) -> float:
        """When the CA ends that signs; in seconds since the epoch."""

    def sign(self, renewal: CaRenewal | None, node_uuid: str, request: str) -> Signed:
        """A certificate as requested."""

    def bundle(self, renewal: CaRenewal | None) -> str:
        """The CAs that nodes are to trust at the end of this step (PEM)."""

    def has_key(self, renewal: CaRenewal) -> bool:
        """Whether the new CA's key is here."""

    def secrets(self) -> Deferred[str]:
        """A digest of the keys, as candidates tell it."""

    def prepare(self, cluster_uuid: str) -> Deferred[CaRenewal]:
        """Make a new CA; its key is on this node then."""

    def finish(self, renewal: CaRenewal) -> Deferred[None]:
        """Forget the old CA's key; the new one takes its place."""

    def share(self) -> Deferred[tuple[str, ...]]:
        """Bring the keys to all other candidates; names of those without them."""

    def reload(self) -> Deferred[None]:
        """Show the certificate, and trust the CAs, that this node's files hold now."""


class Allocation(Protocol):
    """Computes beside the reactor: what fits, and where."""

    def tiered(
        self, cluster: CapCluster, request: TieredRequest
    ) -> Deferred[TieredResult]:
        """What fits; cancelling ends the computation."""

    def find(self, name: str) -> Deferred[None]:
        """Fail with ``NotFound`` or ``BadParameter`` if there is no such allocator."""

    def ask(
        self,
        name: str,
        cluster: CapCluster,
        request: AnyRequest,
        hypervisors: Sequence[str],
        say: Say,
    ) -> Deferred[Answer]:
        """What an allocator answers, checked; ``builtin`` is always there."""

    def explained(
        self, cluster: CapCluster, request: TieredRequest, changes: Sequence[str]
    ) -> Deferred[tuple[str, ...]]:
        """Why no more fit, and what changes would bring: printable lines."""

    def compared(self, cluster: CapCluster, request: Allocate) -> Deferred[Comparison]:
        """How the built-in allocator decides on a new instance."""

    def balanced(
        self, cluster: CapCluster, max_moves: int | None
    ) -> Deferred[dict[str, object]]:
        """How to balance: a ``BalancePlan`` as JSON values."""

    def exported(self, cluster: CapCluster) -> str:
        """The cluster in htools' text format."""


class Capacities(Protocol):
    """The last capacity of each group."""

    def find(
        self,
        snapshot: Snapshot,
        group_uuid: str,
        params: CapacityParams,
        sizes: tuple[InstanceSize, ...],
        now: float,
    ) -> GroupReport | None:
        """What was computed with the same parameters and still holds."""

    def keep(
        self,
        snapshot: Snapshot,
        group_uuid: str,
        params: CapacityParams,
        sizes: tuple[InstanceSize, ...],
        report: GroupReport,
    ) -> None:
        """Remember a result."""


@dataclass(frozen=True)
class Services:
    """The world of units: what stays the same from job to job.

    ``is_active`` tells whether a job is still to end; ``farewell`` ends this master
    for good once the job that asked for it is done. ``resolve`` gives a name's
    addresses; it fails with ``NotFound``.
    """

    config: Config
    rpc: INodeRpc
    clock: IReactorTime
    distribution: Distribution
    files: Files
    allocation: Allocation
    capacities: Capacities
    version: str
    authorities: Authorities
    resolve: Callable[[str], Deferred[tuple[str, ...]]]
    new_uuid: Callable[[], str]
    random_byte: Callable[[], int]
    is_active: Callable[[int], bool]
    farewell: Callable[[], None]


@dataclass(frozen=True)
class Context:
    """The world as one opcode sees it."""

    services: Services
    progress: Progress

    @property
    def snapshot(self) -> Snapshot:
        """The current configuration."""
        return self.services.config.snapshot()

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.services.clock.seconds()

    def say(self, text: str) -> None:
        """Add a line to the job's log."""
        self.progress.say(text)

    async def commit(self, change: Change) -> Snapshot:
        """Make a change durable now, before the opcode's end."""
        return await self.services.config.commit(change)

    async def call(self, node: Node, method: Method[Q, R], request: Q) -> R:
        """Call a method of a node; its progress lines go to the job's log."""
        return await self.services.rpc.call(node, method, request, self.progress.say)


class BeginsLate:
    """Mixin of units that need no record of their beginning, or see to it themselves.

    Their only effect is the change with which they end: done again after a crash, they
    harm nobody. One that lasts, or calls nodes, waits until it has ``begun`` before.
    """


class Unit(Protocol[Op, F, P]):
    """A logical unit: gather facts, decide on a plan, act on it."""

    async def gather(self, op: Op, context: Context) -> F:
        """Facts for the decision: snapshot and read-only calls."""

    def plan(self, op: Op, facts: F) -> P:
        """The decision; pure, raises ``Refused``."""

    async def act(self, op: Op, context: Context, plan: P) -> Outcome:
        """Do it: ordered steps, each with its undo."""
