"""Simulated hosts."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap.dirs import make_directories
from ganetix.errors import NoResources
from ganetix.flow.offload import inline_offload
from ganetix.node.sim import OWN_MEMORY_MIB, SimHost, SimResources
from ganetix.objects import GuestDisk, GuestSpec
from ganetix.paths import Paths
from ganetix.testing.config import uuid_of
from ganetix.testing.process import FakeRunner

SHIPPED_OS = Path(__file__).parents[3] / "etc/os"


class SimHostTests(SynchronousTestCase):
    """A host of 4 GiB memory and 10 GiB disk space."""

    def setUp(self) -> None:
        """Make it."""
        root = Path(self.mktemp())
        root.mkdir()
        self.paths = Paths(root.absolute())
        make_directories(self.paths)
        self.host = self.make()
        self.lines: list[str] = []

    def make(self) -> SimHost:
        """The host as a daemon has it that has just been started."""
        return SimHost(
            paths=self.paths,
            node_name="sim1",
            clock=Clock(),
            runner=FakeRunner(),
            resources=SimResources(memory_mib=4096, disk_mib=10240, cpus=3),
            offload=inline_offload,
            os_search_path=(SHIPPED_OS,),
        )

    def start(self, hypervisor: str) -> GuestSpec:
        """Run a guest of 1 GiB."""
        guest = GuestSpec(
            uuid=uuid_of(hypervisor),
            name="web",
            hypervisor=hypervisor,
            memory_mib=1024,
            vcpus=1,
            os="noop",
        )
        provider = self.host.hypervisors[hypervisor]
        self.successResultOf(provider.start(guest, (), self.lines.append))
        return guest

    def test_resources(self) -> None:
        """It has what was said, less what it takes for itself."""
        state = self.host.read()
        self.assertEqual((state.memory_total_mib, state.cpus), (4096, 3))
        self.assertEqual(state.memory_free_mib, 4096 - OWN_MEMORY_MIB)

    def test_guests_take_memory(self) -> None:
        """Guests of either hypervisor take memory while they run, restarts included."""
        before = self.host.read().memory_free_mib
        self.start("kvm")
        guest = self.start("fake")
        self.assertEqual(self.host.read().memory_free_mib, before - 2048)
        self.host = self.make()
        self.assertEqual(self.host.read().memory_free_mib, before - 2048)
        stopped = self.host.hypervisors["fake"].stop(guest.uuid, 0, self.lines.append)
        self.successResultOf(stopped)
        self.assertEqual(self.host.read().memory_free_mib, before - 1024)

    def test_disks_take_space(self) -> None:
        """Disks take space, and one that does not fit is refused."""
        storage = self.host.storages["file"]
        disk = GuestDisk(uuid=uuid_of("disk"), template="file", size_mib=6144)
        made = storage.create(uuid_of("web"), disk, self.lines.append)
        self.successResultOf(made)
        space = self.successResultOf(storage.space())
        assert space is not None
        self.assertEqual((space.total_mib, space.free_mib), (10240, 4096))
        other = GuestDisk(uuid=uuid_of("other"), template="file", size_mib=4097)
        refused = storage.create(uuid_of("web"), other, self.lines.append)
        self.failureResultOf(refused, NoResources)

    def test_os(self) -> None:
        """OS definitions are real; their scripts are not run, and the log says so."""
        guest = self.start("fake")
        created = self.host.os_provider.create(guest, (), False, self.lines.append)
        self.successResultOf(created)
        self.assertRegex(self.lines[-1], "simulated: .*/noop/create is not run")
