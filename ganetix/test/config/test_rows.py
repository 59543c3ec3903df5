"""The configuration as rows: round trips, versions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.rows import (
    KIND_OF,
    VERSION_ROW,
    key_of,
    row_of,
    snapshot_of,
    upgraded_rows,
)
from ganetix.config.store import initial_rows
from ganetix.errors import Bug, StateFault
from ganetix.objects import (
    Cluster,
    Disk,
    GuestInfo,
    Instance,
    JoinToken,
    Nic,
    Node,
    NodeGroup,
)
from ganetix.objects.base import Value
from ganetix.objects.intent import InstanceIntent
from ganetix.state.rows import Row
from ganetix.state.store import StateStore
from ganetix.test.config.support import make_cluster, make_group, make_node
from ganetix.testing.state import MemoryEngine

texts = st.text(max_size=8)
times = st.floats(0, 1e12, allow_nan=False)
hv_params = st.dictionaries(texts, st.booleans() | st.integers(-9, 2**60) | texts)
common = {
    "uuid": texts,
    "name": texts,
    "serial_no": st.integers(1, 2**50),
    "ctime": times,
    "mtime": times,
    "tags": st.lists(texts, max_size=3).map(tuple),
}
clusters = st.builds(
    Cluster,
    **common,
    master_node=texts,
    default_group=texts,
    primary_ip_version=st.sampled_from([4, 6]),
    hvparams=st.dictionaries(texts, hv_params, max_size=2),
)
groups = st.builds(NodeGroup, **common)
nodes = st.builds(
    Node, **common, group=texts, primary_ip=texts, secondary_ip=texts, certificate=texts
)
disks = st.builds(Disk, uuid=texts, size_mib=st.integers(0, 2**40))
nics = st.builds(Nic, uuid=texts, mac=texts)
instances = st.builds(
    Instance,
    **common,
    primary_node=texts,
    os=texts,
    hypervisor=texts,
    disk_template=texts,
    beparams=st.dictionaries(texts, st.booleans() | st.integers(-9, 9), max_size=3),
    hvparams=hv_params,
    osparams=st.dictionaries(texts, texts, max_size=3),
    disks=st.lists(disks, max_size=2).map(tuple),
    nics=st.lists(nics, max_size=2).map(tuple),
)
tokens = st.builds(JoinToken, node=nodes, token=texts, expires=times)
intents = st.builds(
    InstanceIntent, instance=instances, job_id=st.integers(1, 2**50), step=texts
)


class RowTests(SynchronousTestCase):
    """Values to rows and back."""

    @settings(max_examples=40, deadline=None)
    @given(clusters, groups, nodes, instances, tokens, intents)
    def test_round_trip(
        self,
        cluster: Cluster,
        group: NodeGroup,
        node: Node,
        instance: Instance,
        token: JoinToken,
        intent: InstanceIntent,
    ) -> None:
        """Whatever is written is what is read."""
        values: tuple[Value, ...] = (cluster, group, node, instance, token, intent)
        snapshot = snapshot_of(map(row_of, values), 7)
        assert snapshot is not None
        self.assertEqual(snapshot.revision, 7)
        self.assertEqual(snapshot.cluster, cluster)
        self.assertEqual(dict(snapshot.groups), {group.uuid: group})
        self.assertEqual(dict(snapshot.nodes), {node.uuid: node})
        self.assertEqual(dict(snapshot.instances), {instance.uuid: instance})
        self.assertEqual(dict(snapshot.tokens), {token.node.uuid: token})
        self.assertEqual(dict(snapshot.intents), {intent.instance.uuid: intent})

    def test_kinds(self) -> None:
        """The kinds are those that the store's layout names."""
        self.assertEqual(
            set(KIND_OF.values()),
            {"cluster", "group", "node", "instance", "token", "intent"},
        )

    def test_no_configuration_value(self) -> None:
        """Other values have no place in the configuration."""
        guest = GuestInfo(uuid="u", name="n", hypervisor="fake", state="running")
        self.assertRaises(Bug, key_of, guest)

    def test_no_cluster(self) -> None:
        """Rows without a cluster are no configuration."""
        self.assertIsNone(snapshot_of([row_of(make_group())], 1))

    def test_initial_rows(self) -> None:
        """The first rows hold the three objects and the version."""
        store = StateStore(MemoryEngine(), Clock())
        self.successResultOf(Deferred.fromCoroutine(store.open()))
        rows = initial_rows(make_cluster(), make_group(), make_node())
        self.assertEqual(self.successResultOf(store.write(rows)), 1)
        found = self.successResultOf(store.load(["cluster", "group", "node", "meta"]))
        self.assertEqual(
            [row[:2] for row in found],
            [
                ("cluster", "c"),
                ("group", "g1"),
                ("meta", "config_version"),
                ("node", "n1"),
            ],
        )

    def test_upgraded_rows(self) -> None:
        """Bringing rows up to date writes them with the version in one go."""
        row = row_of(make_group())
        self.assertEqual(set(upgraded_rows([row], 1)), {VERSION_ROW, row})

    def test_upgrade_of_newer(self) -> None:
        """Rows of a newer version are refused."""
        self.assertRaises(StateFault, upgraded_rows, [], 99)

    def test_upgrade_of_damaged(self) -> None:
        """A damaged row is named."""
        error = self.assertRaises(
            StateFault, upgraded_rows, [Row("node", "n1", b"[]")], 1
        )
        self.assertIn("node n1 cannot be read", str(error))
