"""Replication over node RPC, to the candidates that the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred, fail

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NodeUnreachable
from ganetix.interfaces import INodeRpc
from ganetix.objects import Node
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
    Nothing,
)


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

    def know(self, snapshot: Snapshot) -> None:
        """Take over where nodes are."""
        self._nodes.update(snapshot.nodes)

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
