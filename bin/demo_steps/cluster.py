"""From whatever is there to a cluster of three nodes.

What is to be done is found by looking: at the processes, then at the cluster's own
lists. So one way through serves the first run, the next ones, and those after a crash.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from pathlib import Path

from commands import command, environment, table
from hosts import PORT, Daemon, Host
from processes import at_once, end, until
from screen import DemoFailed, detail, say, shown_on_failure

CLUSTER = "demo.ganetix"
STOP_SECONDS = 8.0
ADMIT_SECONDS = 60.0
TOOLS = ("qemu-system-x86_64", "qemu-img", "busybox", "cpio", "syslinux", "mformat")


def has_kernel() -> bool:
    """Is there a kernel for guests that we may read, with its modules?"""
    return any(
        os.access(image, os.R_OK)
        and Path("/lib/modules", image.name.removeprefix("vmlinuz-"), "kernel").is_dir()
        for image in Path("/boot").glob("vmlinuz-*")
    )


class Choices:
    """What the first run chose, for the next ones: a file of words by name."""

    def __init__(self, base: Path) -> None:
        self._file = base / "demo.json"

    def get(self, name: str) -> str:
        """One choice; empty if none was made."""
        return self._load().get(name, "")

    def put(self, **choices: str) -> None:
        """Keep choices."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({**self._load(), **choices}))
        new.replace(self._file)

    def _load(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return found


class DemoCluster:
    """The cluster's daemons and nodes, at one place in the file system."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.choices = Choices(base)
        net = self.choices.get("net") or os.environ.get("GANETIX_DEMO_NET", "127.0.0")
        self.hosts = [
            Host(number + 1, group, base, net)
            for number, group in enumerate((None, "rack1", "rack1"))
        ]
        self.net = net
        self.root = self.hosts[0].root
        self.master = Daemon("master", self.hosts[0])
        self.nodes = [Daemon("node", host) for host in self.hosts]
        self.logs = [daemon.log_file for daemon in (self.master, *self.nodes)]

    def up(self) -> str:
        """Bring all nodes up; the hypervisor that was chosen."""
        hypervisor = self.choose_hypervisor()
        self.check_addresses()
        if not self.choices.get("initialised"):
            self.initialise(hypervisor)
        there = [node for node in self.nodes if node.host.certificate.exists()]
        at_once(*(daemon.start for daemon in (self.master, *there)))
        with shown_on_failure(self.master.log_file):
            self.add_groups()
        members = self.members()
        for daemon in self.nodes[1:]:
            if daemon.host.name not in members and not self.late_member(daemon):
                self.join(daemon)
        if len(members) < len(self.nodes):
            self.wait_for_members()
        return hypervisor

    def choose_hypervisor(self) -> str:
        """``kvm`` if guests can run here, else ``fake``; the one there is, if any."""
        path = environment(self.root)["PATH"]
        missing = [tool for tool in TOOLS if not shutil.which(tool, path=path)]
        missing += [] if has_kernel() else ["a readable /boot/vmlinuz-*"]
        asked = os.environ.get("GANETIX_DEMO_HYPERVISOR", "")
        there = self.choices.get("hypervisor")
        if there and asked not in ("", there):
            say(f"GANETIX_DEMO_HYPERVISOR={asked} comes too late, this one is {there}")
            detail("bin/demo --clean removes it; the next one can be another")
        chosen = there or asked or ("fake" * bool(missing))
        if chosen == "fake":
            why = f"no {', '.join(missing)} here: " if missing else ""
            say(f"{why}the hypervisor is 'fake'")
            detail("its guests are files that remember their state, without a console")
        elif missing:
            raise DemoFailed(
                f"guests need {', '.join(missing)}, not found here\nbin/setup says what"
                f" to install; {'--clean, then ' if there else ''}"
                "GANETIX_DEMO_HYPERVISOR=fake bin/demo does without"
            )
        return chosen or "kvm"

    def check_addresses(self) -> None:
        """Every node's address is free to listen on, or its daemon's own."""
        for daemon in self.nodes:
            if daemon.pids():
                continue
            address = daemon.host.address
            try:
                with socket.socket(socket.AF_INET) as listener:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((address, PORT))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise DemoFailed(
                        f"{address} port {PORT} is in use, perhaps by the demo of"
                        " another checkout\nStop that, or take other addresses:"
                        " GANETIX_DEMO_NET=127.0.1 bin/demo"
                    ) from error
                raise DemoFailed(
                    f"cannot listen on {address} port {PORT}: {error.strerror}\n"
                    "The demo needs the loopback addresses 127.0.0.0/8 of Linux"
                ) from error

    def initialise(self, hypervisor: str) -> None:
        """Make the cluster; what a broken-off first run left is removed."""
        end([pid for daemon in self.daemons for pid in daemon.pids()], STOP_SECONDS)
        for host in self.hosts:
            shutil.rmtree(host.root, ignore_errors=True)
        first = self.hosts[0]
        first.root.mkdir()
        say(f"making cluster {CLUSTER} in {self.base}")
        words = ["--node-name", first.name, "--primary-ip", first.address]
        words += ["--enabled-hypervisors", hypervisor]
        words += ["-H", "kvm:accel=tcg"] if hypervisor == "kvm" else []
        command(self.root, "gnt-cluster", "init", *words, CLUSTER)
        self.choices.put(hypervisor=hypervisor, net=self.net, initialised="yes")

    @property
    def daemons(self) -> list[Daemon]:
        """All of them, the master first."""
        return [self.master, *self.nodes]

    def add_groups(self) -> None:
        """The racks."""
        there = {row[0] for row in table(self.root, "group", "name")}
        wanted = dict.fromkeys(host.group for host in self.hosts if host.group)
        for group in wanted:
            if group not in there:
                say(f"adding group {group}")
                command(self.root, "gnt-group", "add", group)

    def members(self) -> set[object]:
        """Names of the cluster's nodes."""
        return {row[0] for row in table(self.root, "node", "name")}

    def late_member(self, daemon: Daemon) -> bool:
        """A node that has its certificate but was not admitted: is it yet?

        If not within a few seconds, its files are removed, so that it joins anew.
        """
        host = daemon.host
        if not host.certificate.exists():
            return False
        if until(lambda: host.name in self.members(), 10, 0.5):
            return True
        end(daemon.pids(), STOP_SECONDS)
        shutil.rmtree(host.root, ignore_errors=True)
        return False

    def join(self, daemon: Daemon) -> None:
        """Reserve a node, let it join with its token, start its daemon."""
        host = daemon.host
        say(f"adding {host.name} to {host.group}: a token for it, then it joins")
        words = ["--replace", "--primary-ip", host.address, "-g", str(host.group)]
        host.root.mkdir(exist_ok=True)
        with shown_on_failure(*self.logs):
            token = command(self.root, "gnt-node", "add", *words, host.name)
            join = ("join", "--root", host.root, "--no-start", "-")
            command(host.root, "ganetix-node", *join, stdin=token)
        daemon.start()

    def wait_for_members(self) -> None:
        """Until the master has checked and admitted all nodes."""
        names = {host.name for host in self.hosts}
        say("waiting until the master has admitted all nodes")
        with shown_on_failure(*self.logs):
            if not until(lambda: names <= self.members(), ADMIT_SECONDS, 0.3):
                late = ", ".join(sorted(names - self.members()))
                raise DemoFailed(f"not admitted after {ADMIT_SECONDS:g} s: {late}")
