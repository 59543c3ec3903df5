"""A real cluster on this machine: daemons in processes, each node with its root.

Addresses are of 127.0.0.0/8, the same port on each, so that many clusters can be up at
once; or each node is a host of a ``NetLab``, with an IPv6 primary and an IPv4 secondary
address. All waiting has a deadline; what was started is ended by its process id.

The first cluster of a kind in a process is kept as it was when all had joined; the next
one of that kind begins as a copy of its files, as after a power failure.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from ganetix.api.client import ApiClient, connect
from ganetix.api.types import QueryKind, QueryRequest
from ganetix.cli.verify import report_of
from ganetix.errors import GanetixError
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import OpClusterVerify
from ganetix.paths import Paths
from ganetix.testing.cluster_files import keep_files, kept_files
from ganetix.testing.netns import NetLab

T = TypeVar("T")

DEADLINE_SECONDS = 180.0
POLL_SECONDS = 0.05
SLOWEST_POLL_SECONDS = 0.4
FINAL = {"success", "error", "canceled"}


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended."""

    status: int
    out: str
    err: str


class Running(ProcessProtocol):
    """A child process: its output, and a Deferred of its end."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = argv
        self.out = b""
        self.err = b""
        self.status: int | None = None
        self.ended: Deferred[None] = Deferred()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        pid: int | None = getattr(self.transport, "pid", None)
        return pid if self.status is None else None

    def outReceived(self, data: bytes) -> None:
        """Twisted: it wrote to stdout."""
        self.out += data

    def errReceived(self, data: bytes) -> None:
        """Twisted: it wrote to stderr."""
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        """Twisted: it is gone, and its pipes are closed."""
        error = reason.value
        self.status = 0 if isinstance(error, ProcessDone) else _status(error)
        self.ended.callback(None)

    def kill(self, signal_number: int) -> None:
        """Send it a signal, if it runs."""
        if self.pid is not None:
            os.kill(self.pid, signal_number)


def _status(error: object) -> int:
    code, number = getattr(error, "exitCode", None), getattr(error, "signal", None)
    return int(code) if code is not None else -int(number or 1)


class RealCluster:
    """Nodes ``node1`` … with daemons of their own; the first is the master.

    :param network: third part of the addresses, different for each test; the second
        one differs between test processes. Or the laboratory, made already, whose hosts
        have the nodes' names: then the cluster is a hybrid one, and no daemon is told
        where to bind.
    """

    def __init__(
        self,
        reactor: Any,
        network: int | NetLab,
        nodes: int = 1,
        hypervisor: str = "fake",
    ) -> None:
        self._reactor = reactor
        self._process = IReactorProcess(reactor)
        self._clock = IReactorTime(reactor)
        # Short: sockets below it must have paths of less than 108 bytes.
        self.base = Path(tempfile.mkdtemp(prefix="gnx"))
        self.lab = network if isinstance(network, NetLab) else None
        self.network = f"{20 + os.getpid() % 200}.{network}"
        self.hypervisor = hypervisor
        self.names = [f"node{n}" for n in range(1, nodes + 1)]
        self.daemons: dict[str, Running] = {}

    def paths(self, name: str = "node1") -> Paths:
        """A node's files."""
        return Paths(self.base / name)

    def address(self, name: str) -> str:
        """A node's primary address."""
        if self.lab:
            return self.lab.ipv6(name)
        return f"127.{self.network}.{name.removeprefix('node')}"

    def address_options(self, name: str) -> list[str]:
        """A node's addresses, as ``init`` and ``add`` take them."""
        options = [f"--primary-ip={self.address(name)}"]
        if self.lab:
            options.append(f"--secondary-ip={self.lab.ipv4(name)}")
        return options

    async def start(self) -> None:
        """Initialise, start all daemons, and let the other nodes join.

        From the second cluster of a kind on, take the files that the first one had.
        """
        kept = None if self.lab else kept_files(self.hypervisor, len(self.names))
        if kept is None:
            (self.base / "node1").mkdir()
            await self.init()
            self.start_node("node1")
        else:
            self.network = kept.network
            shutil.copytree(kept.directory, self.base, dirs_exist_ok=True)
            for name in self.names[: kept.nodes]:
                self.start_node(name)
            for daemon in tuple(self.daemons.values()):
                await self._serving(daemon)
        await self.start_master()
        made = kept.nodes if kept else 1
        for name in self.names[made:]:
            (self.base / name).mkdir()
            await self.join(name)
        if not self.lab and not (kept and kept.nodes == len(self.names)):
            await self._keep()

    async def _serving(self, daemon: Running) -> None:
        async def serves() -> bool:
            return b" serves at " in daemon.out + daemon.err

        await self.until(serves, "a node daemon serves")

    async def _keep(self) -> None:
        async def is_quiet() -> bool:
            return set(await self.column("job", "status")) <= FINAL

        await self.until(is_quiet, "all jobs have ended")
        pids = [daemon.pid for daemon in self.daemons.values()]
        keep_files(
            self.base,
            self.hypervisor,
            self.network,
            len(self.names),
            [pid for pid in pids if pid is not None],
        )

    async def init(self) -> None:
        """``gnt-cluster init`` on the first node."""
        parameters = ["-H", "kvm:accel=tcg"] if self.hypervisor == "kvm" else []
        if self.lab:
            parameters.append("--primary-ip-version=6")
        await self.gnt(
            "gnt-cluster",
            "init",
            "--node-name=node1",
            *self.address_options("node1"),
            f"--enabled-hypervisors={self.hypervisor}",
            *parameters,
            "test.example",
        )

    async def join(self, name: str, group: str | None = None) -> None:
        """Add a node, let it join, and wait until it is a member."""
        in_group = ["-g", group] if group else []
        added = await self.gnt(
            "gnt-node", "add", *self.address_options(name), *in_group, name
        )
        await self.gnt(
            "ganetix-node", "join", "--no-start", added.out.strip(), node=name
        )
        self.start_node(name)

        async def is_member() -> bool:
            return name in await self.column("node", "name")

        await self.until(is_member, f"{name} is a member")

    def start_node(self, name: str) -> Running:
        """Start a node's daemon."""
        bind = [] if self.lab else ["-b", self.address(name)]
        daemon = self.spawn(self.twistd("ganetix-node", name, *bind), name)
        self.daemons[name] = daemon
        return daemon

    async def start_master(self, *argv: str) -> Running:
        """Start the master, or what is given in its stead, and wait for its socket."""
        socket = self.paths().master_socket
        socket.unlink(missing_ok=True)
        daemon = self.spawn(argv or self.twistd("ganetix-master", "node1"))
        self.daemons["master"] = daemon

        async def listens() -> bool:
            return socket.exists() or daemon.status is not None

        await self.until(listens, "the master listens")
        return daemon

    def twistd(self, plugin: str, name: str, *options: str) -> list[str]:
        """The command line of a daemon in the foreground."""
        return [
            sys.executable,
            "-c",
            "from twisted.scripts.twistd import run; run()",
            "--nodaemon",
            "--pidfile=",
            plugin,
            f"--root={self.base / name}",
            *options,
        ]

    def spawn(self, argv: Sequence[str], node: str = "node1") -> Running:
        """Start a process with the environment, and in the network, of a node."""
        checkout = str(Path(__file__).parents[2])
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.base),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": checkout,
            "GANETIX_ROOT": str(self.base / node),
        }
        if self.lab:
            argv = self.lab.argv(node, argv)
        running = Running(argv)
        self._process.spawnProcess(running, argv[0], list(argv), environment)
        return running

    async def run(self, *argv: str, node: str = "node1") -> Output:
        """Run a command of the project to its end."""
        command = argv[0].replace("-", "_")
        code = f"import sys; from ganetix.cli import main; sys.exit(main.{command}())"
        running = self.spawn([sys.executable, "-c", code, *argv[1:]], node)
        _ = running.ended.addTimeout(DEADLINE_SECONDS, self._clock)
        try:
            await running.ended
        finally:
            running.kill(signal.SIGKILL)
        return Output(
            status=running.status if running.status is not None else -1,
            out=running.out.decode(),
            err=running.err.decode(),
        )

    async def gnt(self, *argv: str, node: str = "node1") -> Output:
        """Run a command that must succeed."""
        output = await self.run(*argv, node=node)
        if output.status != 0:
            raise AssertionError(f"{' '.join(argv)} failed: {output}")
        return output

    async def ask(
        self, question: Callable[[ApiClient], Awaitable[T]], node: str = "node1"
    ) -> T:
        """Ask the master on a node, at less cost than by a command."""
        api = await connect(self._reactor, self.paths(node).master_socket)
        try:
            return await question(api)
        finally:
            api.close()

    async def column(self, kind: QueryKind, field: str, *names: str) -> list[object]:
        """The values of one field, of all or of those named."""
        request = QueryRequest(kind=kind, fields=(field,), names=names)
        result = await self.ask(lambda api: api.query(request))
        return [row.cells[0] for row in result.rows]

    async def is_green(self) -> bool:
        """Whether the master answers, and verify finds no error."""
        request = SubmitRequest(ops=(OpClusterVerify(),))
        try:
            jobs = await self.ask(lambda api: api.run([request]))
        except GanetixError:
            return False
        findings = report_of(jobs).findings
        is_done = all(job.status == "success" for job in jobs)
        return is_done and not any(each.level == "error" for each in findings)

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until something is so; ``AssertionError`` after the deadline.

        The longer it takes the more rarely it asks: to ask may take a process.
        """
        end = self._clock.seconds() + DEADLINE_SECONDS
        pause = POLL_SECONDS
        while not await condition():
            if self._clock.seconds() > end:
                logs = {
                    name: daemon.err[-2000:].decode(errors="replace")
                    for name, daemon in self.daemons.items()
                }
                raise AssertionError(f"not in time: {what}; {logs}")
            await deferLater(self._clock, pause)
            pause = min(pause * 1.5, SLOWEST_POLL_SECONDS)

    async def end(self, name: str, signal_number: int = signal.SIGTERM) -> Running:
        """End a daemon, and wait for that."""
        daemon = self.daemons.pop(name)
        daemon.kill(signal_number)
        if daemon.status is None:
            await daemon.ended
        return daemon

    async def stop(self) -> None:
        """End everything, guests too, and remove all files."""
        for name in tuple(self.daemons):
            await self.end(name, signal.SIGKILL)
        for name in self.names:
            for pid in guest_pids(self.base / name):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.base, ignore_errors=True)


def guest_pids(root: Path) -> list[int]:
    """Processes that run QEMU with files below a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith((b"qemu", b"/usr/bin/qemu")) and bytes(root) in command:
            found.append(int(entry.name))
    return found
