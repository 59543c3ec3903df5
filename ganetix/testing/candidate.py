"""A master candidate without processes: its disk, and its side of replication."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed

from ganetix.config.rows import KINDS
from ganetix.errors import StateFault
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import IReplicaEngine
from ganetix.node.replica import ReplicaCalls
from ganetix.node.replica_store import ReplicaStore
from ganetix.objects import Node
from ganetix.objects.node_calls import SsconfWritten
from ganetix.objects.replica_calls import MasterBelief
from ganetix.paths import Paths
from ganetix.rpc.methods import MASTER_BELIEF, MASTER_STAND_DOWN, SSCONF_WRITE, Nothing
from ganetix.rpc.server import Call
from ganetix.state.replicate_rows import LOCAL
from ganetix.state.rows import Batch, Row, RowKey
from ganetix.state.sqlite_replica import Peeked
from ganetix.testing.network import SimHost
from ganetix.testing.state import REVISION, MemoryEngine

if TYPE_CHECKING:
    from ganetix.testing.replicas import SimMasterStore


class SimCandidate(SimHost):
    """A node that may hold state, and what runs on it; its disk may be full."""

    is_full = False

    def __init__(self, node: Node, root: Path) -> None:
        super().__init__(node)
        self.root = root
        self.medium: dict[RowKey, bytes] = {}
        self.belief = MasterBelief()
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
