"""Candidates without processes: the real replication, on a network that can fail.

Nodes keep their state in memory, as a disk would through a crash. Each has the node's
side of replication, and one may have a master's. Calls take time on a ``Clock``; they
can be cut off between any two nodes, both ways, and then hang as packets do that are
dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from ganetix.bootstrap.failover import Failover, Outcome
from ganetix.config.replicate import RpcLinks, Secrets, candidates_of
from ganetix.config.rows import KINDS, initial_rows, row_of, snapshot_of
from ganetix.config.snapshot import Snapshot
from ganetix.errors import GanetixError, NodeUnreachable, StateFault
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import INodeRpc, IReplicaEngine, Say
from ganetix.node.replica import ReplicaCalls
from ganetix.node.replica_store import ReplicaStore
from ganetix.objects import Node
from ganetix.objects.node_calls import SsconfWritten
from ganetix.objects.replica import Claim
from ganetix.objects.replica_calls import MasterBelief
from ganetix.paths import Paths
from ganetix.plan.failover import Words
from ganetix.rpc import wire
from ganetix.rpc.identity import PeerIdentity
from ganetix.rpc.methods import (
    MASTER_BELIEF,
    MASTER_STAND_DOWN,
    METHODS,
    SSCONF_WRITE,
    Method,
    Nothing,
)
from ganetix.rpc.requests import RunningRequest
from ganetix.rpc.server import Call, Handler, final_line
from ganetix.state.replicate import Replicator
from ganetix.state.replicate_rows import LOCAL
from ganetix.state.rows import Batch, Row, RowKey
from ganetix.state.sqlite_replica import Peeked
from ganetix.state.store import StateStore
from ganetix.testing.config import make_node, make_snapshot
from ganetix.testing.state import REVISION, MemoryEngine

Q = TypeVar("Q")
R = TypeVar("R")

LATENCY_SECONDS = 0.005


class SimCandidate:
    """A node that may hold state, and what runs on it; its disk may be full."""

    is_full = False

    def __init__(self, sim: SimReplicas, node: Node, root: Path) -> None:
        self.sim = sim
        self.node = node
        self.root = root
        self.medium: dict[RowKey, bytes] = {}
        self.belief = MasterBelief()
        self.handlers: dict[str, Handler] = {}
        self.replica: ReplicaStore | None = None
        self.master: SimMasterStore | None = None
        self.start()

    def start(self) -> None:
        """Start the node daemon."""
        self.replica = ReplicaStore(self.node.uuid, _MemoryMedium(self))
        root = Paths(self.root)
        calls = ReplicaCalls(root, self.node.uuid, self.replica, inline_offload)
        self.handlers = dict(calls.handlers())
        self.handlers[MASTER_BELIEF.name] = lambda _, call: succeed(self.belief)
        self.handlers[SSCONF_WRITE.name] = self._take_ssconf
        self.handlers[MASTER_STAND_DOWN.name] = self._stand_down

    def kill(self) -> None:
        """End the node daemon, and the master if there is one, without a word."""
        self.replica = None
        self.handlers = {}
        self.kill_master()

    def kill_master(self) -> None:
        """End the master without a word."""
        master, self.master = self.master, None
        if master is not None:
            master.die()

    def rows(self, kind: str) -> dict[str, bytes]:
        """The rows of a kind on this node's disk."""
        return {key.key: data for key, data in self.medium.items() if key.kind == kind}

    def peek(self, kinds: Sequence[str] = KINDS) -> Peeked | None:
        """What is on the disk."""
        if not self.medium:
            return None
        rows = [
            Row(*key, data)
            for key, data in sorted(self.medium.items())
            if key.kind in kinds
        ]
        return Peeked(int(self.medium.get(REVISION, b"0")), rows)

    def _stand_down(self, request: Any, call: Call) -> Deferred[Nothing]:
        master = self.master
        if master is None:
            return succeed(Nothing())
        return Deferred.fromCoroutine(master.end()).addCallback(lambda _: Nothing())

    def _take_ssconf(self, request: Any, call: Call) -> Deferred[SsconfWritten]:
        files = request.files
        if int(files["master_epoch"]) >= self.belief.epoch:
            self.belief = MasterBelief(
                master=files["master_node_uuid"].strip(),
                name=files["master_node"].strip(),
                epoch=int(files["master_epoch"]),
            )
        return succeed(SsconfWritten())


class _MemoryMedium:
    """The place of a replica in a candidate's memory."""

    def __init__(self, candidate: SimCandidate) -> None:
        self._candidate = candidate

    def engine(self) -> IReplicaEngine:
        """What opens it."""
        return _OnDisk(self._candidate)

    def peek(self) -> Deferred[Peeked | None]:
        """What it holds."""
        return succeed(self._candidate.peek(("meta", LOCAL)))

    def is_serving(self) -> Deferred[bool]:
        """Whether a master has it open."""
        return succeed(self._candidate.master is not None)

    def remove(self) -> Deferred[None]:
        """Remove it."""
        self._candidate.medium.clear()
        return succeed(None)


class _OnDisk(MemoryEngine):
    """An engine whose disk may be full."""

    def __init__(self, candidate: SimCandidate) -> None:
        super().__init__(candidate.medium)
        self._candidate = candidate

    def commit(self, batches: Sequence[Batch]) -> Deferred[int]:
        """Write, if there is room."""
        return self._full() or super().commit(batches)

    def note(self, rows: Sequence[Row]) -> Deferred[None]:
        """Write, if there is room."""
        return self._full() or super().note(rows)

    def stage(self, rows: Sequence[Row], anew: bool) -> Deferred[None]:
        """Write, if there is room."""
        return self._full() or super().stage(rows, anew)

    def _full(self) -> Deferred[Any] | None:
        if self._candidate.is_full:
            return fail(StateFault("the disk is full"))
        return None


class SimMasterStore:
    """A master's store and replication; ``acknowledged`` are the keys it has told."""

    def __init__(self, candidate: SimCandidate) -> None:
        sim = candidate.sim
        self.candidate = candidate
        self.why_deposed: str | None = None
        self.failures: list[str] = []
        self.is_dead = False
        snapshot = candidate_snapshot(candidate)
        self.links = RpcLinks(SimRpc(sim, candidate), lambda: Secrets({}, _NO_SECRETS))
        self.links.know(snapshot)
        self.replicator = Replicator(
            sim.clock,
            candidate.node.uuid,
            self.links,
            self.links.name_of,
            self._deposed,
        )
        engine = _Mortal(candidate.medium)
        self.engine = engine
        self.store = StateStore(engine, sim.clock, self.replicator)
        opened: list[object] = []
        _ = Deferred.fromCoroutine(self.store.open()).addBoth(opened.append)
        if opened != [None]:
            raise opened[0].value if opened else StateFault("did not open")  # type: ignore[attr-defined]
        self.replicator.start(candidates_of(snapshot).keys())

    def write(self, key: str) -> Deferred[None]:
        """Write a row of kind ``k``; it is noted when it is acknowledged."""
        epoch = self.replicator.claim.number
        written = self.store.write([Row("k", key, b"{}")])
        return written.addCallbacks(
            lambda _: self.candidate.sim.acknowledge(self, epoch, key),
            lambda failure: self.failures.append(failure.getErrorMessage()),
        )

    async def end(self) -> None:
        """End in order."""
        await self.store.close()
        self._end()

    def die(self) -> None:
        """End without a word."""
        self.is_dead = True
        self.engine.is_dead = True
        _ = Deferred.fromCoroutine(self.replicator.stop())

    def _deposed(self, claim: Claim, why: str) -> None:
        self.why_deposed = why or f"epoch {claim.number}"
        # As the daemon does: it ends, and lets go of the store.
        self.candidate.sim.clock.callLater(0, self._end)

    def _end(self) -> None:
        if self.candidate.master is self:
            self.candidate.master = None
            self.die()


_NO_SECRETS = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class _Mortal(MemoryEngine):
    """An engine of a process that may be dead: then it writes no more."""

    is_dead = False

    def commit(self, batches: Any) -> Deferred[int]:
        """Write, unless dead."""
        return Deferred() if self.is_dead else super().commit(batches)

    def note(self, rows: Sequence[Row]) -> Deferred[None]:
        """Write, unless dead."""
        return Deferred() if self.is_dead else super().note(rows)


@implementer(INodeRpc)
class SimRpc:
    """Calls from one node to others."""

    def __init__(self, sim: SimReplicas, caller: SimCandidate) -> None:
        self._sim = sim
        self._caller = caller

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Call a method of a node; takes time, and hangs if the nodes are cut off."""
        sim, caller = self._sim, self._caller
        target = sim.candidates[node.name]
        answer: Deferred[R] = Deferred(lambda _: None)
        body = wire.encode_request(request)
        sim.calls.append((method.name, node.name))

        def arrive() -> None:
            if sim.is_cut(caller, target):
                return
            if not target.handlers:
                fail(NodeUnreachable(f"node {node.name}: nothing listens there"))
                return
            _ = Deferred.fromCoroutine(work(target.handlers[method.name]))

        async def work(handler: Handler) -> None:
            identity = PeerIdentity(
                uuid=caller.node.uuid, role="node", fingerprint="00" * 32
            )
            running = RunningRequest(method.name, b"", 0.0)
            call = Call(identity, "id", method.name, running)
            value = wire.decode_request(METHODS[method.name], body)
            handlers = target.handlers
            line = await final_line(handler, value, call)
            sim.clock.callLater(LATENCY_SECONDS, back, line, handlers)

        def back(line: bytes, handlers: object) -> None:
            if answer.called or sim.is_cut(caller, target):
                return
            if target.handlers is not handlers:
                fail(NodeUnreachable(f"node {node.name}: the connection broke"))
                return
            parser = wire.AnswerParser(method.result)
            parser.feed(line)
            try:
                answer.callback(parser.finish())
            except GanetixError as error:
                fail(error)

        def fail(error: GanetixError) -> None:
            if not answer.called:
                answer.errback(error)

        sim.clock.callLater(LATENCY_SECONDS, arrive)
        return answer


class SimReplicas:
    """Nodes ``node1`` …, all candidates; the first begins as master.

    ``acknowledged`` are pairs of epoch and key, in the order in which they were told;
    ``lines`` what fail-overs have said, ``calls`` the methods called and of whom.
    """

    def __init__(self, directory: Path, nodes: int) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.0)
        self.cuts: set[frozenset[str]] = set()
        self.acknowledged: list[tuple[int, str]] = []
        self.lines: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.candidates: dict[str, SimCandidate] = {}
        made = [
            msgspec.structs.replace(
                make_node(f"node{n}", last=10 + n), master_candidate=True
            )
            for n in range(1, nodes + 1)
        ]
        for node in made:
            root = directory / node.name
            (root / "var/lib/ganetix").mkdir(parents=True)
            self.candidates[node.name] = SimCandidate(self, node, root)
        snapshot = make_snapshot(*made)
        first = snapshot.nodes[snapshot.cluster.master_node]
        (group,) = snapshot.groups.values()
        rows = (
            *initial_rows(snapshot.cluster, group, first),
            *(row_of(node) for node in made if node.uuid != first.uuid),
        )
        medium = self.candidates[first.name].medium
        medium.update({RowKey(row.kind, row.key): row.data or b"" for row in rows})
        medium[REVISION] = b"1"
        for candidate in self.candidates.values():
            candidate.belief = MasterBelief(master=first.uuid, name=first.name, epoch=1)
        self.start_master(first.name)

    def start_master(self, name: str) -> SimMasterStore:
        """Start a master; ``StateFault`` if the node is not to be it, or has one."""
        candidate = self.candidates[name]
        if candidate.master is not None:
            raise StateFault("a master runs there")
        if candidate.replica is not None and candidate.replica.is_open:
            raise StateFault("the store is in use by the node daemon")
        candidate.master = SimMasterStore(candidate)
        return candidate.master

    def failover(
        self, name: str, words: Words | None = None, rehearse: bool = False
    ) -> Deferred[Outcome]:
        """Begin a fail-over on a node."""
        candidate = self.candidates[name]
        attempt = Failover(
            self.clock,
            SimRpc(self, candidate),
            candidate.node.uuid,
            candidate.peek,
            self.lines.append,
        )
        return Deferred.fromCoroutine(attempt.run(words or Words(), rehearse))

    def cut(self, one: str, other: str) -> None:
        """Let nothing pass between two nodes."""
        self.cuts.add(frozenset((one, other)))

    def isolate(self, name: str) -> None:
        """Let nothing pass between a node and the others."""
        for other in self.candidates:
            if other != name:
                self.cut(name, other)

    def heal(self) -> None:
        """Let everything pass."""
        self.cuts.clear()

    def is_cut(self, one: SimCandidate, other: SimCandidate) -> bool:
        """Whether nothing passes between them."""
        return frozenset((one.node.name, other.node.name)) in self.cuts

    def advance(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass."""
        for _ in range(max(1, round(seconds / step))):
            self.clock.advance(step)

    def acknowledge(self, master: SimMasterStore, epoch: int, key: str) -> None:
        """A master told the writer of a key."""
        if master.is_dead:
            return
        self.acknowledged.append((epoch, key))

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let time pass until something is so; ``AssertionError`` if it never is."""
        end = self.clock.seconds() + seconds
        while not condition():
            if self.clock.seconds() > end:
                raise AssertionError("not in time")
            self.clock.advance(0.01)


def candidate_snapshot(candidate: SimCandidate) -> Snapshot:
    """The configuration on a candidate's disk."""
    peeked = candidate.peek()
    snapshot = snapshot_of(peeked.rows, peeked.revision) if peeked else None
    if snapshot is None:
        raise StateFault("there is no cluster here")
    return snapshot
