"""What a guest takes of its host: interfaces, sockets, processes, log files."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import CommandFailed, HypervisorFault
from ganetix.hypervisor import proc
from ganetix.hypervisor.base import Followers, KeyedLocks
from ganetix.hypervisor.kvm_argv import GuestFiles
from ganetix.hypervisor.qemu_process import KEPT_LOG, MAX_LOG, QemuProcess, trim
from ganetix.hypervisor.sockets import MAX_ADDRESS, SocketNames
from ganetix.hypervisor.taps import Taps
from ganetix.objects import GuestNic, GuestSpec, new_uuid
from ganetix.testing.process import FakeRunner


class TapsTests(SynchronousTestCase):
    """Interfaces of bridged cards."""

    def setUp(self) -> None:
        self.runner = FakeRunner()
        self.runner.on("ip")
        self.interfaces = Path(self.mktemp())
        (self.interfaces / "br0" / "bridge").mkdir(parents=True)
        self.taps = Taps(self.runner, Path("/root1"), self.interfaces)
        bridged = GuestNic(uuid=new_uuid(), mac="aa:1", mode="bridged", link="br0")
        self.guest = GuestSpec(
            uuid=new_uuid(),
            name="web1",
            hypervisor="kvm",
            memory_mib=64,
            vcpus=1,
            nics=(bridged, GuestNic(uuid=new_uuid(), mac="aa:2")),
        )

    def make(self, guest: GuestSpec) -> Deferred[object]:
        """Make a guest's interfaces."""
        return Deferred.fromCoroutine(self.taps.make(guest))

    def test_made(self) -> None:
        """A tap is made and put on its bridge, for bridged cards only."""
        self.successResultOf(self.make(self.guest))
        (name,) = self.taps.names(self.guest).values()
        self.assertEqual(
            self.runner.commands,
            [
                ("ip", "tuntap", "add", "dev", name, "mode", "tap"),
                ("ip", "link", "set", "dev", name, "master", "br0", "up"),
            ],
        )

    def test_names(self) -> None:
        """Names fit the kernel, and differ between roots of one machine."""
        (name,) = self.taps.names(self.guest).values()
        other = Taps(self.runner, Path("/root2"), self.interfaces)
        self.assertLessEqual(len(name), 15)
        self.assertNotEqual(other.names(self.guest), self.taps.names(self.guest))

    def test_missing_bridge(self) -> None:
        """A bridge that is not there is named, and nothing is run."""
        nic = replace(self.guest.nics[0], link="br7")
        failed = self.make(replace(self.guest, nics=(nic,)))
        error = self.failureResultOf(failed, HypervisorFault).value
        self.assertIn("'br7', which this node does not have", str(error))
        self.assertEqual(self.runner.commands, [])

    def test_failure_removes(self) -> None:
        """If a bridge refuses a tap, the tap is removed again."""
        (name,) = self.taps.names(self.guest).values()
        (self.interfaces / name).mkdir()
        self.runner.on("ip", "link", "set", error=CommandFailed("no"))
        error = self.failureResultOf(self.make(self.guest), HypervisorFault).value
        self.assertIn("cannot be put on bridge br0", str(error))
        self.assertEqual(
            self.runner.commands[-1], ("ip", "link", "delete", "dev", name)
        )


class SocketNamesTests(SynchronousTestCase):
    """Short names of sockets."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute() / ("deep/" * 30)
        self.names = SocketNames(self.directory)
        self.addCleanup(self.names.close)

    def test_short(self) -> None:
        """A path that fits is its own name."""
        self.assertEqual(self.names.name(Path("/run/x/qmp")), "/run/x/qmp")

    def test_long(self) -> None:
        """A path too long for a UNIX address gets a name that works."""
        path = self.directory / "guest" / "qmp"
        name = self.names.name(path)
        self.assertLessEqual(len(name), MAX_ADDRESS)
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
        self.assertTrue(path.is_socket())


class ProcTests(SynchronousTestCase):
    """Processes known by their pid file."""

    def setUp(self) -> None:
        self.pid_file = Path(self.mktemp()).absolute()

    def started(self, option: str) -> subprocess.Popen[bytes]:
        """A process with an option that names the pid file."""
        process = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", "echo; read x", "sh", option, str(self.pid_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()

        def end() -> None:
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def test_own(self) -> None:
        """A process started with the pid file is the guest's."""
        process = self.started("-pidfile")
        self.pid_file.write_text(f"{process.pid}\n")
        self.assertEqual(proc.guest_pid(self.pid_file), process.pid)
        self.assertEqual(proc.find_guest(self.pid_file), process.pid)

    def test_somebody_elses(self) -> None:
        """A process that only mentions the pid file is left alone."""
        process = self.started("-look-at")
        self.pid_file.write_text(f"{process.pid}\n")
        self.assertIsNone(proc.guest_pid(self.pid_file))
        proc.kill(process.pid, self.pid_file)
        self.assertIsNone(process.poll())

    def test_bad_files(self) -> None:
        """A pid file that is missing, empty or nonsense names nobody."""
        self.assertIsNone(proc.guest_pid(self.pid_file))
        for text in ("", "abc", "-1", "99999999"):
            self.pid_file.write_text(text)
            self.assertIsNone(proc.guest_pid(self.pid_file))

    def test_found_on_a_full_disk(self) -> None:
        """A good pid file is not touched; a missing one that cannot be made is told."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        files = GuestFiles(directory)
        self.pid_file = files.pid
        process = self.started("-pidfile")
        (directory / "pid.new").mkdir()  # so that nothing can be written there
        runner, sockets = FakeRunner(), SocketNames(directory)
        qemu = QemuProcess(Clock(), runner, sockets, files)
        self.assertIn(
            str(process.pid), str(self.assertRaises(HypervisorFault, qemu.find))
        )
        files.pid.write_text(f"{process.pid}\n")
        self.assertEqual(qemu.find(), process.pid)

    def test_gone(self) -> None:
        """A process is gone once it has ended, reaped or not, or is somebody else's."""
        process = self.started("-pidfile")
        self.assertFalse(proc.is_gone(process.pid, self.pid_file))
        self.assertTrue(proc.is_gone(process.pid, Path("another")))
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.assertTrue(proc.is_gone(process.pid, self.pid_file))
        process.wait()
        self.assertTrue(proc.is_gone(process.pid, self.pid_file))

    def test_ending(self) -> None:
        """A process that is being taken down has not let go of everything yet."""
        for state, flags, threads, is_ending in (
            ("S", 0x400000, 4, False),
            ("D", 0x400004, 4, True),
            ("Z", 0x40000C, 3, True),
            ("Z", 0x40000C, 1, False),
        ):
            stat = f"7 (a) S)) {state} 1 7 7 0 -1 {flags}{' 0' * 10} {threads} 0 9"
            with self.subTest(state=state, threads=threads):
                self.assertEqual(proc.is_ending(stat), is_ending)

    def test_killed(self) -> None:
        """A guest's process is killed."""
        process = self.started("-pidfile")
        proc.kill(process.pid, self.pid_file)
        self.assertEqual(process.wait(10), -9)
        proc.kill(process.pid, self.pid_file)


class TrimTests(SynchronousTestCase):
    """Logs that guests could grow without end."""

    def test_small(self) -> None:
        """A small log is left as it is, and a missing one is no error."""
        log = Path(self.mktemp())
        self.assertFalse(trim(log))
        log.write_text("hello")
        self.assertFalse(trim(log))
        self.assertEqual(log.read_text(), "hello")

    def test_large(self) -> None:
        """A large log begins anew; its end is kept beside it, as private as it was."""
        log = Path(self.mktemp())
        log.write_bytes(bytes(MAX_LOG) + b"the end")
        self.assertTrue(trim(log))
        kept = log.with_name(log.name + ".1")
        self.assertEqual(log.stat().st_size, 0)
        self.assertEqual(kept.stat().st_size, KEPT_LOG)
        self.assertTrue(kept.read_bytes().endswith(b"the end"))
        self.assertEqual(os.stat(kept).st_mode & 0o777, 0o600)


class KeyedLocksTests(SynchronousTestCase):
    """One operation at a time for each guest."""

    def test_one_at_a_time(self) -> None:
        """Work on one key waits for its turn, on another it does not."""
        locks = KeyedLocks()
        order: list[str] = []

        async def work(key: str, name: str, until: Deferred[None]) -> None:
            async with locks.hold(key):
                order.append(name)
                await until

        gate: Deferred[None] = Deferred()
        first = Deferred.fromCoroutine(work("a", "first", gate))
        done: Deferred[None] = Deferred()
        done.callback(None)
        second = Deferred.fromCoroutine(work("a", "second", done))
        other: Deferred[None] = Deferred()
        other.callback(None)
        third = Deferred.fromCoroutine(work("b", "third", other))
        self.successResultOf(third)
        self.assertTrue(locks.is_held("a"))
        gate.callback(None)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(order, ["first", "third", "second"])
        self.assertFalse(locks.is_held("a"))


class FollowersTests(SynchronousTestCase):
    """Coroutines that nobody awaits."""

    def test_failure_is_logged(self) -> None:
        """A failure is logged, not lost."""

        async def fail() -> None:
            raise ValueError

        Followers().spawn("a test", fail())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_stop(self) -> None:
        """Stopping cancels what waits."""
        cancelled: list[bool] = []
        waiting: Deferred[None] = Deferred(lambda _: cancelled.append(True))
        followers = Followers()

        async def wait() -> None:
            await waiting

        followers.spawn("a test", wait())
        followers.stop()
        self.assertEqual(cancelled, [True])
