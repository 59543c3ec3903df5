"""What a node does as a master candidate."""

from __future__ import annotations

from typing import TypeVar

from ganetix.errors import (
    BadParameter,
    GanetixError,
    NotAllowed,
    StaleEpoch,
    StateFault,
    WrongState,
)
from ganetix.flow.offload import inline_offload
from ganetix.node.obeyed import known_claim
from ganetix.node.replica import secrets_digest
from ganetix.objects.replica import Claim, Epoch, Group, Members, Position
from ganetix.objects.replica_calls import (
    MasterBelief,
    ReplicaAppend,
    ReplicaClaim,
    ReplicaPart,
    ReplicaPromise,
    ReplicaRead,
    ReplicaTaken,
    SecretsWrite,
)
from ganetix.rpc.methods import (
    MASTER_BELIEF,
    NODE_LEAVE,
    REPLICA_APPEND,
    REPLICA_FORGET,
    REPLICA_PART,
    REPLICA_PROMISE,
    REPLICA_READ,
    REPLICA_RELEASE,
    REPLICA_STATUS,
    SECRETS_WRITE,
    Method,
    Nothing,
)
from ganetix.state.replicate_rows import (
    RECENT,
    decode_rows,
    encode_rows,
    epochs_row,
    group_of,
    members_row,
)
from ganetix.state.rows import Batch, Row
from ganetix.state.sqlite import SqliteEngine
from ganetix.state.sqlite_replica import peek
from ganetix.test.node.support import MASTER, NodeCase

Q = TypeVar("Q")
R = TypeVar("R")

CLAIM = Claim(number=1, master=MASTER.uuid, since=5.0)
FIRST = Epoch(number=1, master=MASTER.uuid, since=5.0)


def row(key: str, data: bytes | None = b"{}") -> Row:
    """A row."""
    return Row("k", key, data)


class ReplicaCase(NodeCase):
    """A node that is told to follow."""

    def snapshot(self, revision: int = 10, *rows: Row) -> None:
        """Give it a snapshot of the first epoch."""
        self.part(0, (epochs_row([FIRST]), members_row(Members())))
        self.part(1, rows, Position(epoch=1, revision=revision))

    def part(
        self,
        number: int,
        rows: tuple[Row, ...] = (),
        adopt: Position | None = None,
        claim: Claim = CLAIM,
    ) -> None:
        """Give it a part of a snapshot."""
        part = ReplicaPart(
            claim=claim, part=number, rows=encode_rows(rows), adopt=adopt
        )
        self.ask(REPLICA_PART, part)

    def append(
        self, after: int, *groups: Group, claim: Claim = CLAIM, epoch: int = 1
    ) -> ReplicaTaken:
        """Give it batches that follow a revision."""
        position = Position(epoch=epoch, revision=after)
        request = ReplicaAppend(claim=claim, after=position, groups=groups)
        return self.ask(REPLICA_APPEND, request)

    def keys(self) -> list[str]:
        """The keys of kind ``k`` on the disk."""
        peeked = peek(self.paths.state_db, ["k"])
        return [] if peeked is None else [row.key for row in peeked.rows]

    def refused(self, method: Method[Q, R], request: Q) -> GanetixError:
        """What a call fails with."""
        attempt = self.attempt(method, request)
        error = self.failureResultOf(attempt.result, GanetixError).value
        assert isinstance(error, GanetixError)
        return error


class FollowTests(ReplicaCase):
    """Snapshots and batches."""

    def test_nothing(self) -> None:
        """A node that never followed has nothing, and nothing is made by asking."""
        status = self.ask(REPLICA_STATUS, Nothing())
        self.assertEqual((status.position, status.promise), (Position(), Claim()))
        self.assertFalse(self.paths.state_db.exists())

    def test_snapshot(self) -> None:
        """A snapshot is there as a whole, and only when its last part has come."""
        self.part(0, (epochs_row([FIRST]), row("a")))
        self.assertEqual(self.keys(), [])
        self.part(1, (row("b"),), Position(epoch=1, revision=10))
        self.assertEqual(self.keys(), ["a", "b"])
        status = self.ask(REPLICA_STATUS, Nothing())
        self.assertEqual(status.position, Position(epoch=1, revision=10))
        self.assertEqual(status.promise, CLAIM)
        self.assertEqual(self.paths.state_db.stat().st_mode & 0o777, 0o600)

    def test_part_missing(self) -> None:
        """A part that is not the next is refused, and what was there stays."""
        self.snapshot(10, row("a"))
        self.part(0, (epochs_row([FIRST]),))
        lost = ReplicaPart(claim=CLAIM, part=2, rows=encode_rows(()))
        self.assertIsInstance(self.refused(REPLICA_PART, lost), WrongState)
        self.assertEqual(self.keys(), ["a"])

    def test_append(self) -> None:
        """Batches that follow are written, with the log of late."""
        self.snapshot()
        batches = [Batch(rows=(row("a"),)), Batch(rows=(row("b"), row("a", None)))]
        taken = self.append(10, group_of(1, 12, batches))
        self.assertEqual(taken.position, Position(epoch=1, revision=12))
        self.assertTrue(taken.matched)
        self.assertEqual(self.keys(), ["b"])
        peeked = peek(self.paths.state_db, [RECENT])
        assert peeked is not None
        self.assertEqual((peeked.revision, len(peeked.rows)), (12, 1))

    def test_elsewhere(self) -> None:
        """Batches that do not follow are not written; the answer says where it is."""
        self.snapshot()
        group = group_of(1, 12, [Batch(rows=(row("a"),))])
        taken = self.append(11, group)
        self.assertEqual(
            taken,
            ReplicaTaken(position=Position(epoch=1, revision=10), matched=False),
        )
        self.assertEqual(self.keys(), [])

    def test_gap(self) -> None:
        """Groups with a gap between them are refused as a whole."""
        self.snapshot()
        groups = [group_of(1, last, [Batch(rows=(row("a"),))]) for last in (11, 13)]
        after = Position(epoch=1, revision=10)
        request = ReplicaAppend(claim=CLAIM, after=after, groups=tuple(groups))
        self.assertIsInstance(self.refused(REPLICA_APPEND, request), StateFault)
        self.assertEqual(self.keys(), [])
        self.assertTrue(self.append(10).matched)

    def test_damaged(self) -> None:
        """Batches that cannot be read are refused, and nothing is written."""
        self.snapshot()
        group = Group(epoch=1, last=11, count=1, data=b"\xc1")
        after = Position(epoch=1, revision=10)
        request = ReplicaAppend(claim=CLAIM, after=after, groups=(group,))
        self.assertIsInstance(self.refused(REPLICA_APPEND, request), StateFault)
        self.assertTrue(self.append(10).matched)

    def test_restart(self) -> None:
        """After a restart of the daemon it goes on where it was."""
        self.snapshot(10, row("a"))
        self.successResultOf(self.node.finish())
        self.assertTrue(self.append(10).matched)

    def test_read(self) -> None:
        """All rows but the store's own can be read, page by page."""
        self.snapshot(10, row("a"))
        self.append(10, group_of(1, 11, [Batch(rows=(row("b"),))]))
        found: list[Row] = []
        kind = key = ""
        while True:
            request = ReplicaRead(claim=CLAIM, kind=kind, key=key)
            page = self.ask(REPLICA_READ, request)
            found += decode_rows(page.rows)
            if not page.kind:
                break
            kind, key = page.kind, page.key
        self.assertEqual({each.kind for each in found}, {"k", "meta"})
        self.assertEqual([each.key for each in found if each.kind == "k"], ["a", "b"])


class ObeyTests(ReplicaCase):
    """Who is obeyed."""

    def test_promise(self) -> None:
        """After a promise an older master is refused, with who is obeyed instead."""
        self.snapshot()
        newer = Claim(number=2, master=MASTER.uuid, since=9.0)
        status = self.ask(REPLICA_PROMISE, ReplicaPromise(claim=newer))
        self.assertEqual(status.promise, newer)
        after = Position(epoch=1, revision=10)
        request = ReplicaAppend(claim=CLAIM, after=after)
        error = self.refused(REPLICA_APPEND, request)
        self.assertIsInstance(error, StaleEpoch)
        self.assertEqual(error.detail["epoch"], "2")
        self.successResultOf(self.node.finish())
        self.assertIsInstance(self.refused(REPLICA_APPEND, request), StaleEpoch)

    def test_promise_counts_everywhere(self) -> None:
        """What is promised counts for all calls, and after a restart."""
        self.snapshot()
        self.assertEqual(known_claim(self.paths), CLAIM)
        newer = Claim(number=2, master=MASTER.uuid, since=9.0)
        self.ask(REPLICA_PROMISE, ReplicaPromise(claim=newer))
        self.assertEqual(self.heard[-1], newer)
        self.assertEqual(known_claim(self.paths), newer)
        self.paths.ssconf("master_epoch").write_text("3\n")
        self.paths.ssconf("master_node_uuid").write_text("u1\n")
        self.assertEqual(known_claim(self.paths), Claim(number=3, master="u1"))

    def test_damaged_store(self) -> None:
        """A node whose replica cannot be read obeys by ssconf."""
        self.paths.state_db.write_bytes(b"x" * 5000)
        self.paths.ssconf("master_epoch").write_text("3\n")
        self.paths.ssconf("master_node_uuid").write_text("u1\n")
        self.assertEqual(known_claim(self.paths), Claim(number=3, master="u1"))

    def test_for_oneself(self) -> None:
        """Nobody speaks for another node."""
        foreign = Claim(number=9, master="somebody")
        error = self.refused(REPLICA_PROMISE, ReplicaPromise(claim=foreign))
        self.assertIsInstance(error, NotAllowed)

    def test_master_runs_here(self) -> None:
        """While a master has the store open, it is left alone, and said so."""
        engine = SqliteEngine(self.paths.state_db, inline_offload)
        self.successResultOf(engine.open())
        self.successResultOf(engine.commit([Batch(rows=(row("a"),))]))
        self.assertTrue(self.ask(REPLICA_STATUS, Nothing()).is_serving)
        error = self.refused(REPLICA_PROMISE, ReplicaPromise(claim=CLAIM))
        self.assertIn("master daemon of this node", error.message)
        self.successResultOf(engine.close())
        self.assertFalse(self.ask(REPLICA_STATUS, Nothing()).is_serving)

    def test_release(self) -> None:
        """Only a program of this node has the store released to it."""
        self.snapshot()
        error = self.refused(REPLICA_RELEASE, ReplicaClaim(claim=CLAIM))
        self.assertIsInstance(error, NotAllowed)


class SecretTests(ReplicaCase):
    """What a master needs to be one."""

    def test_written(self) -> None:
        """The CA's key is kept for root alone; a digest tells that it is there."""
        files = {"ca_key": b"secret"}
        request = SecretsWrite(claim=CLAIM, files=files)
        self.ask(SECRETS_WRITE, request)
        self.assertEqual(self.paths.ca_key.read_bytes(), b"secret")
        self.assertEqual(self.paths.ca_key.stat().st_mode & 0o777, 0o600)
        status = self.ask(REPLICA_STATUS, Nothing())
        self.assertEqual(status.secrets, secrets_digest(files))
        self.assertNotIn("secret'", repr(request))

    def test_no_other_files(self) -> None:
        """No other file can be written so."""
        request = SecretsWrite(claim=CLAIM, files={"../../etc/passwd": b""})
        error = self.refused(SECRETS_WRITE, request)
        self.assertIsInstance(error, BadParameter)

    def test_stale(self) -> None:
        """An old master cannot change them."""
        newer = Claim(number=2, master=MASTER.uuid)
        self.ask(REPLICA_PROMISE, ReplicaPromise(claim=newer))
        request = SecretsWrite(claim=CLAIM, files={"ca_key": b"old"})
        self.assertIsInstance(self.refused(SECRETS_WRITE, request), StaleEpoch)
        self.assertFalse(self.paths.ca_key.exists())

    def test_forget(self) -> None:
        """Who is no candidate any more keeps nothing."""
        self.snapshot()
        self.ask(SECRETS_WRITE, SecretsWrite(claim=CLAIM, files={"ca_key": b"s"}))
        self.ask(REPLICA_FORGET, ReplicaClaim(claim=CLAIM))
        self.assertFalse(self.paths.ca_key.exists())
        self.assertEqual(list(self.paths.lib.glob("state.db*")), [])

    def test_leave(self) -> None:
        """Who leaves the cluster keeps nothing."""
        self.snapshot()
        self.ask(SECRETS_WRITE, SecretsWrite(claim=CLAIM, files={"ca_key": b"s"}))
        self.ask(NODE_LEAVE, Nothing())
        self.assertFalse(self.paths.ca_key.exists())
        self.assertEqual(list(self.paths.lib.glob("state.db*")), [])


class BeliefTests(ReplicaCase):
    """Whom a node takes for the master."""

    def test_unknown(self) -> None:
        """Without ssconf it knows none."""
        self.assertEqual(self.ask(MASTER_BELIEF, Nothing()), MasterBelief())

    def test_ssconf(self) -> None:
        """It is who stands in ssconf."""
        for name, text in (
            ("master_node_uuid", "u1"),
            ("master_node", "node1"),
            ("master_epoch", "3"),
        ):
            self.paths.ssconf(name).write_text(f"{text}\n")
        expected = MasterBelief(master="u1", name="node1", epoch=3)
        self.assertEqual(self.ask(MASTER_BELIEF, Nothing()), expected)
