"""``twistd ganetix-simnodes``: many nodes in one process, to rehearse with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python import usage

from ganetix.bootstrap.token import decode
from ganetix.errors import GanetixError, Unavailable
from ganetix.flow.settle import settle
from ganetix.log import LoggedService
from ganetix.node.sim import SimResources
from ganetix.objects.base import Value
from ganetix.objects.node import DEFAULT_PORT
from ganetix.paths import Paths
from ganetix.process import ProcessRunner
from ganetix.tap.common import (
    Pool,
    calm_collector,
    raise_file_limit,
    refuse_to_start,
    start_failed,
)
from ganetix.tap.options import DaemonOptions
from ganetix.tap.simjoin import (
    AT_ONCE,
    SimPlace,
    bounded,
    join_all,
    join_with,
    joined_below,
)
from ganetix.tap.simnode import SimNode

FILE_THREADS = 4
MOST_NODES = 60_000
HOSTS_PER_NETWORK = 250
_NETWORK = re.compile(r"127\.(\d{1,3})", re.ASCII)
_PREFIX = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


class SimToken(Value, frozen=True, kw_only=True):
    """A join token, and the node that it is for."""

    place: SimPlace
    text: str


class Options(DaemonOptions):
    """Options of the simulated nodes."""

    longdesc = (
        "Serves many simulated nodes from one process: to rehearse, to measure and to"
        " learn. RPC, TLS and files are those of real nodes; hosts and guests are made"
        " up. Node K has an address of its own, 127.N.Y.Z, its files below --root/NAME,"
        " and the size that is given here. Those that are missing join the cluster of"
        " --master-root, whose master must run on this host, or by the tokens in"
        " --tokens; those that have joined before are just served. Example: twistd -n"
        " ganetix-simnodes --root=/srv/sim --master-root=/ --count=500 --groups=10"
    )
    optParameters = [
        ["count", "n", None, "How many nodes to have [default: those below --root]"],
        ["master-root", None, None, "Root of the master whose cluster they join"],
        ["tokens", None, None, "File of join tokens, one a line; - is stdin"],
        ["prefix", None, "sim", "Nodes are named PREFIX1, PREFIX2, …"],
        ["network", None, "127.77", "First two parts of their addresses"],
        ["port", None, str(DEFAULT_PORT), "TCP port that each of them listens on"],
        ["groups", "g", "0", "Put them in so many groups PREFIX-group1 … [0: default]"],
        ["memory", "m", "65536", "Memory of each, in MiB"],
        ["disk", "d", "1048576", "Disk space of each, in MiB"],
        ["cpus", "c", "16", "Processors of each"],
    ]

    places: tuple[SimPlace, ...]
    tokens: tuple[SimToken, ...]
    resources: SimResources
    master: Paths | None

    def postOptions(self) -> None:
        """Check what was given."""
        super().postOptions()
        count = 0 if self["count"] is None else self._number("count", 1, MOST_NODES)
        groups = self._number("groups", 0, MOST_NODES)
        if groups > count:
            raise usage.UsageError(f"--groups: {groups} is more than --count ({count})")
        self.resources = SimResources(
            memory_mib=self._number("memory", 1, 1 << 30),
            disk_mib=self._number("disk", 0, 1 << 40),
            cpus=self._number("cpus", 1, 4096),
        )
        network = _NETWORK.fullmatch(self["network"])
        if network is None or int(network[1]) > 255:
            raise usage.UsageError(
                f"--network: {self['network']!r} is not 127.N with N from 0 to 255"
            )
        if not _PREFIX.fullmatch(self["prefix"]):
            raise usage.UsageError(
                f"--prefix: {self['prefix']!r} is not made of lower-case letters,"
                " digits and hyphens, a letter first"
            )
        port = self._number("port", 1, 65535)
        given = self["master-root"]
        self.master = None if given is None else Paths.from_environment(given)
        self.places = tuple(
            self._place(number, count, groups, port) for number in range(1, count + 1)
        )
        self.tokens = tuple(self._tokens())

    def _place(self, number: int, count: int, groups: int, port: int) -> SimPlace:
        prefix = self["prefix"]
        network, host = divmod(number - 1, HOSTS_PER_NETWORK)
        group = (number - 1) * groups // count + 1
        return SimPlace(
            name=f"{prefix}{number}",
            address=f"{self['network']}.{network}.{host + 1}",
            port=port,
            group=f"{prefix}-group{group}" if groups else None,
        )

    def _number(self, name: str, least: int, most: int) -> int:
        text = self[name]
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise usage.UsageError(
                f"--{name}: {text!r} is not a number from {least} to {most}"
            )
        return int(text)

    def _tokens(self) -> list[SimToken]:
        given = self["tokens"]
        if given is None:
            return []
        try:
            text = Path("/dev/stdin" if given == "-" else given).read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise usage.UsageError(f"--tokens: {given}: {error}") from None
        found = []
        for number, word in enumerate(text.split(), 1):
            try:
                token = decode(word)
            except GanetixError as error:
                raise usage.UsageError(f"--tokens: token {number}: {error}") from None
            place = SimPlace(
                name=token.node_name, address=token.bind_ip, port=token.bind_port
            )
            found.append(SimToken(place=place, text=word))
        return found


class SimDaemon(LoggedService):
    """All simulated nodes of one root."""

    _log = Logger()

    def __init__(self, reactor: Any, options: Options) -> None:
        super().__init__(options.observer)
        self._reactor = reactor
        self._options = options
        self._root = options.paths.root
        self._pool = Pool(reactor, "files", FILE_THREADS)
        self._runner = ProcessRunner(reactor)
        self._nodes: list[SimNode] = []
        self._starting: Deferred[None] | None = None

    def startService(self) -> None:
        """Serve the nodes that are there; let the others join."""
        super().startService()
        raise_file_limit()
        self._pool.start()
        self._starting = Deferred.fromCoroutine(self._start())
        _ = self._starting.addErrback(
            lambda failure: start_failed(self._reactor, self._log, failure)
        )

    async def _start(self) -> None:
        options = self._options
        known = joined_below(self._root)
        for place in known:
            await self._serve(place)
        names = {place.name for place in known}
        missing = [place for place in options.places if place.name not in names]
        tokens = [token for token in options.tokens if token.place.name not in names]
        if missing and options.master is None:
            raise Unavailable(
                f"{len(missing)} of {len(options.places)} nodes have not joined yet:"
                " --master-root must say where they are to join"
            )
        if missing or tokens:
            self._log.info("{count} nodes join", count=len(missing) + len(tokens))
        if missing and options.master is not None:
            await join_all(
                self._reactor,
                self._root,
                options.master,
                missing,
                self._serve,
                self._pool.offload,
            )
        await self._enter(tokens)
        calm_collector()
        self._log.info("{count} simulated nodes serve", count=len(self._nodes))

    async def _enter(self, tokens: Sequence[SimToken]) -> None:
        async def enter(token: SimToken) -> None:
            await join_with(
                self._reactor, self._root, token.place, token.text, self._pool.offload
            )
            await self._serve(token.place)

        await bounded(AT_ONCE, enter, tokens)

    async def _serve(self, place: SimPlace) -> None:
        node = SimNode(
            self._reactor,
            place.paths(self._root),
            place.name,
            self._options.resources,
            self._pool.offload,
            self._runner,
        )
        await node.listen(place.address, place.port)
        self._nodes.append(node)

    def stopService(self) -> Deferred[None]:
        """Stop serving; the nodes' files stay."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        await settle(Deferred.fromCoroutine(node.stop()) for node in self._nodes)
        await self._runner.close()
        self._pool.stop()
        await super().stopService()


def makeService(options: Options) -> IService:
    """Called by twistd."""
    from twisted.internet import reactor

    try:
        service: IService = SimDaemon(reactor, options)
    except GanetixError as error:
        refuse_to_start(error)
    return service
