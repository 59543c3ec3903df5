"""Hosts that are network namespaces, joined by a bridge: cut one off, heal it.

Nothing is seen in this machine's own network: the bridge has a namespace too, so that
neither its addresses nor its firewall matter, and every laboratory can have the same
addresses. Namespaces are named after the process that made them; those of processes
that died are cleared away when the next laboratory is made.

All methods block, for some milliseconds each.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

NETNS = Path("/run/netns")
PREFIX = "gnx-"
_IP = "/usr/sbin/ip"
_SWITCH, _BRIDGE, _INTERFACE = "switch", "br0", "eth0"
_COMMAND_SECONDS = 20

_numbers = itertools.count(1)


def missing_for_netlab() -> str:
    """Why no laboratory can be made here; empty if one can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not Path(_IP).exists():
        return "there is no 'ip': install iproute2"
    nsenter, unshare = shutil.which("nsenter"), shutil.which("unshare")
    if nsenter is None or unshare is None:
        return "there is no 'nsenter': install util-linux"
    tried = subprocess.run(  # noqa: S603
        [unshare, "--net", _IP, "link", "add", "type", "bridge"],
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
    )
    if tried.returncode:
        return f"this kernel makes no network namespaces: {tried.stderr.strip()}"
    return ""


class NetLab:
    """Namespaces, one a host, each with an interface on one bridge.

    Host number n has the addresses ``fd67:6e78::n`` and ``10.67.0.n`` on ``eth0``, and
    a loopback interface of its own. Use it as a context manager, or call ``make`` and,
    whatever happens, ``unmake``::

        with NetLab(["node1", "node2"]) as lab:
            lab.run("node1", "ping", "-c1", lab.ipv6("node2"))
            lab.cut("node2")

    :param hosts: their names, which stand for them in all methods; 15 bytes at most
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = tuple(hosts)
        self._tag = f"{PREFIX}{os.getpid()}-{next(_numbers)}-"

    def __enter__(self) -> NetLab:
        self.make()
        return self

    def __exit__(self, *_: object) -> None:
        self.unmake()

    def make(self) -> None:
        """Make bridge and hosts; what was half made is unmade again."""
        _clear_stale()
        try:
            self._make()
        except BaseException:
            self.unmake()
            raise

    def unmake(self) -> None:
        """Kill what still runs on the hosts, and remove everything; may be repeated."""
        failures = []
        for path in sorted(NETNS.glob(f"{self._tag}*")):
            try:
                _remove(path.name)
            except OSError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def namespace(self, host: str) -> str:
        """The name of a host's namespace, as ``ip netns`` knows it."""
        return f"{self._tag}{host}"

    def ipv6(self, host: str) -> str:
        """A host's IPv6 address."""
        return f"fd67:6e78::{self._number(host):x}"

    def ipv4(self, host: str) -> str:
        """A host's IPv4 address."""
        return f"10.67.0.{self._number(host)}"

    def argv(self, host: str, argv: Sequence[str]) -> list[str]:
        """The command line that runs another one on a host.

        The process keeps its id: what is started so can be signalled as it is.
        """
        nsenter = shutil.which("nsenter") or "nsenter"
        return [nsenter, f"--net={NETNS / self.namespace(host)}", *argv]

    def run(self, host: str, *argv: str) -> str:
        """Run a short command on a host; what it printed. It must succeed."""
        return _run(self.argv(host, argv))

    def ip(self, host: str, *argv: str) -> str:
        """Run ``ip`` on a host: ``lab.ip("node1", "addr", "add", …)``."""
        return _run([_IP, "-n", self.namespace(host), *argv])

    def cut(self, host: str) -> None:
        """Take a host's port off the bridge: packets vanish, and nobody is told.

        The host's interface stays up. Connections that stand are not reset.
        """
        self.ip(_SWITCH, "link", "set", host, "nomaster")

    def heal(self, host: str) -> None:
        """Put a host's port on the bridge again."""
        self.ip(_SWITCH, "link", "set", host, "master", _BRIDGE)

    def unplug(self, host: str) -> None:
        """As if the cable were pulled: the host's interface has no carrier."""
        self.ip(_SWITCH, "link", "set", host, "down")

    def plug(self, host: str) -> None:
        """Put the cable in again."""
        self.ip(_SWITCH, "link", "set", host, "up")

    def _number(self, host: str) -> int:
        return self.hosts.index(host) + 1

    def _make(self) -> None:
        names = (_SWITCH, *self.hosts)
        _run([_IP, "-batch", "-"], [f"netns add {self.namespace(n)}" for n in names])
        links = [f"link add {_BRIDGE} type bridge", f"link set {_BRIDGE} up"]
        for host in self.hosts:
            # The far end is made where it belongs: not for a moment is there an
            # interface in the machine's own namespace, where its name may be taken.
            peer = f"peer name {_INTERFACE} netns {self.namespace(host)}"
            links += [
                f"link add {host} type veth {peer}",
                f"link set {host} master {_BRIDGE} up",
            ]
        self._batch(_SWITCH, links)
        for host in self.hosts:
            self._batch(
                host,
                [
                    "link set lo up",
                    # Not looked for duplicates, an address is usable at once.
                    f"addr add {self.ipv6(host)}/64 dev {_INTERFACE} nodad",
                    f"addr add {self.ipv4(host)}/24 dev {_INTERFACE}",
                    f"link set {_INTERFACE} up",
                ],
            )

    def _batch(self, host: str, lines: Sequence[str]) -> None:
        _run([_IP, "-n", self.namespace(host), "-batch", "-"], lines)


def _run(argv: Sequence[str], lines: Sequence[str] = ()) -> str:
    done = subprocess.run(  # noqa: S603
        argv,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise OSError(f"{' '.join(argv)} failed with {done.returncode}: {said}")
    return done.stdout


def _remove(namespace: str) -> None:
    for pid in _run([_IP, "netns", "pids", namespace]).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue
    _run([_IP, "netns", "delete", namespace])


def _clear_stale() -> None:
    """Remove the namespaces of processes that are no more."""
    for path in sorted(NETNS.glob(f"{PREFIX}*")):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            # Another process may be about it at the same time.
            with contextlib.suppress(OSError):
                _remove(path.name)
