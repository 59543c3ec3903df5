"""The demo's hosts and daemons: where their files are, which processes they are."""

from __future__ import annotations

import itertools
import socket
from dataclasses import dataclass
from pathlib import Path

from commands import command
from processes import environ_of, processes, until
from screen import DemoFailed, say, shown_on_failure

PORT = 1811
START_SECONDS = 20.0
LAUNCHES = 2


@dataclass(frozen=True)
class Host:
    """One of the demo's nodes; ``group`` is None for the first."""

    number: int
    group: str | None
    base: Path
    net: str

    @property
    def name(self) -> str:
        """The node's name."""
        return f"node{self.number}.demo"

    @property
    def address(self) -> str:
        """Where its daemon listens."""
        return f"{self.net}.{10 + self.number}"

    @property
    def root(self) -> Path:
        """The root of all its files."""
        return self.base / f"n{self.number}"

    @property
    def certificate(self) -> Path:
        """There once the node belongs to a cluster."""
        return self.root / "var/lib/ganetix/node.pem"


@dataclass(frozen=True)
class Daemon:
    """A daemon of a host: ``node`` or ``master``."""

    kind: str
    host: Host

    @property
    def pid_file(self) -> Path:
        """Where twistd writes its process id."""
        return self.host.root / f"run/ganetix/{self.kind}.pid"

    @property
    def log_file(self) -> Path:
        """Where it logs."""
        return self.host.root / f"var/log/ganetix/{self.kind}.log"

    def pids(self) -> list[int]:
        """Its processes: those that bin/demo started, and those started by hand."""
        mark = f"--pidfile={self.pid_file}"
        return [
            pid
            for pid, arguments in processes()
            if mark in arguments or self._by_hand(pid, arguments)
        ]

    def _by_hand(self, pid: int, arguments: list[str]) -> bool:
        """Is this ``twistd ganetix-KIND`` for the host's root, told in either way?"""
        if f"ganetix-{self.kind}" not in arguments:
            return False
        if not any(Path(word).name == "twistd" for word in arguments):
            return False
        roots = [word[7:] for word in arguments if word.startswith("--root=")]
        words = itertools.pairwise(arguments)
        roots += [root for option, root in words if option == "--root"]
        roots = roots or [environ_of(pid).get("GANETIX_ROOT", "")]
        return roots == [str(self.host.root)]

    def answers(self) -> bool:
        """Does it accept connections?"""
        if self.kind == "node":
            return _accepts(socket.AF_INET, (self.host.address, PORT))
        return _accepts(socket.AF_UNIX, f"{self.host.root}/run/ganetix/master.sock")

    def start(self) -> None:
        """Start it unless it runs; until it accepts connections."""
        host = self.host
        if self.pids() and self.answers():
            return
        say(f"starting ganetix-{self.kind} of {host.name} on {host.address}")
        with shown_on_failure(self.log_file):
            for _ in range(LAUNCHES):
                if not self.pids():
                    self._launch()
                until(lambda: self.answers() or not self.pids(), START_SECONDS)
                if self.answers():
                    return
            raise DemoFailed(
                f"ganetix-{self.kind} of {host.name} "
                + ("does not answer" if self.pids() else "ends when it is started")
            )

    def _launch(self) -> None:
        # It does not run, which was looked up; what a killed one left would only make
        # the new one look for a process that may have become another's.
        run = self.pid_file.parent
        run.mkdir(parents=True, exist_ok=True)
        left = run.glob("master.sock*") if self.kind == "master" else ()
        for path in (self.pid_file, *left):
            path.unlink(missing_ok=True)
        listen = ["--bind", self.host.address, "--port", str(PORT)]
        command(
            self.host.root,
            "twistd",
            f"--pidfile={self.pid_file}",
            f"--rundir={self.host.root}",
            f"ganetix-{self.kind}",
            f"--root={self.host.root}",
            f"--log-file={self.log_file}",
            *(listen if self.kind == "node" else []),
        )


def _accepts(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as client:
        return client.connect_ex(address) == 0
