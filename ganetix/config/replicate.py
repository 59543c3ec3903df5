"""Replication over node RPC, to the candidates that the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NodeUnreachable, Unavailable
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Cluster, Node
from ganetix.objects.replica import Claim
from ganetix.objects.replica_calls import (
    ReplicaAppend,
    ReplicaClaim,
    ReplicaPart,
    ReplicaStatus,
    ReplicaTaken,
    SecretsWrite,
)
from ganetix.rpc.methods import (
    REPLICA_APPEND,
    REPLICA_FORGET,
    REPLICA_PART,
    REPLICA_STATUS,
    SECRETS_WRITE,
    Method,
    Nothing,
)
from ganetix.state.replicate_rows import LOCAL, epochs_in, promise_in
from ganetix.state.sqlite_replica import peek

Q = TypeVar("Q")
R = TypeVar("R")


def why_not_master(path: Path, own: str) -> str | None:
    """Why a master must not be started on this state store; None if it may.

    Blocking; before the store is opened. Fails with ``StateFault``.

    :param own: this node's UUID
    """
    seen = peek(path, ("cluster", "node", "meta", LOCAL))
    if seen is None:
        return None
    epochs = epochs_in(seen.rows) or ()
    promise = promise_in(seen.rows) or Claim()
    masters = [each.master for each in epochs[-1:]]
    if not masters:
        masters = [
            msgspec.json.decode(row.data or b"", type=Cluster).master_node
            for row in seen.rows
            if row.kind == "cluster"
        ]
    since = max((each.since for each in epochs[-1:]), default=0.0)
    master = masters[0] if masters else ""
    if epochs and promise.number > epochs[-1].number:
        master, since = promise.master, promise.since
    if master == own:
        return None
    if not master:
        return "this node holds no state of the cluster yet: it is a new candidate"
    names = {
        row.key: msgspec.json.decode(row.data or b"", type=Node).name
        for row in seen.rows
        if row.kind == "node"
    }
    was_master = own in (each.master for each in epochs)
    return not_master(names.get(master, master), since, was_master)


def not_master(name: str, since: float, was_master: bool = True) -> str:
    """The line that says who is master instead; ``since`` is 0 if it is not known."""
    what = "no longer master" if was_master else "not the master"
    when = f" since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"this node is {what}: {name} is{when if since else ''}; run"
        f" ganetix-master there, or 'gnt-cluster master-failover' here to take over"
    )


@implementer(INodeRpc)
class Fence:
    """Node RPC that ends with the master's role: then nobody is called any more."""

    def __init__(self, rpc: INodeRpc) -> None:
        self._rpc = rpc
        self._why: str | None = None

    def close(self, why: str) -> None:
        """Call nobody any more."""
        self._why = why

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Call one method on one node, while this node is the master."""
        if self._why is not None:
            return fail(Unavailable(self._why))
        return self._rpc.call(node, method, request, say)


class Secrets:
    """The files that candidates need to become master, as this master has them."""

    def __init__(self, files: Mapping[str, bytes], digest: str) -> None:
        self.files = dict(files)
        self.digest = digest


def candidates_of(snapshot: Snapshot) -> dict[str, Node]:
    """The nodes that are to hold the state beside the master, by UUID."""
    return {
        uuid: node
        for uuid, node in snapshot.nodes.items()
        if node.master_candidate
        and not node.offline
        and uuid != snapshot.cluster.master_node
    }


class RpcLinks:
    """Calls candidates for the replicator.

    A node that leaves the configuration is still known afterwards, so that it can be
    told to forget its replica.

    :param secrets: the master's secrets as of now; a candidate that follows has them
    """

    def __init__(self, rpc: INodeRpc, secrets: Callable[[], Secrets]) -> None:
        self._rpc = rpc
        self._secrets = secrets
        self._nodes: dict[str, Node] = {}
        self._members: frozenset[str] = frozenset()

    def know(self, snapshot: Snapshot) -> None:
        """Take over where nodes are."""
        self._nodes.update(snapshot.nodes)
        self._members = frozenset(snapshot.nodes)

    def is_member(self, uuid: str) -> bool:
        """Whether the node is in the configuration."""
        return uuid in self._members

    def name_of(self, uuid: str) -> str:
        """A node's name."""
        node = self._nodes.get(uuid)
        return node.name if node else uuid

    def status(self, uuid: str, claim: Claim) -> Deferred[ReplicaStatus]:
        """What the candidate holds; it has the master's secrets after that."""
        node = self._nodes.get(uuid)
        if node is None:
            return fail(NodeUnreachable(f"node {uuid} is no member", node=uuid))
        return Deferred.fromCoroutine(self._status(node, claim))

    def append(self, uuid: str, request: ReplicaAppend) -> Deferred[ReplicaTaken]:
        """Add batches."""
        return self._rpc.call(self._nodes[uuid], REPLICA_APPEND, request)

    def part(self, uuid: str, request: ReplicaPart) -> Deferred[Nothing]:
        """Send a part of a snapshot."""
        return self._rpc.call(self._nodes[uuid], REPLICA_PART, request)

    def forget(self, uuid: str, claim: Claim) -> Deferred[Nothing]:
        """Have the replica and the secrets removed."""
        node = self._nodes.get(uuid)
        if node is None:
            return fail(NodeUnreachable(f"node {uuid} is no member", node=uuid))
        return self._rpc.call(node, REPLICA_FORGET, ReplicaClaim(claim=claim))

    async def _status(self, node: Node, claim: Claim) -> ReplicaStatus:
        status = await self._rpc.call(node, REPLICA_STATUS, Nothing())
        secrets = self._secrets()
        if status.secrets != secrets.digest and claim.is_obeyed_after(status.promise):
            request = SecretsWrite(claim=claim, files=secrets.files)
            await self._rpc.call(node, SECRETS_WRITE, request)
        return status
