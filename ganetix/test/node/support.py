"""What tests of node methods share: a node of fakes, and calls to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from ganetix.errors import GanetixError
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import IHypervisor, IOsProvider, Say
from ganetix.node.info import HostState
from ganetix.node.service import NodeService
from ganetix.objects import (
    GuestDisk,
    GuestInfo,
    GuestSpec,
    GuestState,
    StopOutcome,
    new_uuid,
)
from ganetix.objects.node import Enrolment, EnrolRequest
from ganetix.objects.node_calls import OsInfo
from ganetix.objects.replica import Claim
from ganetix.paths import Paths
from ganetix.rpc.identity import PeerIdentity
from ganetix.rpc.methods import Method
from ganetix.rpc.requests import RunningRequest
from ganetix.rpc.server import Call
from ganetix.storage.diskless import DisklessStorage
from ganetix.testing.process import FakeRunner
from ganetix.testing.storage import FakeStorage

Q = TypeVar("Q")
R = TypeVar("R")

NODE_UUID = new_uuid()
MASTER = PeerIdentity(uuid=new_uuid(), role="node", fingerprint="ab" * 32)
HOST = HostState(boot_id="boot-1", memory_total_mib=8000, memory_free_mib=1000, cpus=4)


def guest(
    *disks: GuestDisk, os: str = "tiny", memory_mib: int = 128, name: str = "web1"
) -> GuestSpec:
    """A guest to work with."""
    return GuestSpec(
        uuid=new_uuid(),
        name=name,
        hypervisor="stub",
        memory_mib=memory_mib,
        vcpus=1,
        os=os,
        disks=disks,
    )


def disk(size_mib: int = 100, template: str = "file") -> GuestDisk:
    """A disk of a guest."""
    return GuestDisk(uuid=new_uuid(), template=template, size_mib=size_mib)


@implementer(IHypervisor)
class StubHypervisor:
    """Notes what it is told; ``starting`` holds starts that a test lets hang."""

    name = "stub"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: tuple[str, ...] = ()
        self.hangs = False
        self.starting: list[Deferred[GuestInfo]] = []
        self.known: dict[str, GuestInfo] = {}
        self.paths: Sequence[Path] = ()
        self.log: list[str] = []
        self.forget_error: GanetixError | None = None

    def check(self) -> Deferred[Sequence[str]]:
        """What a test has set."""
        return succeed(self.problems)

    def add(self, spec: GuestSpec, state: GuestState = "running") -> GuestInfo:
        """Make a guest known."""
        info = GuestInfo(
            uuid=spec.uuid, name=spec.name, hypervisor=self.name, state=state
        )
        self.known[spec.uuid] = info
        return info

    def start(
        self, guest: GuestSpec, disk_paths: Sequence[Path], say: Say
    ) -> Deferred[GuestInfo]:
        """Start at once, or not before a test says so."""
        self.log.append(f"start {guest.name}")
        self.paths = disk_paths
        say(f"starting {guest.name}")
        if self.hangs:
            waiting: Deferred[GuestInfo] = Deferred()
            self.starting.append(waiting)
            return waiting
        return succeed(self.add(guest))

    def stop(
        self, uuid: str, timeout_seconds: float, say: Say
    ) -> Deferred[StopOutcome]:
        """Stop at once."""
        self.log.append(f"stop {timeout_seconds:g}")
        return succeed("shutdown" if self.known.pop(uuid, None) else "was-down")

    def reset(self, uuid: str) -> Deferred[None]:
        """Note it."""
        self.log.append("reset")
        return succeed(None)

    def info(self, uuid: str) -> Deferred[GuestInfo | None]:
        """What is known."""
        return succeed(self.known.get(uuid))

    def guests(self) -> Deferred[Sequence[GuestInfo]]:
        """All that is known."""
        return succeed(tuple(self.known.values()))

    def running_spec(self, uuid: str) -> Deferred[GuestSpec | None]:
        """None is known."""
        return succeed(None)

    def receive(
        self,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        address: str,
        sender_uuid: str,
        say: Say,
    ) -> Deferred[int]:
        """Wait at a port."""
        self.log.append(f"receive {guest.name} at {address} from {sender_uuid}")
        return succeed(4711)

    def send(
        self, uuid: str, address: str, port: int, receiver_uuid: str, say: Say
    ) -> Deferred[None]:
        """Send at once."""
        self.log.append(f"send to {receiver_uuid} at {address} {port}")
        return succeed(None)

    def cancel_send(self, uuid: str) -> Deferred[bool]:
        """It stays."""
        self.log.append("cancel")
        return succeed(True)

    def accept(self, uuid: str) -> Deferred[GuestInfo]:
        """It is known then."""
        self.log.append("accept")
        return succeed(self.known[uuid])

    def forget(self, uuid: str) -> Deferred[None]:
        """Forget, or fail as a test has set."""
        if self.forget_error is not None:
            return fail(self.forget_error)
        self.log.append("forget")
        self.known.pop(uuid, None)
        return succeed(None)

    def resume(self) -> Deferred[None]:
        """There is nothing to take over."""
        return succeed(None)

    def close(self) -> Deferred[None]:
        """There is nothing to leave alone."""
        return succeed(None)

    def on_event(self, listener: Callable[[GuestInfo], None]) -> None:
        """There are no events."""

    def console_socket(self, uuid: str) -> Path:
        """A path below the test's directory."""
        return self.root / f"{uuid}.sock"

    def console_log(self, uuid: str) -> Path:
        """A path below the test's directory."""
        return self.root / f"{uuid}.log"


@implementer(IOsProvider)
class StubOs:
    """Notes what it is told; a ``create`` runs until a test ends it."""

    def __init__(self) -> None:
        self.creating: list[Deferred[None]] = []
        self.seen: list[tuple[GuestSpec, Sequence[Path], bool]] = []
        self.refusal: GanetixError | None = None

    def definitions(self) -> Deferred[Sequence[OsInfo]]:
        """One."""
        return succeed((OsInfo(name="tiny", path="/os/tiny"),))

    def create(
        self, guest: GuestSpec, disk_paths: Sequence[Path], reinstall: bool, say: Say
    ) -> Deferred[None]:
        """Begin."""
        self.seen.append((guest, disk_paths, reinstall))
        say("creating")
        waiting: Deferred[None] = Deferred()
        self.creating.append(waiting)
        return waiting

    def rename(
        self, guest: GuestSpec, disk_paths: Sequence[Path], old_name: str, say: Say
    ) -> Deferred[None]:
        """Nothing."""
        return succeed(None)

    def verify(self, os_name: str, osparams: Mapping[str, str]) -> Deferred[None]:
        """Refuse as a test has set."""
        return succeed(None) if self.refusal is None else fail(self.refusal)


class Attempt(Generic[R]):
    """A call of a node method, and what came of it so far."""

    def __init__(self, result: Deferred[R], request: RunningRequest) -> None:
        self.result = result
        self.lines: list[str] = []
        self._request = request
        request.attach(self)

    def line(self, data: bytes) -> None:
        """A progress line came."""
        self.lines.append(json.loads(data)["say"])

    def ended(self, data: bytes) -> None:
        """Not used: the result is a Deferred here."""

    def hang_up(self) -> None:
        """The caller goes away."""
        self._request.detach(self)


class NodeCase(SynchronousTestCase):
    """A test case with a node of fakes."""

    def setUp(self) -> None:
        """Make the node."""
        self.root = Path(self.mktemp()).absolute()
        self.paths = Paths(self.root)
        self.paths.lib.mkdir(parents=True)
        self.reactor = MemoryReactorClock()
        self.hypervisor = StubHypervisor(self.root)
        self.storage = FakeStorage(total_mib=10_000)
        self.os = StubOs()
        self.runner = FakeRunner()
        self.host = HOST
        self.addresses = {"127.0.0.11"}
        self.deaf: set[str] = set()
        self.enrolled: list[EnrolRequest] = []
        self.left: list[bool] = []
        self.heard: list[Claim] = []
        self.node = NodeService(
            reactor=self.reactor,
            paths=self.paths,
            node_uuid=NODE_UUID,
            hypervisors={"stub": self.hypervisor},
            storages={"file": self.storage, "diskless": DisklessStorage()},
            os_provider=self.os,
            offload=inline_offload,
            runner=self.runner,
            hear=self.heard.append,
            relay_enrol=self._enrol,
            on_left=lambda: self.left.append(True),
            read_host=lambda: self.host,
            has_address=lambda address: address in self.addresses,
            find=lambda address, port: succeed(address not in self.deaf),
        )

    def _enrol(self, request: EnrolRequest) -> Deferred[Enrolment]:
        self.enrolled.append(request)
        return succeed(
            Enrolment(
                node_uuid=request.node_uuid,
                node_name="node4",
                certificate="C",
                ca_certificate="CA",
                ssconf={},
                ssconf_serial=1,
                job_id=7,
            )
        )

    def attempt(
        self, method: Method[Q, R], request: Q, peer: PeerIdentity = MASTER
    ) -> Attempt[R]:
        """Call a method."""
        running = RunningRequest(method.name, b"", 0.0)
        call = Call(peer, new_uuid(), method.name, running)
        attempt: Attempt[R] = Attempt(Deferred(), running)
        handler = self.node.handlers()[method.name]
        _ = handler(request, call).chainDeferred(attempt.result)
        return attempt

    def ask(self, method: Method[Q, R], request: Q) -> R:
        """The result of a method that answers at once."""
        result: R = self.successResultOf(self.attempt(method, request).result)
        return result

    def refusal(
        self, method: Method[Q, R], request: Q, kind: type[GanetixError]
    ) -> str:
        """The text of the error with which a method answers at once."""
        failure = self.failureResultOf(self.attempt(method, request).result, kind)
        return str(failure.value)
