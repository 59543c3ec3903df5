"""Tests of the master's role: taking it up, sharing it, and losing it."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.rows import initial_rows, row_of
from ganetix.errors import Unavailable, WrongState
from ganetix.objects.replica import Claim
from ganetix.objects.replica_calls import ReplicaStatus
from ganetix.paths import Paths
from ganetix.rpc.methods import (
    MASTER_IP_DOWN,
    NODE_LEAVE,
    REPLICA_STATUS,
    SECRETS_WRITE,
    Nothing,
)
from ganetix.state.rows import RowKey
from ganetix.tap.common import NOT_MASTER_STATUS
from ganetix.tap.mastership import Mastership
from ganetix.testing.config import make_node, make_snapshot
from ganetix.testing.rpc import FakeNodeRpc
from ganetix.testing.state import REVISION, MemoryEngine


class MastershipTests(SynchronousTestCase):
    """A master with an address, on node1; node2 is a candidate."""

    def setUp(self) -> None:
        """The role, not taken up yet."""
        self.own = replace(make_node("node1"), master_candidate=True)
        self.other = replace(make_node("node2", last=12), master_candidate=True)
        snapshot = make_snapshot(self.own, self.other)
        cluster = replace(snapshot.cluster, master_ip="192.0.2.9", master_netdev="lo")
        (group,) = snapshot.groups.values()
        rows = (*initial_rows(cluster, group, self.own), row_of(self.other))
        medium = {RowKey(row.kind, row.key): row.data or b"" for row in rows}
        medium[REVISION] = b"1"
        self.promise = Claim()
        status = REPLICA_STATUS.name
        self.rpc = FakeNodeRpc(
            {
                self.own.uuid: {
                    MASTER_IP_DOWN.name: lambda *_: succeed(Nothing()),
                },
                self.other.uuid: {
                    status: lambda *_: succeed(ReplicaStatus(promise=self.promise)),
                    SECRETS_WRITE.name: lambda *_: succeed(Nothing()),
                },
            }
        )
        self.reactor = MemoryReactorClock()
        self.role = Mastership(
            self.reactor,
            Paths(Path(self.mktemp())),
            self.own.uuid,
            self.rpc,
            MemoryEngine(medium),
        )

    def take_up(self) -> Deferred[None]:
        """Take the role up, whatever the candidate says."""
        taken = Deferred.fromCoroutine(self.role.take_up())
        self.reactor.pump([0.1] * 50)
        return taken

    def lose(self) -> None:
        """Hear that the other node has begun an epoch."""
        claim = Claim(number=7, master=self.other.uuid, since=5.0)
        self.role.replicator.deposed(claim, "")
        self.reactor.pump([0.1] * 10)

    def exit_statuses(self) -> list[object]:
        """With what the process is to end."""
        ends = self.reactor.triggers.get("after", {}).get("shutdown", [])
        return [args[0] for _, args, _ in ends]

    def test_take_up(self) -> None:
        """The configuration is there then."""
        self.successResultOf(self.take_up())
        name = self.role.config.snapshot().cluster.name
        self.assertEqual(name, "test.example")
        self.assertFalse(self.role.is_lost)

    def test_obeys_another(self) -> None:
        """A candidate that obeys another master ends it before it has begun."""
        self.promise = Claim(number=9, master=self.other.uuid, since=5.0)
        with capturedLogs():
            failure = self.failureResultOf(self.take_up(), WrongState)
        self.assertIn("no longer master: node2 is", failure.getErrorMessage())
        self.assertTrue(self.role.is_lost)

    def test_lost(self) -> None:
        """Nobody is called any more, the address goes, and the status tells why."""
        self.successResultOf(self.take_up())
        with capturedLogs():
            self.lose()
        self.assertEqual(len(self.rpc.called(MASTER_IP_DOWN)), 1)
        calling = self.role.rpc.call(self.own, NODE_LEAVE, Nothing())
        failure = self.failureResultOf(calling, Unavailable)
        self.assertIn("node2 is since 1970-01-01", failure.getErrorMessage())
        self.assertEqual(self.exit_statuses(), [NOT_MASTER_STATUS])

    def test_stand_down(self) -> None:
        """A successor that asks for it makes it end in order, with its address."""
        self.successResultOf(self.take_up())
        for _ in range(2):
            self.role.stand_down("node2")
        self.reactor.advance(1.0)
        self.assertTrue(self.reactor.hasStopped)
        self.successResultOf(Deferred.fromCoroutine(self.role.lay_down()))
        self.assertEqual(len(self.rpc.called(MASTER_IP_DOWN)), 1)
        self.assertEqual(self.exit_statuses(), [])

    def test_stop_keeps_the_address(self) -> None:
        """A master that just stops leaves its address for its next start."""
        self.successResultOf(self.take_up())
        self.successResultOf(Deferred.fromCoroutine(self.role.lay_down()))
        self.assertEqual(self.rpc.called(MASTER_IP_DOWN), [])

    def test_share(self) -> None:
        """Candidates that did not get the secrets are named."""
        self.successResultOf(self.take_up())
        self.assertEqual(self.successResultOf(self.role.share()), ())
        self.rpc.set_down(self.other.uuid)
        self.assertEqual(self.successResultOf(self.role.share()), ("node2",))
