"""Commits to the configuration."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from ganetix.config.rows import VERSION_KEY
from ganetix.config.snapshot import Edits, Snapshot
from ganetix.config.store import ConfigStore, initial_rows
from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    Bug,
    ConfigConflict,
    GanetixError,
    NotFound,
    StateFault,
    WrongState,
)
from ganetix.objects import JoinToken
from ganetix.objects.intent import InstanceIntent
from ganetix.state.rows import Row, RowKey
from ganetix.state.store import StateStore
from ganetix.test.config.support import (
    START,
    ConfigTestCase,
    deletes,
    make_cluster,
    make_group,
    make_instance,
    make_node,
    puts,
)
from ganetix.testing.state import MemoryEngine, put


def _same(_: Snapshot) -> Edits:
    return Edits()


class CommitTests(ConfigTestCase):
    """What a commit does, and when."""

    def refused(
        self, commit: Deferred[Snapshot], kind: type[GanetixError]
    ) -> GanetixError:
        """The error with which a commit failed at once, with nothing to write."""
        error = self.failureResultOf(commit, kind).value
        self.assertEqual(len(self.held), 0)
        assert isinstance(error, GanetixError)
        return error

    def test_durable_first(self) -> None:
        """A snapshot shows a change only when it is durable."""
        commit = self.config.commit(puts(make_group(2)))
        self.assertNoResult(commit)
        self.assertNotIn("g2", self.config.snapshot().groups)
        self.held.release_all()
        snapshot = self.successResultOf(commit)
        self.assertIn("g2", snapshot.groups)
        self.assertIs(self.config.snapshot(), snapshot)
        self.assertEqual(snapshot.revision, 2)

    def test_survives(self) -> None:
        """A fresh master reads what was committed."""
        self.put(make_group(2), make_node(2, "g2"), make_instance(1, "n2"))
        self.assertEqual(self.loaded().snapshot(), self.config.snapshot())

    def test_changes_see_each_other(self) -> None:
        """A change sees what came before it though that is not durable yet."""
        first = self.config.commit(puts(make_group(2)))
        seen: list[bool] = []

        def change(snapshot: Snapshot) -> Edits:
            seen.append("g2" in snapshot.groups)
            return Edits(put=(make_node(2, "g2"),))

        second = self.config.commit(change)
        self.assertEqual(seen, [True])
        self.held.release_all()
        self.assertNotIn("n2", self.successResultOf(first).nodes)
        self.assertIn("n2", self.successResultOf(second).nodes)

    def test_serial_and_times(self) -> None:
        """A new object gets its times; a changed one a serial number and mtime."""
        self.put(make_group(2))
        new = self.config.snapshot().groups["g2"]
        self.assertEqual((new.serial_no, new.ctime, new.mtime), (1, START, START))
        self.clock.advance(5)
        self.put(replace(new, alloc_policy="unallocable"))
        old = self.config.snapshot().groups["g2"]
        self.assertEqual((old.serial_no, old.ctime, old.mtime), (2, START, START + 5))

    def test_conflict(self) -> None:
        """An object that changed since it was read is refused by name."""
        self.put(make_group(2))
        stale = self.config.snapshot().groups["g2"]
        self.put(stale)
        error = self.refused(self.config.commit(puts(stale)), ConfigConflict)
        self.assertIn("group group2 changed since it was read", str(error))
        self.assertIn("serial number 1, now 2", str(error))
        self.assertEqual(error.detail, {"group": "group2"})

    def test_conflict_with_removal(self) -> None:
        """An object that was removed since it was read does not come back."""
        self.put(make_group(2))
        stale = self.config.snapshot().groups["g2"]
        gone = self.config.commit(deletes(stale))
        error = self.failureResultOf(
            self.config.commit(puts(stale)), ConfigConflict
        ).value
        self.assertIn("group group2 was removed", str(error))
        self.held.release_all()
        self.successResultOf(gone)

    def test_unique_names(self) -> None:
        """Two objects of a kind cannot share a name; of different kinds they can."""
        twin = replace(make_group(2), name="group1")
        error = self.refused(self.config.commit(puts(twin)), AlreadyExists)
        self.assertEqual(str(error), "there is already a group named 'group1'")
        self.put(replace(make_node(2), name="group1"))

    def test_name_of_the_dead(self) -> None:
        """A name is free once its object is deleted, even in the same commit."""
        self.put(make_instance(1))
        old = self.config.snapshot().instances["i1"]
        new = replace(make_instance(2), name="inst1")
        commit = self.config.commit(lambda _: Edits(put=(new,), delete=(old,)))
        self.held.release_all()
        self.assertEqual(self.successResultOf(commit).instance("inst1").uuid, "i2")

    def test_bad_names(self) -> None:
        """A name that could break a line or is none at all is refused."""
        for name in ("", "a\nb", " a"):
            bad = replace(make_group(2), name=name)
            self.refused(self.config.commit(puts(bad)), BadParameter)

    def test_delete_missing(self) -> None:
        """What is not there cannot be deleted."""
        error = self.refused(self.config.commit(deletes(make_group(2))), NotFound)
        self.assertEqual(str(error), "there is no group 'group2' to delete")

    def test_delete_missing_token_and_intent(self) -> None:
        """A token or an intent is used up once: a second time fails."""
        used_token = self.config.commit(lambda _: Edits(delete_tokens=("n2",)))
        self.refused(used_token, NotFound)
        used_intent = self.config.commit(lambda _: Edits(delete_intents=("i1",)))
        self.refused(used_intent, NotFound)

    def test_references(self) -> None:
        """What an object refers to must exist."""
        for change, words in (
            (puts(make_node(2, "g9")), "node node2 refers to group g9"),
            (puts(make_instance(1, "n9")), "instance inst1 refers to node n9"),
            (
                puts(replace(make_cluster(), default_group="g9")),
                "cluster cluster refers to group g9",
            ),
        ):
            error = self.refused(self.config.commit(change), NotFound)
            self.assertIn(words, str(error))

    def test_still_in_use(self) -> None:
        """What others refer to cannot be deleted, and who they are is said."""
        self.put(make_group(2), make_node(2, "g2"), make_instance(1, "n2"))
        snapshot = self.config.snapshot()
        for gone, words in (
            (snapshot.groups["g2"], "group group2 still has nodes: node2"),
            (snapshot.nodes["n2"], "node node2 still has instances: inst1"),
            (snapshot.nodes["n1"], "node node1 is the master node"),
        ):
            error = self.refused(self.config.commit(deletes(gone)), WrongState)
            self.assertIn(words, str(error))

    def test_all_gone_together(self) -> None:
        """A group can go together with its nodes and their instances."""
        self.put(make_group(2), make_node(2, "g2"), make_instance(1, "n2"))
        gone = (make_group(2), make_node(2, "g2"), make_instance(1, "n2"))
        commit = self.config.commit(deletes(*gone))
        self.held.release_all()
        self.assertEqual(dict(self.successResultOf(commit).instances), {})
        self.assertEqual(self.loaded().snapshot(), self.config.snapshot())

    def test_tokens_and_intents(self) -> None:
        """Tokens and intents come and go in the same batches."""
        intent = InstanceIntent(instance=make_instance(1), job_id=1, step="disks")
        token = JoinToken(node=make_node(2), expires=5.0)
        come = self.config.commit(
            lambda _: Edits(put_intents=(intent,), put_tokens=(token,))
        )
        self.held.release_all()
        snapshot = self.successResultOf(come)
        self.assertEqual(snapshot.intents["i1"], intent)
        self.assertEqual(snapshot.tokens["n2"], token)
        self.assertEqual(self.loaded().snapshot(), snapshot)
        go = self.config.commit(
            lambda _: Edits(
                put=(intent.instance,), delete_intents=("i1",), delete_tokens=("n2",)
            )
        )
        self.held.release_all()
        snapshot = self.successResultOf(go)
        self.assertEqual((dict(snapshot.intents), dict(snapshot.tokens)), ({}, {}))
        self.assertEqual(self.loaded().snapshot(), snapshot)

    def test_broken_changes(self) -> None:
        """A change that contradicts itself, or is of no known kind, is our bug."""
        for change in (
            puts(make_group(2), make_group(2)),
            lambda _: Edits(put=(make_group(1),), delete=(make_group(1),)),
            puts(replace(make_cluster(), uuid="c2")),
            deletes(make_cluster()),
        ):
            self.refused(self.config.commit(change), Bug)

    def test_change_raises(self) -> None:
        """What a change raises is what its commit fails with."""

        def change(_: Snapshot) -> Edits:
            raise ZeroDivisionError

        self.failureResultOf(self.config.commit(change), ZeroDivisionError)

    def test_read_only(self) -> None:
        """Nobody can change a snapshot's mappings, loaded or committed."""
        self.put(make_group(2))
        for snapshot in (self.config.snapshot(), self.loaded().snapshot()):
            for name in ("groups", "nodes", "instances", "tokens", "intents"):
                with self.assertRaises(TypeError):
                    getattr(snapshot, name)["x"] = None


class BatchTests(ConfigTestCase):
    """What is written together, and what a failing write takes back."""

    def test_one_batch(self) -> None:
        """A change and the rows that go with it are one batch."""
        commit = self.config.commit(puts(make_group(2)), [put("job", "1")])
        self.held.release_all()
        self.assertEqual(self.successResultOf(commit).revision, 2)
        self.assertEqual(self.store.revision, 2)
        self.assertIn(RowKey("job", "1"), self.medium)

    def test_nothing(self) -> None:
        """An empty change writes nothing and fires with what is durable."""
        commit = self.config.commit(_same)
        self.assertIs(self.successResultOf(commit), self.config.snapshot())
        self.assertEqual(len(self.held), 0)

    def test_nothing_waits(self) -> None:
        """An empty change waits for those it was decided upon."""
        first = self.config.commit(puts(make_group(2)))
        commit = self.config.commit(_same)
        self.assertNoResult(commit)
        self.held.release_all()
        self.assertIs(self.successResultOf(commit), self.successResultOf(first))

    def test_extra_only(self) -> None:
        """Rows without a change are written and change no configuration."""
        before = self.config.snapshot()
        commit = self.config.commit(_same, [put("job", "1")])
        self.held.release_all()
        self.assertIs(self.successResultOf(commit), before)
        self.assertIn(RowKey("job", "1"), self.medium)

    def test_extra_of_config(self) -> None:
        """The configuration cannot be written past its checks."""
        for row in (put("node", "n9"), Row(*VERSION_KEY, b"9")):
            self.failureResultOf(self.config.commit(_same, [row]), Bug)

    def test_failing_write(self) -> None:
        """A failing write fails all that was built on it; then all is as before."""
        before = self.config.snapshot()
        self.engine.fault = "the disk is full"
        commits = [
            self.config.commit(puts(make_group(2)), [put("job", "1")]),
            self.config.commit(puts(make_node(2, "g2"))),
            self.config.commit(puts(make_instance(1, "n2"))),
            self.config.commit(_same),
        ]
        self.engine.fault = None
        self.held.release_all()
        for commit in commits:
            error = self.failureResultOf(commit, StateFault).value
            self.assertEqual(str(error), "the disk is full")
        self.assertIs(self.config.snapshot(), before)
        self.assertNotIn(RowKey("job", "1"), self.medium)
        self.assertEqual(self.loaded().snapshot(), before)

    def test_after_failure(self) -> None:
        """What comes after a failure is built on the durable state."""
        self.engine.fault = "the disk is full"
        failing = self.config.commit(puts(make_group(2)))
        self.engine.fault = None
        again = failing.addErrback(lambda _: self.config.commit(puts(make_group(2))))
        self.held.release_all()
        self.assertIn("g2", self.successResultOf(again).groups)
        self.assertEqual(self.loaded().snapshot(), self.config.snapshot())

    def test_cancel(self) -> None:
        """Cancelling a commit stops nothing, nor those that came after it."""
        commit = self.config.commit(puts(make_group(2)))
        waiting = self.config.commit(puts(make_node(2, "g2")))
        for each in (commit, waiting):
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.held.release_all()
        self.assertIn("n2", self.config.snapshot().nodes)

    def test_closing(self) -> None:
        """A commit after the store has begun to close leaves earlier ones alone."""
        first = self.config.commit(puts(make_group(2)))
        closing = Deferred.fromCoroutine(self.store.close())
        self.failureResultOf(self.config.commit(puts(make_group(3))), StateFault)
        self.held.release_all()
        self.successResultOf(closing)
        self.assertIn("g2", self.successResultOf(first).groups)

    def test_listeners(self) -> None:
        """Listeners hear of durable changes, old and new, before the committer."""
        heard: list[tuple[bool, bool]] = []

        def listen(old: Snapshot, new: Snapshot) -> None:
            self.assertNoResult(commit)
            self.assertIs(self.config.snapshot(), new)
            heard.append(("g2" in old.groups, "g2" in new.groups))

        self.config.on_change(listen)
        commit = self.config.commit(puts(make_group(2)))
        nothing = self.config.commit(_same, [put("job", "1")])
        self.assertEqual(heard, [])
        self.held.release_all()
        self.successResultOf(commit)
        self.successResultOf(nothing)
        self.assertEqual(heard, [(False, True)])

    def test_broken_listener(self) -> None:
        """A listener that fails is logged and harms nobody."""

        def listen(old: Snapshot, new: Snapshot) -> None:
            raise ZeroDivisionError

        self.config.on_change(listen)
        self.put(make_group(2))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class LoadTests(ConfigTestCase):
    """Reading the configuration at the start."""

    def load(self) -> Deferred[None]:
        """Load from the test's medium."""
        loading = Deferred.fromCoroutine(ConfigStore(self.store, self.clock).load())
        self.held.release_all()
        return loading

    def test_no_cluster(self) -> None:
        """Where there is no cluster, there is no master."""
        store = StateStore(MemoryEngine(), Clock())
        self.successResultOf(Deferred.fromCoroutine(store.open()))
        loading = Deferred.fromCoroutine(ConfigStore(store, Clock()).load())
        error = self.failureResultOf(loading, WrongState).value
        self.assertEqual(str(error), "this node is no master: no cluster here")

    def test_revision(self) -> None:
        """A loaded snapshot is at the store's revision, jobs' batches counted."""
        written = self.store.write([put("job", "1")])
        self.held.release_all()
        self.successResultOf(written)
        self.assertEqual(self.loaded().snapshot().revision, 2)

    def test_damaged_row(self) -> None:
        """A row that cannot be read is named, with the field and what is wrong."""
        self.medium[RowKey("node", "n1")] = b'{"uuid": 5}'
        error = self.failureResultOf(self.load(), StateFault).value
        self.assertIn("node n1 cannot be read: Expected `str`", str(error))

    def test_two_clusters(self) -> None:
        """Two clusters in one store are refused."""
        self.medium[RowKey("cluster", "d")] = self.medium[RowKey("cluster", "c")]
        error = self.failureResultOf(self.load(), StateFault).value
        self.assertIn("more than one cluster", str(error))

    def test_newer_version(self) -> None:
        """A configuration of a newer version is left alone."""
        self.medium[VERSION_KEY] = b"99"
        before = dict(self.medium)
        error = self.failureResultOf(self.load(), StateFault).value
        self.assertIn("version 99", str(error))
        self.assertEqual(self.medium, before)

    def test_version_no_number(self) -> None:
        """A damaged version is a state fault."""
        self.medium[VERSION_KEY] = b"x"
        self.failureResultOf(self.load(), StateFault)

    def test_not_loaded(self) -> None:
        """A snapshot before loading is our bug."""
        self.assertRaises(Bug, ConfigStore(self.store, self.clock).snapshot)

    def test_initial_rows(self) -> None:
        """A first configuration that does not hang together is refused."""
        for cluster, node in (
            (replace(make_cluster(), default_group="g9"), make_node()),
            (replace(make_cluster(), master_node="n9"), make_node()),
            (make_cluster(), make_node(1, "g9")),
        ):
            self.assertRaises(Bug, initial_rows, cluster, make_group(), node)
