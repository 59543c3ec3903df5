"""A configuration in memory, for tests of joining."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, execute

from ganetix.bootstrap.init import InitRequest, first_snapshot
from ganetix.config.apply import applied
from ganetix.config.snapshot import Change, Snapshot
from ganetix.objects import JoinToken, Node
from ganetix.opcodes import OpClusterModify
from ganetix.state.rows import Row
from ganetix.testing.pki import node_identity, node_uuid

GROUP = node_uuid(900)


class MemoryConfig:
    """Commits at once, by the rules of the real one."""

    def __init__(self, snapshot: Snapshot, now: float = 0.0) -> None:
        self._snapshot = snapshot
        self._now = now

    def snapshot(self) -> Snapshot:
        """The configuration."""
        return self._snapshot

    def commit(self, change: Change, extra: Sequence[Row] = ()) -> Deferred[Snapshot]:
        """Apply a change."""
        return execute(self._commit, change)

    def _commit(self, change: Change) -> Snapshot:
        after, _ = applied(self._snapshot, change(self._snapshot), self._now)
        self._snapshot = after.changed(revision=self._snapshot.revision + 1)
        return self._snapshot


def first_config(
    master_ip: str = "127.0.0.1", port: int = 1811, now: float = 0.0
) -> MemoryConfig:
    """A cluster whose master is test node 1, with a reservation for test node 7."""
    request = InitRequest(
        name="cluster.example",
        node_name="node1.example",
        primary_ip=master_ip,
        port=port,
        parameters=OpClusterModify(enabled_hypervisors=("fake",)),
    )
    uuids = (node_uuid(901), GROUP, node_uuid(1))
    snapshot = first_snapshot(request, uuids, node_identity(1).fingerprint, now, 1)
    reserved = JoinToken(node=new_node(7))
    return MemoryConfig(snapshot.changed(tokens={reserved.node.uuid: reserved}), now)


def new_node(number: int) -> Node:
    """A node that is to join, at 127.0.0.<number>."""
    return Node(
        uuid=node_uuid(number),
        name=f"node{number}.example",
        group=GROUP,
        primary_ip=f"127.0.0.{number}",
        secondary_ip=f"127.0.0.{number}",
    )
