"""``bin/demo`` as a user runs it: up, again, after crashes, down."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ganetix

CHECKOUT = Path(ganetix.__file__).parents[1]
DEMO = CHECKOUT / "bin/demo"
PROGRAMS = CHECKOUT / ".venv/bin"
LIMIT_SECONDS = 280


@cache
def directory(net: str) -> Path:
    """A directory for the demo on these addresses, removed when all tests are done."""
    base = Path(tempfile.mkdtemp(prefix="gnt-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    return base / "d"


class DemoTestCase(SynchronousTestCase):
    """A demo in a directory and on addresses of its own.

    To bring one up takes long, so tests share it: each begins with ``bin/demo``, which
    brings it to the same state from any other.
    """

    hypervisor = "fake"
    net: str
    demo_dir: Path

    def setUp(self) -> None:
        """Whatever runs in the end is ended."""
        if not (DEMO.exists() and (PROGRAMS / "twistd").exists()):
            raise SkipTest("not a checkout with .venv")
        # Of this process alone, so that several runs do not meet.
        pid = os.getpid()
        third = pid % 125 * 2 + (self.hypervisor == "kvm")
        self.net = f"127.{100 + pid // 125 % 100}.{third}"
        self.demo_dir = directory(self.net)
        atexit.register(self.demo, "--clean")

    def environ(self) -> dict[str, str]:
        """What tells bin/demo its place."""
        return {
            "GANETIX_DEMO_DIR": str(self.demo_dir),
            "GANETIX_DEMO_NET": self.net,
            "GANETIX_DEMO_HYPERVISOR": self.hypervisor,
        }

    def run_program(self, *command: str | Path, **environ: str) -> tuple[int, str]:
        """Exit status and output of a program."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GANETIX_")}
        done = subprocess.run(  # noqa: S603
            command,
            cwd="/",
            env={**kept, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    def demo(self, *options: str, status: int = 0) -> str:
        """Run bin/demo; what it printed."""
        got, output = self.run_program(DEMO, *options, **self.environ())
        self.assertEqual(got, status, output)
        return output

    def rows(self, kind: str, fields: str) -> list[dict[str, object]]:
        """A list of the demo's cluster."""
        status, output = self.run_program(
            PROGRAMS / f"gnt-{kind}",
            *("list", "--json", "-o", fields),
            GANETIX_ROOT=str(self.demo_dir / "n1"),
        )
        self.assertEqual(status, 0, output)
        found: list[dict[str, object]] = json.loads(output)
        return found

    def statuses(self) -> dict[object, object]:
        """The instances' status by name."""
        return {
            row["name"]: row["status"] for row in self.rows("instance", "name,status")
        }

    def pids(self) -> dict[str, int]:
        """The demo's processes: daemons by pid file, and guests."""
        found: dict[str, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            mine = [word for word in words if str(self.demo_dir) in word]
            if mine and any(w.startswith("--pidfile=") for w in mine):
                pid_file = next(w for w in mine if w.startswith("--pidfile="))
                found[pid_file.removeprefix(f"--pidfile={self.demo_dir}/")] = int(
                    entry.name
                )
            elif mine and "qemu-system" in words[0]:
                found[f"guest {entry.name}"] = int(entry.name)
        return found


class PretendedDemoTests(DemoTestCase):
    """With the hypervisor ``fake``, which needs nothing installed."""

    def test_up(self) -> None:
        """The first run ends with nodes in their groups and instances running."""
        output = self.demo()
        for word in ("node3.demo", "rack1", "db1.demo", "INSTANCE_CREATE", "--stop"):
            self.assertIn(word, output)
        self.assertNotIn("warning", output)
        nodes = {row["name"]: row["group"] for row in self.rows("node", "name,group")}
        self.assertEqual(
            nodes,
            {"node1.demo": "default", "node2.demo": "rack1", "node3.demo": "rack1"},
        )
        self.assertEqual(
            self.statuses(), {"web1.demo": "running", "db1.demo": "running"}
        )

    def test_capacity(self) -> None:
        """More instances fit into the group with two nodes."""
        self.demo()
        status, output = self.run_program(
            *(PROGRAMS / "gnt-cluster", "capacity", "--json", "-g", "rack1"),
            GANETIX_ROOT=str(self.demo_dir / "n1"),
        )
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r'"tspecs": \[\s+\[\s+[0-9]')

    def test_again(self) -> None:
        """A second run changes nothing: same processes, no more jobs."""
        self.demo()
        before, jobs = self.pids(), self.rows("job", "id")
        self.demo()
        self.assertEqual(self.pids(), before)
        self.assertEqual(self.rows("job", "id"), jobs)

    def test_crash(self) -> None:
        """After kill -9 of every daemon, the next run has all of it running again."""
        self.demo()
        for pid in self.pids().values():
            os.kill(pid, signal.SIGKILL)
        self.demo()
        self.assertEqual(len(self.pids()), 4)
        self.assertEqual(
            self.statuses(), {"web1.demo": "running", "db1.demo": "running"}
        )

    def test_started_by_hand(self) -> None:
        """A master that was started by hand is known: left alone, ended by --stop."""
        self.demo()
        root = self.demo_dir / "n1"
        os.kill(self.pids()["n1/run/ganetix/master.pid"], signal.SIGKILL)
        pid_file = self.demo_dir / "hand.pid"
        status, output = self.run_program(
            *(PROGRAMS / "twistd", f"--pidfile={pid_file}", "ganetix-master"),
            GANETIX_ROOT=str(root),
        )
        self.assertEqual(status, 0, output)
        self.demo()
        self.assertNotIn("n1/run/ganetix/master.pid", self.pids())
        self.demo("--stop")
        self.assertEqual(self.pids(), {})

    def test_hypervisor_too_late(self) -> None:
        """A hypervisor other than the one that is there is not taken in silence."""
        self.demo()
        self.hypervisor = "kvm"
        self.assertIn("comes too late, this one is fake", self.demo())

    def test_stop_and_start(self) -> None:
        """--stop ends every process; the next run brings the same cluster back."""
        self.demo()
        uuids = self.rows("instance", "uuid")
        self.demo("--stop")
        self.assertEqual(self.pids(), {})
        self.demo()
        self.assertEqual(self.rows("instance", "uuid"), uuids)

    def test_broken_off(self) -> None:
        """A run that is killed while a node joins is taken up by the next one."""
        self.demo("--clean")
        with subprocess.Popen(  # noqa: S603
            [DEMO],
            env={**os.environ, **self.environ()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while not (self.demo_dir / "n2").exists() and process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
            process.kill()
        self.demo()
        self.assertEqual(len(self.rows("node", "name")), 3)
        self.assertEqual(len(self.statuses()), 2)

    def test_clean(self) -> None:
        """--clean leaves no process and no file; a second one says so."""
        self.demo()
        self.demo("--clean")
        self.assertEqual(self.pids(), {})
        self.assertFalse(self.demo_dir.exists())
        self.assertIn("no demo", self.demo("--clean"))

    def test_address_in_use(self) -> None:
        """Where another demo has the addresses, a line says so and what to do."""
        self.demo()
        self.demo_dir = self.demo_dir.with_name("other")
        output = self.demo(status=1)
        self.assertIn(f"{self.net}.11 port 1811 is in use", output)
        self.assertIn("GANETIX_DEMO_NET", output)
        self.assertNotIn("Traceback", output)


class RealDemoTests(DemoTestCase):
    """With guests under QEMU."""

    hypervisor = "kvm"

    def setUp(self) -> None:
        """QEMU must be here."""
        if shutil.which("qemu-system-x86_64") is None:
            raise SkipTest("no QEMU")
        super().setUp()

    def test_guests(self) -> None:
        """Guests boot, their hearts beat across a crash of all daemons, --stop ends."""
        self.assertIn("HB ", self.demo())
        guests = {name for name in self.pids() if name.startswith("guest")}
        self.assertEqual(len(guests), 2)
        for name, pid in self.pids().items():
            if name not in guests:
                os.kill(pid, signal.SIGKILL)
        self.demo()
        self.assertLessEqual(guests, set(self.pids()))
        self.demo("--stop")
        self.assertEqual(self.pids(), {})
