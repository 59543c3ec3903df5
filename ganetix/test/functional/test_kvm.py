"""Guests under QEMU, by translation (TCG): slow, real, at most two at a time."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase

from ganetix.errors import CommandFailed, GanetixError, HypervisorFault
from ganetix.flow.offload import inline_offload
from ganetix.hypervisor import proc
from ganetix.hypervisor.kvm import KvmHypervisor
from ganetix.hypervisor.sockets import MAX_ADDRESS
from ganetix.interfaces import IHypervisor
from ganetix.objects import GuestDisk, GuestInfo, GuestNic, GuestSpec, new_uuid
from ganetix.objects.params import HvValue
from ganetix.paths import Paths
from ganetix.process import ProcessRunner
from ganetix.testing.guest import (
    KERNEL_ARGS,
    GuestImage,
    build_guest,
    missing_for_guest,
)
from ganetix.testing.hypervisor import HypervisorBed, make_ihypervisor_tests

MISSING = missing_for_guest()

_built: list[GuestImage] = []


def image() -> GuestImage:
    """The tiny guest, built once a run."""
    if not _built:
        _built.append(build_guest(Path(tempfile.mkdtemp(prefix="ganetix-guest-"))))
        reactor.addSystemEventTrigger(
            "after", "shutdown", shutil.rmtree, _built[0].kernel.parent
        )
    return _built[0]


def pause(seconds: float = 0.2) -> Deferred[None]:
    """Let time pass."""
    return deferLater(reactor, seconds)


class KvmPlace:
    """A root with a hypervisor; whatever still runs there at the end is ended."""

    def __init__(self, test: TestCase, *, deep: bool = False) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ganetix-kvm-"))
        test.addCleanup(shutil.rmtree, self.directory)
        self.paths = Paths(self.directory / ("deep/" * 20 if deep else "."))
        self.runner = ProcessRunner(reactor)
        self.hypervisor = self.new()
        test.addCleanup(self.end)

    def new(self, boot_id: str = "this boot") -> KvmHypervisor:
        """A hypervisor object, as a new daemon would make it."""
        return KvmHypervisor(
            reactor, self.runner, self.paths, inline_offload, boot_id=boot_id
        )

    async def restart(self, boot_id: str = "this boot") -> KvmHypervisor:
        """Close the hypervisor, and have a new one take over."""
        await self.hypervisor.close()
        self.hypervisor = self.new(boot_id)
        await self.hypervisor.resume()
        return self.hypervisor

    async def end(self) -> None:
        """End all guests and the runner."""
        for info in await self.hypervisor.guests():
            await self.hypervisor.forget(info.uuid)
        await self.hypervisor.close()
        await self.runner.close()

    def guest(self, name: str, **hvparams: HvValue) -> GuestSpec:
        """A new tiny guest that boots its kernel directly."""
        kernel, initrd = image()
        return GuestSpec(
            uuid=new_uuid(),
            name=name,
            hypervisor="kvm",
            memory_mib=112,
            vcpus=1,
            hvparams={
                "accel": "tcg",
                "kernel_path": str(kernel),
                "initrd_path": str(initrd),
                "kernel_args": KERNEL_ARGS,
                **hvparams,
            },
        )

    async def type_line(self, info: GuestInfo, line: str) -> None:
        """Type a line at a guest's console."""
        socket = self.hypervisor.console_socket(info.uuid)
        client = UNIXClientEndpoint(reactor, str(socket))
        console = await client.connect(Factory.forProtocol(Protocol))
        console.transport.write(line.encode() + b"\n")
        await pause()
        console.transport.loseConnection()

    def kill(self, info: GuestInfo) -> None:
        """Kill a guest's QEMU."""
        pid_file = self.paths.guest_run(info.uuid) / "pid"
        assert info.pid is not None
        assert proc.runs_with(info.pid, pid_file)
        os.kill(info.pid, signal.SIGKILL)


def kvm_bed(test: TestCase) -> HypervisorBed:
    """A real hypervisor in a directory of the test's own."""
    place = KvmPlace(test)

    def restarted() -> Deferred[IHypervisor]:
        return Deferred.fromCoroutine(place.restart())

    return HypervisorBed(
        hypervisor=place.hypervisor,
        guest=place.guest,
        restarted=restarted,
        crash=place.kill,
        power_off=lambda info: Deferred.fromCoroutine(place.type_line(info, "off")),
        wait=pause,
        directory=place.directory,
    )


class KvmContractTests(make_ihypervisor_tests(kvm_bed)):  # type: ignore[misc]
    """The contract, on QEMU."""

    timeout = 600
    skip = MISSING or None


class KvmTests(TestCase):
    """What QEMU adds to the contract."""

    timeout = 600
    skip = MISSING or None

    def setUp(self) -> None:
        self.place = KvmPlace(self)
        self.said: list[str] = []

    async def start(self, guest: GuestSpec, *disks: Path) -> GuestInfo:
        """Start a guest."""
        return await self.place.hypervisor.start(guest, disks, self.said.append)

    async def refusal(self, guest: GuestSpec, *disks: Path) -> str:
        """Why a guest cannot be started."""
        try:
            await self.start(guest, *disks)
        except GanetixError as error:
            self.assertIsInstance(error, HypervisorFault)
            return str(error)
        self.fail("it started")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something has come true."""
        for _ in range(300):
            if condition():
                return
            await pause(0.1)
        self.fail("it never came true")

    def process_of(self, guest: GuestSpec) -> int | None:
        """The guest's QEMU, by looking at all processes."""
        return proc.find_guest(self.place.paths.guest_run(guest.uuid) / "pid")

    async def test_power_button_ignored(self) -> None:
        """A guest that does not react is ended after the time-out."""
        args = f"{KERNEL_ARGS} noacpi"
        guest = self.place.guest("deaf", kernel_args=args)
        await self.start(guest)
        outcome = await self.place.hypervisor.stop(guest.uuid, 3, self.said.append)
        self.assertEqual(outcome, "ended")
        self.assertEqual(self.said[-1], "deaf did not power off in 3 s; ends it")
        self.assertIsNone(self.process_of(guest))

    async def test_shutdown_is_heard(self) -> None:
        """A shutdown from inside is told to listeners, and QEMU goes away."""
        heard: list[GuestInfo] = []
        self.place.hypervisor.on_event(heard.append)
        guest = self.place.guest("web1")
        info = await self.start(guest)
        await self.place.type_line(info, "off")
        await self.until(lambda: len(heard) == 2)
        self.assertEqual([info.state for info in heard], ["running", "user-down"])
        self.assertIsNone(self.process_of(guest))

    async def test_shutdown_without_daemon(self) -> None:
        """A shutdown that no daemon saw is known to the next one."""
        guest = self.place.guest("web1")
        info = await self.start(guest)
        await self.place.hypervisor.close()
        await self.place.type_line(info, "off")
        await pause(2)
        hypervisor = await self.place.restart()
        found = await hypervisor.info(guest.uuid)
        self.assertEqual(found and found.state, "user-down")

    async def test_panic(self) -> None:
        """A kernel's panic is a crash, and says so."""
        heard: list[GuestInfo] = []
        self.place.hypervisor.on_event(heard.append)
        info = await self.start(self.place.guest("web1"))
        await self.place.type_line(info, "die")
        await self.until(lambda: len(heard) == 2)
        self.assertEqual(
            (heard[1].state, heard[1].detail),
            ("crashed", "the guest's kernel panicked"),
        )

    async def test_crash_is_heard(self) -> None:
        """QEMU's death is told to listeners at once, also after a daemon's restart."""
        info = await self.start(self.place.guest("web1"))
        hypervisor = await self.place.restart()
        heard: list[GuestInfo] = []
        hypervisor.on_event(heard.append)
        self.place.kill(info)
        await self.until(lambda: len(heard) == 1)
        self.assertEqual(heard[0].state, "crashed")
        self.assertIn("QEMU ended unexpectedly", heard[0].detail)

    async def test_host_reboot(self) -> None:
        """After a reboot of the host a guest has crashed, and starts over old files."""
        guest = self.place.guest("web1")
        self.place.kill(await self.start(guest))
        await self.place.hypervisor.close()
        hypervisor = await self.place.restart(boot_id="next boot")
        info = await hypervisor.info(guest.uuid)
        self.assertEqual(
            (info and info.state, info and info.detail),
            ("crashed", "the host was rebooted"),
        )
        self.assertEqual((await self.start(guest)).state, "running")

    async def test_pid_file_lost(self) -> None:
        """A daemon finds a guest whose pid file is gone."""
        guest = self.place.guest("web1")
        info = await self.start(guest)
        (self.place.paths.guest_run(guest.uuid) / "pid").unlink()
        hypervisor = await self.place.restart()
        self.assertEqual(await hypervisor.info(guest.uuid), info)

    async def test_record_lost(self) -> None:
        """A guest whose record is gone is shown, and can be ended."""
        guest = self.place.guest("web1")
        await self.start(guest)
        self.place.paths.guest_record(guest.uuid).unlink()
        hypervisor = await self.place.restart()
        (info,) = await hypervisor.guests()
        self.assertEqual(
            (info.uuid, info.state, info.detail),
            (guest.uuid, "running", "runs without a record on this node"),
        )
        await hypervisor.forget(guest.uuid)
        self.assertIsNone(self.process_of(guest))

    async def test_reset(self) -> None:
        """A reset machine boots again in the same process."""
        info = await self.start(self.place.guest("web1"))
        log = self.place.hypervisor.console_log(info.uuid)
        await self.place.hypervisor.reset(info.uuid)
        await self.until(lambda: log.read_text(errors="replace").count("HB 1 ") == 2)
        self.assertEqual(await self.place.hypervisor.info(info.uuid), info)

    async def test_two_at_once(self) -> None:
        """Guests start side by side, and are asked for meanwhile without waiting."""
        guests = [self.place.guest(name) for name in ("web1", "web2")]
        starts = gatherResults(
            [
                self.place.hypervisor.start(guest, [], self.said.append)
                for guest in guests
            ]
        )
        await self.until(lambda: all(map(self.process_of, guests)))
        states = [info.state for info in await self.place.hypervisor.guests()]
        self.assertEqual(states, ["starting", "starting"])
        self.assertEqual([info.state for info in await starts], ["running"] * 2)

    async def test_disks_and_card(self) -> None:
        """A guest has its disks, raw and qcow2, read-only too, and its network card."""
        runner, directory = self.place.runner, self.place.directory
        disks = []
        for format_ in ("raw", "qcow2"):
            path = directory / f"disk,of {format_}"
            await runner.run(
                ["qemu-img", "create", "-f", format_, str(path), "8M"],
                timeout_seconds=20,
            )
            disks.append(path)
        guest = replace(
            self.place.guest("web1"),
            disks=(
                GuestDisk(uuid=new_uuid(), template="file", size_mib=8),
                GuestDisk(
                    uuid=new_uuid(),
                    template="file",
                    size_mib=8,
                    mode="ro",
                    params={"format": "qcow2"},
                ),
            ),
            nics=(
                GuestNic(uuid=new_uuid(), mac="aa:00:00:00:00:01"),
                GuestNic(uuid=new_uuid(), mac="aa:00:00:00:00:02", mode="none"),
            ),
        )
        info = await self.start(guest, *disks)
        self.assertEqual(info.state, "running")

    async def test_boot_from_blank_disk(self) -> None:
        """A guest that reads its disk lives, though nothing is on it."""
        path = self.place.directory / "blank"
        path.write_bytes(bytes(1 << 20))
        disk = GuestDisk(uuid=new_uuid(), template="file", size_mib=1)
        guest = replace(
            self.place.guest("blank", kernel_path="", initrd_path=""), disks=(disk,)
        )
        await self.start(guest, path)
        self.assertEqual(self.said[-1], "blank uses its disk")

    async def test_nothing_to_boot_from(self) -> None:
        """Without kernel and disk, firmware that says so is sign enough."""
        await self.start(self.place.guest("bare", kernel_path="", initrd_path=""))
        self.assertIn("has nothing to boot from", self.said[-1])

    async def test_bogus_kernel(self) -> None:
        """A kernel that does nothing is ended at the time-out, and never runs."""
        kernel = bytearray(image().kernel.read_bytes())
        # The boot sector and set-up code stay, or QEMU itself would refuse it.
        kernel[0x8000:] = bytes(len(kernel) - 0x8000)
        path = self.place.directory / "bogus"
        path.write_bytes(kernel)
        guest = self.place.guest("bogus", kernel_path=str(path), life_sign_timeout=3)
        # That its firmware reads the disk, with every reset anew, must not count.
        disk = GuestDisk(uuid=new_uuid(), template="file", size_mib=1)
        guest = replace(guest, disks=(disk,))
        blank = self.place.directory / "blank"
        blank.write_bytes(bytes(1 << 20))
        self.assertEqual(
            await self.refusal(guest, blank),
            "bogus cannot be started: under tcg: shows no sign of life within 3 s",
        )
        self.assertIsNone(self.process_of(guest))
        self.assertIsNone(await self.place.hypervisor.info(guest.uuid))

    async def test_missing_kernel(self) -> None:
        """A kernel that is not there is named."""
        guest = self.place.guest("web1", kernel_path="/no/such/kernel")
        self.assertIn("/no/such/kernel", await self.refusal(guest))

    async def test_too_much_memory(self) -> None:
        """QEMU's own reason is told if the host lacks memory."""
        guest = replace(self.place.guest("huge"), memory_mib=1 << 33)
        self.assertIn("memory", (await self.refusal(guest)).lower())

    async def test_missing_bridge(self) -> None:
        """A bridge that this host does not have is named."""
        nic = GuestNic(
            uuid=new_uuid(), mac="aa:00:00:00:00:01", mode="bridged", link="nobr0"
        )
        guest = replace(self.place.guest("web1"), nics=(nic,))
        self.assertIn("'nobr0'", await self.refusal(guest))

    async def test_bridge(self) -> None:
        """A bridged card is on its bridge while the guest runs, and gone after."""
        bridge = f"gxtest{os.getpid() % 100000}"
        ip = ["ip", "link", "add", "name", bridge, "type", "bridge"]
        try:
            await self.place.runner.run(ip, timeout_seconds=20)
        except CommandFailed as error:
            raise SkipTest(f"no bridge can be made here: {error}") from error
        nic = GuestNic(
            uuid=new_uuid(), mac="aa:00:00:00:00:01", mode="bridged", link=bridge
        )

        def cards() -> int:
            return len(os.listdir(f"/sys/class/net/{bridge}/brif"))

        try:
            guest = replace(self.place.guest("web1"), nics=(nic,))
            await self.start(guest)
            self.assertEqual(cards(), 1)
            await self.place.hypervisor.stop(guest.uuid, 0, self.said.append)
            self.assertEqual(cards(), 0)
        finally:
            await self.place.runner.run(
                ["ip", "link", "delete", "dev", bridge], timeout_seconds=20
            )

    async def test_hung(self) -> None:
        """A QEMU that hangs is unknown, not started twice, and can be ended."""
        guest = self.place.guest("web1")
        info = await self.start(guest)
        assert info.pid is not None
        os.kill(info.pid, signal.SIGSTOP)
        found = await self.place.hypervisor.info(guest.uuid)
        self.assertEqual(found and found.state, "unknown")
        self.assertIn("runs but does not answer", await self.refusal(guest))
        outcome = await self.place.hypervisor.stop(guest.uuid, 1, self.said.append)
        self.assertEqual(outcome, "ended")
        self.assertIsNone(self.process_of(guest))

    async def test_missing_qemu(self) -> None:
        """A QEMU that is not installed is named."""
        guest = self.place.guest("web1", qemu_path="/no/such/qemu")
        self.assertIn("/no/such/qemu is not installed", await self.refusal(guest))

    async def test_next_accelerator(self) -> None:
        """If one accelerator does not do, the next is tried, and that is said."""
        guest = self.place.guest("web1", accel="kvm:tcg", life_sign_timeout=20)
        info = await self.start(guest)
        self.assertEqual(info.state, "running")
        if info.accelerator == "tcg":
            self.assertIn("web1 cannot run under kvm", "\n".join(self.said))

    async def test_deep_root(self) -> None:
        """Sockets work below a root deeper than a UNIX address is long."""
        self.place = KvmPlace(self, deep=True)
        guest = self.place.guest("web1")
        info = await self.start(guest)
        run = self.place.paths.guest_run(guest.uuid)
        self.assertGreater(len(str(run)), MAX_ADDRESS)
        self.assertLessEqual(
            len(str(self.place.hypervisor.console_socket(guest.uuid))), MAX_ADDRESS
        )
        hypervisor = await self.place.restart()
        self.assertEqual(await hypervisor.info(guest.uuid), info)
        self.assertEqual(
            await hypervisor.stop(guest.uuid, 30, self.said.append), "shutdown"
        )

    async def test_private_files(self) -> None:
        """Others cannot reach a guest's monitor, console or log."""
        guest = self.place.guest("web1")
        await self.start(guest)
        run = self.place.paths.guest_run(guest.uuid)
        self.assertEqual(run.stat().st_mode & 0o777, 0o700)
        loose = [path for path in run.iterdir() if path.stat().st_mode & 0o177]
        self.assertEqual(loose, [])

    async def test_cancelled_start(self) -> None:
        """A start that is cancelled leaves nothing running."""
        guest = self.place.guest("web1")
        start = self.place.hypervisor.start(guest, [], self.said.append)
        await self.until(lambda: self.process_of(guest) is not None)
        start.cancel()
        await pause(0)
        _ = start.addErrback(lambda _: None)
        await self.until(lambda: self.process_of(guest) is None)
        await self.until(lambda: not self.place.paths.guest_record(guest.uuid).exists())
