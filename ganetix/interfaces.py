"""The ports: what the core asks of the world, and outsiders may provide.

Every method that may wait returns a Deferred. ``Say`` receives progress lines for
the user, without a newline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from pathlib import Path

    from ganetix.objects import GuestDisk, GuestInfo, GuestSpec, Node, StopOutcome
    from ganetix.objects.node_calls import DiskInfo, DiskSpace, OsInfo
    from ganetix.rpc.methods import Method
    from ganetix.state.rows import Batch, Row, RowKey

Say = Callable[[str], None]
T = TypeVar("T")


class Offload(Protocol):
    """Runs blocking work off the reactor, in a named thread pool."""

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """What ``work()`` returns or raises."""


Q = TypeVar("Q")
R = TypeVar("R")


class IHypervisor(Interface):
    """Runs guests on this host. Guests outlive the daemon that started them."""

    name: str = Attribute("How instances name it: ``kvm``, ``fake``.")

    def check() -> Deferred[Sequence[str]]:
        """Lines that say what keeps this hypervisor from working here."""

    def start(
        guest: GuestSpec, disk_paths: Sequence[Path], say: Say
    ) -> Deferred[GuestInfo]:
        """Start a guest, and wait for its sign of life.

        A guest that runs already is left as it is. ``disk_paths`` are in the order of
        ``guest.disks``. Fails with ``HypervisorFault`` and leaves nothing running.
        """

    def stop(uuid: str, timeout_seconds: float, say: Say) -> Deferred[StopOutcome]:
        """Ask the guest to power off, end it after the time-out (0: at once)."""

    def reset(uuid: str) -> Deferred[None]:
        """Reset the machine as its reset button would; ``WrongState`` if it is down."""

    def info(uuid: str) -> Deferred[GuestInfo | None]:
        """The guest's state; None if this host knows nothing of it."""

    def guests() -> Deferred[Sequence[GuestInfo]]:
        """All guests this host knows of, running or recorded as ended."""

    def forget(uuid: str) -> Deferred[None]:
        """End the guest at once if it runs, and remove every trace of it."""

    def resume() -> Deferred[None]:
        """Take over the guests that run, at the start of a daemon."""

    def close() -> Deferred[None]:
        """Leave all guests alone, running as they are, at the end of a daemon."""

    def on_event(listener: Callable[[GuestInfo], None]) -> None:
        """Have a listener told of each guest whose state has changed."""

    def running_spec(uuid: str) -> Deferred[GuestSpec | None]:
        """A running guest as it was started, its accelerator decided; else None.

        The configuration may be another by now; both ends of a move must be the same.
        """

    def receive(
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        address: str,
        sender_uuid: str,
        say: Say,
    ) -> Deferred[int]:
        """Make ready for a guest that runs on another node; the port to send it to.

        It is ``arriving`` until it is accepted or forgotten. Only the node of that
        UUID may send it, to that address of this host. Fails with ``HypervisorFault``
        and leaves nothing, or ``WrongState`` if the guest runs here.
        """

    def send(
        uuid: str, address: str, port: int, receiver_uuid: str, say: Say
    ) -> Deferred[None]:
        """Send a running guest to the node of that UUID, which is ready for it.

        Afterwards it is stopped there, whole, and here it has ``left``. Fails with
        ``HypervisorFault``, and then it runs on here.
        """

    def cancel_send(uuid: str) -> Deferred[bool]:
        """Have the guest stay, and run on; False if it is not being sent any more."""

    def accept(uuid: str) -> Deferred[GuestInfo]:
        """Let a guest go on that has come here whole; one that runs is left alone.

        The caller answers for it that it does not run where it came from. Fails with
        ``WrongState`` if there is none, or not all of it.
        """

    def console_socket(uuid: str) -> Path:
        """The UNIX socket of the guest's serial console."""

    def console_log(uuid: str) -> Path:
        """The file with all that the guest wrote to its serial console."""


class IStorage(Interface):
    """Keeps disks of one template on this host."""

    template: str = Attribute("How instances name it: ``file``, ``diskless``.")

    def check() -> Deferred[Sequence[str]]:
        """Lines that say what keeps this storage from working here."""

    def create(instance_uuid: str, disk: GuestDisk, say: Say) -> Deferred[None]:
        """Make an empty disk; one of that UUID must not exist (``AlreadyExists``).

        Fails with ``NoResources`` or ``StorageFault`` and leaves nothing behind.
        """

    def remove(instance_uuid: str, disk_uuid: str) -> Deferred[bool]:
        """Remove a disk; False if there was none."""

    def remove_all(instance_uuid: str) -> Deferred[int]:
        """Remove all that belongs to an instance; how many disks there were."""

    def path(instance_uuid: str, disk: GuestDisk) -> Path:
        """The path by which the hypervisor opens the disk."""

    def disks() -> Deferred[Sequence[DiskInfo]]:
        """All disks of this template on this host."""

    def space() -> Deferred[DiskSpace | None]:
        """Total and free MiB; None if the template takes no space."""


class IOsProvider(Interface):
    """Finds and runs OS definitions on this host."""

    def definitions() -> Deferred[Sequence[OsInfo]]:
        """All definitions in the search path; broken ones with their reason."""

    def create(
        guest: GuestSpec, disk_paths: Sequence[Path], reinstall: bool, say: Say
    ) -> Deferred[None]:
        """Run the definition's ``create`` script; output goes to ``say``."""

    def rename(
        guest: GuestSpec, disk_paths: Sequence[Path], old_name: str, say: Say
    ) -> Deferred[None]:
        """Run the definition's ``rename`` script."""

    def verify(os_name: str, osparams: Mapping[str, str]) -> Deferred[None]:
        """Fail with ``BadParameter`` unless the definition takes these parameters."""


class IStateEngine(Interface):
    """Keeps rows ``(kind, key) → JSON`` durably; one batch is one transaction.

    All methods fail with ``StateFault`` when the medium does.
    """

    def open() -> Deferred[int]:
        """Open or create the store; the last revision."""

    def load(kinds: Sequence[str]) -> Deferred[Sequence[Row]]:
        """All rows of these kinds, by kind and key."""

    def get(keys: Sequence[RowKey]) -> Deferred[Sequence[Row]]:
        """The rows of these keys that exist."""

    def scan(
        kind: str, after: str, limit: int, backwards: bool
    ) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows of a kind beyond key ``after``, in key order.

        An empty ``after`` starts at the first (``backwards``: the last) key.
        """

    def page(after: RowKey, limit: int) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows of whatever kind beyond a key, by kind and key."""

    def commit(batches: Sequence[Batch]) -> Deferred[int]:
        """Write batches in one transaction, a revision each; the last revision."""

    def note(rows: Sequence[Row]) -> Deferred[None]:
        """Write rows that are this store's own affair: the revision stays."""

    def close() -> Deferred[None]:
        """Finish what is under way and close."""


class IReplicaEngine(IStateEngine):
    """A state engine whose contents can be replaced as a whole."""

    def stage(rows: Sequence[Row], anew: bool) -> Deferred[None]:
        """Put rows aside, for ``adopt``; ``anew``: after dropping those there are.

        Later rows win, and one without data takes back an earlier one.
        """

    def adopt(revision: int, keep: str) -> Deferred[None]:
        """Replace all rows but those of kind ``keep`` by what was put aside.

        The store is at that revision then. All of it happens or nothing.
        """


class INodeRpc(Interface):
    """Calls methods of node daemons."""

    def call(
        node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Call one method on one node; progress lines go to ``say``.

        Fails with what the node answered, or ``NodeUnreachable``,
        ``AuthenticationFailed``, ``RemoteFailure``.
        """
