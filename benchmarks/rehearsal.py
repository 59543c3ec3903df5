"""A cluster to be measured: a real master, and simulated nodes with real TLS.

All of it shares this host. Files are below temporary directories, and are removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
GROUPS = 10
MASTER_IP = "127.78.255.1"
NETWORK = "127.78"
MEMORY = "/dev/shm"  # noqa: S108 - a directory of one's own is made in it
LIMIT_SECONDS = 300.0
POLL_SECONDS = 0.02


class Rehearsal:
    """A cluster of simulated nodes below a directory of its own."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.base = Path(tempfile.mkdtemp(prefix="ganetix-bench-"))
        self.root = self.base / "master"
        # In memory: that 500 nodes share one disk is not what is measured.
        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        self.sims = Path(tempfile.mkdtemp(prefix="ganetix-bench-", dir=memory))
        self.root.mkdir()
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def make(self) -> None:
        """Make the cluster, and start its first node and its master."""
        self.gnt(
            "gnt_cluster",
            "init",
            "--node-name=master",
            f"--primary-ip={MASTER_IP}",
            "--enabled-hypervisors=fake",
            "bench.example",
        )
        self.start("ganetix-node", "-b", MASTER_IP)
        self.start_master()

    def start(self, plugin: str, *options: str, root: Path | None = None) -> None:
        """Start a daemon."""
        log = (self.base / f"{plugin}.log").open("ab")
        argv = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        argv += ["--nodaemon", "--pidfile=", plugin, f"--root={root or self.root}"]
        self.daemons[plugin] = subprocess.Popen(
            [*argv, *options], stdout=log, stderr=log, env=self.environment()
        )

    def start_master(self) -> float:
        """Start the master; seconds until it takes connections."""
        began = time.perf_counter()
        self.start("ganetix-master")
        path = str(self.root / "run/ganetix/master.sock")

        def answers() -> bool:
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(path) == 0

        self.until(answers, "the master serves")
        return time.perf_counter() - began

    def start_sims(self, *options: str) -> float:
        """Start the simulated nodes; seconds until all are members."""
        log = self.base / "ganetix-simnodes.log"
        log.unlink(missing_ok=True)
        began = time.perf_counter()
        self.start("ganetix-simnodes", *options, root=self.sims)
        told = f"{self.nodes} simulated nodes serve"
        self.until(lambda: told in log.read_text(), told)
        return time.perf_counter() - began

    def join(self) -> float:
        """Let all nodes join."""
        return self.start_sims(
            f"--master-root={self.root}",
            f"--count={self.nodes}",
            f"--groups={min(GROUPS, self.nodes)}",
            f"--network={NETWORK}",
        )

    def stop(self, plugin: str) -> None:
        """End a daemon as an administrator does."""
        daemon = self.daemons.pop(plugin)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + LIMIT_SECONDS
        while not condition():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    raise SystemExit(f"{name} has ended: {self.complaint(name)}")
            if time.monotonic() > end:
                raise SystemExit(f"not in {LIMIT_SECONDS:g} s: {what}")
            time.sleep(POLL_SECONDS)

    def complaint(self, plugin: str) -> str:
        """What a daemon's log says of its end."""
        lines = (self.base / f"{plugin}.log").read_text().splitlines()
        grave = [line for line in lines if " critical " in line or " error " in line]
        return "\n".join(grave[-5:] or lines[-5:])

    def environment(self) -> dict[str, str]:
        """The environment of all processes."""
        paths = {"PYTHONPATH": str(CHECKOUT), "GANETIX_ROOT": str(self.root)}
        return {**os.environ, **paths}

    def gnt(self, program: str, *argv: str) -> float:
        """Run a command that must succeed; seconds as its user sees them."""
        code = f"import sys; from ganetix.cli import main; sys.exit(main.{program}())"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, *argv],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        if done.returncode:
            raise SystemExit(f"{program} {argv}: {done.stdout}{done.stderr}")
        self.answer = done.stdout
        return time.perf_counter() - began

    def change_ssconf(self, name: str) -> float:
        """Add a group; seconds until every node knows."""
        files = list(self.sims.glob("*/var/lib/ganetix/ssconf_nodegroups"))
        assert len(files) == self.nodes, "all nodes have ssconf"
        began = time.perf_counter()
        self.gnt("gnt_group", "add", name)

        def all_know() -> bool:
            while files and f" {name}\n" in files[-1].read_text():
                files.pop()
            return not files

        self.until(all_know, "ssconf is everywhere")
        return time.perf_counter() - began

    def quiet(self) -> None:
        """Wait until the daemons do no more on their own."""

        def used() -> float:
            return sum(cpu_seconds(each.pid) for each in self.daemons.values())

        before = -1.0
        while (now := used()) - before > 0.05:
            before = now
            time.sleep(1.0)

    def remove(self) -> None:
        """End everything, and remove all files."""
        for name in tuple(self.daemons):
            daemon = self.daemons.pop(name)
            daemon.kill()
            daemon.wait(30)
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.rmtree(self.sims, ignore_errors=True)


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """A process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
