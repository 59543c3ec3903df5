"""Masters and their candidates without processes: the real replication.

Nodes keep their state in memory, as a disk would through a crash. Each has the node's
side of replication, and one may have a master's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from ganetix.bootstrap.failover import Failover, Outcome
from ganetix.config.replicate import RpcLinks, Secrets, candidates_of
from ganetix.config.rows import initial_rows, row_of, snapshot_of
from ganetix.config.snapshot import Snapshot
from ganetix.errors import StateFault
from ganetix.objects.replica import Claim
from ganetix.objects.replica_calls import MasterBelief
from ganetix.plan.failover import Words
from ganetix.state.replicate import Replicator
from ganetix.state.rows import Row, RowKey
from ganetix.state.store import StateStore
from ganetix.testing.candidate import SimCandidate
from ganetix.testing.config import make_node, make_snapshot
from ganetix.testing.network import SimNetwork, SimRpc
from ganetix.testing.state import REVISION, MemoryEngine

_NO_SECRETS = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class SimMasterStore:
    """A master's store and replication; ``failures`` say why keys were not written."""

    def __init__(self, sim: SimReplicas, candidate: SimCandidate) -> None:
        self.sim = sim
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
            lambda _: self.sim.acknowledge(self, epoch, key),
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
        self.sim.clock.callLater(0, self._end)

    def _end(self) -> None:
        if self.candidate.master is self:
            self.candidate.master = None
            self.die()


class _Mortal(MemoryEngine):
    """An engine of a process that may be dead: then it writes no more."""

    is_dead = False

    def commit(self, batches: Any) -> Deferred[int]:
        """Write, unless dead."""
        return Deferred() if self.is_dead else super().commit(batches)

    def note(self, rows: Sequence[Row]) -> Deferred[None]:
        """Write, unless dead."""
        return Deferred() if self.is_dead else super().note(rows)


class SimReplicas(SimNetwork):
    """Nodes ``node1`` …, all candidates; the first begins as master.

    ``acknowledged`` are pairs of epoch and key, in the order in which they were told;
    ``lines`` what fail-overs have said.
    """

    def __init__(self, directory: Path, nodes: int) -> None:
        super().__init__()
        self.acknowledged: list[tuple[int, str]] = []
        self.lines: list[str] = []
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
            candidate = SimCandidate(node, root)
            self.candidates[node.name] = self.hosts[node.name] = candidate
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
        candidate.master = SimMasterStore(self, candidate)
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

    def acknowledge(self, master: SimMasterStore, epoch: int, key: str) -> None:
        """A master told the writer of a key."""
        if master.is_dead:
            return
        self.acknowledged.append((epoch, key))


def candidate_snapshot(candidate: SimCandidate) -> Snapshot:
    """The configuration on a candidate's disk."""
    peeked = candidate.peek()
    snapshot = snapshot_of(peeked.rows, peeked.revision) if peeked else None
    if snapshot is None:
        raise StateFault("there is no cluster here")
    return snapshot
