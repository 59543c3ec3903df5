"""The fake hypervisor keeps the contract, and fails when told to."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ganetix.errors import HypervisorFault
from ganetix.hypervisor.fake import FakeHypervisor
from ganetix.interfaces import IHypervisor
from ganetix.objects import GuestInfo, GuestSpec, new_uuid
from ganetix.paths import Paths
from ganetix.testing.hypervisor import HypervisorBed, make_ihypervisor_tests
from ganetix.testing.moves import Host, MoveBed, make_move_tests


def guest_of(name: str) -> GuestSpec:
    """A new small guest."""
    return GuestSpec(
        uuid=new_uuid(), name=name, hypervisor="fake", memory_mib=64, vcpus=1
    )


def fake_bed(test: TestCase) -> HypervisorBed:
    """A fake hypervisor in a directory of the test's own."""
    directory = Path(test.mktemp())
    clock = Clock()
    hypervisor = FakeHypervisor(Paths(directory), clock)
    current = [hypervisor]

    def restarted() -> Deferred[IHypervisor]:
        current[0] = FakeHypervisor(Paths(directory), clock)
        return succeed(current[0])

    def power_off(info: GuestInfo) -> Deferred[None]:
        current[0].power_off(info.uuid)
        return succeed(None)

    return HypervisorBed(
        hypervisor=hypervisor,
        guest=guest_of,
        restarted=restarted,
        crash=lambda info: current[0].crash(info.uuid),
        power_off=power_off,
        wait=lambda: succeed(None),
        directory=directory,
    )


class FakeContractTests(make_ihypervisor_tests(fake_bed)):  # type: ignore[misc]
    """The contract, on the fake."""


def fake_move_bed(test: TestCase) -> MoveBed:
    """Two fake hosts."""
    hosts = [
        Host(
            hypervisor=FakeHypervisor(Paths(Path(test.mktemp())), Clock()),
            node_uuid=new_uuid(),
            address="127.0.0.1",
        )
        for _ in range(2)
    ]
    return MoveBed(source=hosts[0], target=hosts[1], guest=guest_of)


class FakeMoveContractTests(make_move_tests(fake_move_bed)):  # type: ignore[misc]
    """The contract of moves, on the fake."""


class FakeHypervisorTests(SynchronousTestCase):
    """What the fake does beyond the contract."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.hypervisor = FakeHypervisor(Paths(Path(self.mktemp())), self.clock)
        self.said: list[str] = []
        self.guest = guest_of("web1")

    def test_scripted_failure(self) -> None:
        """A failure put in by a test fails one start, and only that."""
        self.hypervisor.failures = [HypervisorFault("no luck")]
        start = self.hypervisor.start
        self.failureResultOf(start(self.guest, [], self.said.append), HypervisorFault)
        info = self.successResultOf(start(self.guest, [], self.said.append))
        self.assertEqual(info.state, "running")

    def test_power_button_ignored(self) -> None:
        """A guest that ignores its power button is ended, and that is said."""
        self.hypervisor.ignores_power_button = True
        self.successResultOf(self.hypervisor.start(self.guest, [], self.said.append))
        outcome = self.successResultOf(
            self.hypervisor.stop(self.guest.uuid, 120, self.said.append)
        )
        self.assertEqual(outcome, "ended")
        self.assertEqual(self.said[-1], "web1 did not power off in 120 s; ends it")

    def test_events(self) -> None:
        """Listeners hear of each change, with its time."""
        heard: list[GuestInfo] = []
        self.hypervisor.on_event(heard.append)
        self.successResultOf(self.hypervisor.start(self.guest, [], self.said.append))
        self.clock.advance(5)
        self.hypervisor.crash(self.guest.uuid, "out of luck")
        self.assertEqual([info.state for info in heard], ["running", "crashed"])
        self.assertEqual((heard[1].since, heard[1].detail), (5, "out of luck"))
