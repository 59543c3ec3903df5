"""A small configuration to begin tests with."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Change, Edits
from ganetix.config.store import ConfigStore, initial_rows
from ganetix.objects import Cluster, ConfigObject, Instance, Node, NodeGroup
from ganetix.state.rows import RowKey
from ganetix.state.store import StateStore
from ganetix.testing.state import FailingEngine, HeldOffload, MemoryEngine

START = 1_000_000.0


def make_cluster() -> Cluster:
    """The cluster object."""
    return Cluster(uuid="c", name="cluster", master_node="n1", default_group="g1")


def make_group(number: int = 1) -> NodeGroup:
    """A group ``groupN`` with UUID ``gN``."""
    return NodeGroup(uuid=f"g{number}", name=f"group{number}")


def make_node(number: int = 1, group: str = "g1") -> Node:
    """A node ``nodeN`` with UUID ``nN``."""
    return Node(
        uuid=f"n{number}",
        name=f"node{number}",
        group=group,
        primary_ip=f"192.0.2.{number}",
        secondary_ip=f"198.51.100.{number}",
        certificate=f"{number:064x}",
    )


def make_instance(number: int = 1, node: str = "n1") -> Instance:
    """An instance ``instN`` with UUID ``iN``."""
    return Instance(
        uuid=f"i{number}",
        name=f"inst{number}",
        primary_node=node,
        os="tiny",
        hypervisor="fake",
        disk_template="diskless",
    )


def puts(*objects: ConfigObject) -> Change:
    """A change that puts these, whatever is there."""
    return lambda _: Edits(put=objects)


def deletes(*objects: ConfigObject) -> Change:
    """A change that deletes these, whatever is there."""
    return lambda _: Edits(delete=objects)


class ConfigTestCase(SynchronousTestCase):
    """A configuration of one node, on an engine that writes when the test says so."""

    def setUp(self) -> None:
        """A loaded configuration."""
        self.clock = Clock()
        self.clock.advance(START)
        self.held = HeldOffload()
        self.medium: dict[RowKey, bytes] = {}
        self.engine = FailingEngine(MemoryEngine(self.medium, self.held))
        self.store = StateStore(self.engine, self.clock)
        opening = Deferred.fromCoroutine(self.store.open())
        self.held.release_all()
        self.successResultOf(opening)
        rows = initial_rows(make_cluster(), make_group(), make_node())
        first = self.store.write(rows)
        self.held.release_all()
        self.successResultOf(first)
        self.config = self.loaded()

    def loaded(self) -> ConfigStore:
        """The configuration as a fresh master reads it."""
        config = ConfigStore(self.store, self.clock)
        loading = Deferred.fromCoroutine(config.load())
        self.held.release_all()
        self.successResultOf(loading)
        return config

    def put(self, *objects: ConfigObject) -> None:
        """Make these objects durable."""
        done = self.config.commit(puts(*objects))
        self.held.release_all()
        self.successResultOf(done)
