"""Any history of commits, writes and faults against a model of dictionaries."""

from __future__ import annotations

from collections.abc import Coroutine

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.config.store import ConfigStore, initial_rows
from ganetix.errors import GanetixError, Refused, StateFault
from ganetix.objects import Instance
from ganetix.state.rows import RowKey
from ganetix.state.store import StateStore
from ganetix.test.config.support import (
    make_cluster,
    make_group,
    make_instance,
    make_node,
)
from ganetix.testing.state import FailingEngine, HeldOffload, MemoryEngine, put

Model = dict[str, tuple[str, str, int]]
"""Name, primary node and serial number of instances by UUID."""

numbers = st.integers(1, 4)


def _model_of(snapshot: Snapshot) -> Model:
    return {
        uuid: (each.name, each.primary_node, each.serial_no)
        for uuid, each in snapshot.instances.items()
    }


class ConfigMachine(RuleBasedStateMachine):
    """Commits from any reader's stale view, while the medium comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.held = HeldOffload()
        self.medium: dict[RowKey, bytes] = {}
        self.engine = FailingEngine(MemoryEngine(self.medium, self.held))
        self.store = StateStore(self.engine, Clock())
        self.config = ConfigStore(self.store, Clock())
        self.do(self.store.open())
        _ = self.store.write(
            [
                *initial_rows(make_cluster(), make_group(), make_node(1)),
                put(
                    "node",
                    "n2",
                    b'{"uuid":"n2","name":"node2","group":"g1",'
                    b'"primary_ip":"192.0.2.2","secondary_ip":"192.0.2.2"}',
                ),
            ]
        )
        self.do(self.config.load())
        self.pending: list[Model] = []
        self.durable: Model = {}
        self.told: list[int] = []
        self.begun: list[int] = []
        self.held_view: Instance | None = None

    def do(self, work: Coroutine[Deferred[object], object, None]) -> None:
        """Run what must succeed."""
        done = Deferred.fromCoroutine(work)
        self.held.release_all()
        assert done.called
        _ = done.addErrback(Failure.raiseException)

    @property
    def head(self) -> Model:
        """The newest state of the model."""
        return self.pending[-1] if self.pending else self.durable

    def expect(self, edits: Edits, after: Model | None) -> None:
        """Commit and compare: refused at once if ``after`` is None."""
        number = len(self.begun)
        self.begun.append(number)
        extra = [put("job", f"{number}")]
        refusals: list[Failure] = []
        was_pending = len(self.pending)
        if after is not None:
            self.pending.append(after)

        def succeeded(snapshot: Snapshot) -> None:
            self.told.append(number)
            self.durable = self.pending.pop(0)
            assert _model_of(snapshot) == self.durable
            assert RowKey("job", f"{number}") in self.medium

        def failed(failure: Failure) -> None:
            if failure.check(StateFault):
                self.pending.pop(0)
                assert RowKey("job", f"{number}") not in self.medium
            else:
                refusals.append(failure)

        commit = self.config.commit(lambda _: edits, extra)
        _ = commit.addCallbacks(succeeded, failed)
        if after is None:
            assert len(refusals) == 1, edits
            error = refusals[0].value
            assert isinstance(error, GanetixError)
            assert isinstance(error, Refused) or error.code == "CONFIG_CONFLICT"
            assert len(self.pending) == was_pending
        else:
            assert not refusals, refusals

    @rule(number=numbers, name=numbers, node=st.integers(1, 3))
    def add(self, number: int, name: int, node: int) -> None:
        """Add an instance; its name may be taken, its node may be missing."""
        uuid = f"i{number}"
        new = replace(make_instance(number, f"n{node}"), name=f"inst{name}")
        head = self.head
        taken = {n for key, (n, _, _) in head.items() if key != uuid}
        serial = head[uuid][2] if uuid in head else 0
        fits = new.name not in taken and node < 3 and serial in (0, 1)
        after = {**head, uuid: (new.name, f"n{node}", serial + 1)} if fits else None
        self.expect(Edits(put=(new,)), after)

    @rule(number=numbers)
    def read(self, number: int) -> None:
        """Somebody reads an instance, to write it later."""
        self.held_view = self.config.snapshot().instances.get(f"i{number}")

    @precondition(lambda self: self.held_view is not None)
    @rule(name=numbers)
    def rename(self, name: int) -> None:
        """Write what was read, under another name, if it did not change meanwhile."""
        assert self.held_view is not None
        new = replace(self.held_view, name=f"inst{name}")
        head = self.head
        known = head.get(new.uuid)
        taken = {n for key, (n, _, _) in head.items() if key != new.uuid}
        after = None
        if known and known[2] == new.serial_no and new.name not in taken:
            after = {**head, new.uuid: (new.name, new.primary_node, known[2] + 1)}
        elif known is None and new.serial_no == 1 and new.name not in taken:
            # With the clock at 0 a removed object cannot be told from a new one.
            after = {**head, new.uuid: (new.name, new.primary_node, 1)}
        self.expect(Edits(put=(new,)), after)

    @rule(number=numbers)
    def remove(self, number: int) -> None:
        """Remove an instance that may not be there."""
        gone = make_instance(number)
        head = self.head
        after = {key: value for key, value in head.items() if key != gone.uuid}
        self.expect(Edits(delete=(gone,)), after if gone.uuid in head else None)

    @precondition(lambda self: len(self.held) > 0)
    @rule()
    def write(self) -> None:
        """The engine gets on."""
        self.held.release()

    @rule(fault=st.sampled_from([None, "the disk is full"]))
    def weather(self, fault: str | None) -> None:
        """The medium fails or recovers."""
        self.engine.fault = fault

    @invariant()
    def shows_durable(self) -> None:
        """The snapshot is the model's durable state, with indexes to match."""
        snapshot = self.config.snapshot()
        assert _model_of(snapshot) == self.durable
        for uuid, (name, node, _) in self.durable.items():
            assert snapshot.instance(name).uuid == uuid
            assert uuid in {each.uuid for each in snapshot.instances_on(node)}
        on_nodes = [*snapshot.instances_on("n1"), *snapshot.instances_on("n2")]
        assert len(on_nodes) == len(self.durable)

    @invariant()
    def told_in_order(self) -> None:
        """Committers are told in the order of commits."""
        assert self.told == sorted(self.told)

    def teardown(self) -> None:
        """A fresh master reads what this one holds."""
        self.held.release_all()
        assert not self.pending
        fresh = ConfigStore(self.store, Clock())
        self.do(fresh.load())
        assert _model_of(fresh.snapshot()) == self.durable


class ModelTests(SynchronousTestCase):
    """Runs the machine."""

    def test_model(self) -> None:
        """Commits behave as the model does, whatever happens."""
        run_state_machine_as_test(
            ConfigMachine,
            settings=settings(max_examples=60, stateful_step_count=40, deadline=None),
        )
