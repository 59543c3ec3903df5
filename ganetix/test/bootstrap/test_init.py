"""A cluster from nothing."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap import pki
from ganetix.bootstrap.init import InitRequest, checked, initialise
from ganetix.bootstrap.ssconf import ssconf_names, write_ssconf
from ganetix.config.snapshot import Snapshot
from ganetix.config.store import ConfigStore
from ganetix.errors import BadParameter, StateFault, WrongState
from ganetix.netutils.bind import bind_address
from ganetix.opcodes import OpClusterModify
from ganetix.paths import Paths
from ganetix.rpc.admission import CandidatesFile
from ganetix.rpc.tls import load_credentials
from ganetix.state.rows import RowKey
from ganetix.state.store import StateStore
from ganetix.testing.state import MemoryEngine

REQUEST = InitRequest(
    name="cluster.example",
    node_name="node1.example",
    primary_ip="127.0.0.11",
    parameters=OpClusterModify(
        enabled_hypervisors=("kvm", "fake"), hvparams={"kvm": {"accel": "tcg"}}
    ),
)
NOW = 1_800_000_000.0


class InitialiseTests(SynchronousTestCase):
    """Initialising below a fresh root, with a store in memory."""

    def setUp(self) -> None:
        self.paths = Paths(Path(self.mktemp()).absolute())
        self.medium: dict[RowKey, bytes] = {}

    def _initialise(self, request: InitRequest = REQUEST) -> Deferred[Snapshot]:
        return Deferred.fromCoroutine(
            initialise(
                self.paths,
                request,
                NOW,
                MemoryEngine(self.medium),
            )
        )

    def test_configuration(self) -> None:
        """The store holds a cluster with one group and the master node in it."""
        made = self.successResultOf(self._initialise())
        store = StateStore(MemoryEngine(self.medium), Clock())
        self.successResultOf(Deferred.fromCoroutine(store.open()))
        config = ConfigStore(store, Clock())
        self.successResultOf(Deferred.fromCoroutine(config.load()))
        loaded = config.snapshot()
        self.assertEqual(loaded, made)
        (node,) = loaded.nodes.values()
        self.assertEqual(loaded.cluster.master_node, node.uuid)
        self.assertTrue(node.master_candidate)
        self.assertEqual(node.secondary_ip, "127.0.0.11")
        self.assertEqual(loaded.group(None).name, "default")
        self.assertEqual(loaded.cluster.hvparams, {"kvm": {"accel": "tcg"}})

    def test_credentials(self) -> None:
        """The master's node has keys that fit, and obeys itself."""
        made = self.successResultOf(self._initialise())
        credentials = load_credentials(self.paths)
        fingerprint = pki.fingerprint(credentials.certificate)
        candidates = CandidatesFile(self.paths.ssconf("master_candidates_certs"))
        self.assertEqual(candidates(), {made.cluster.master_node: (fingerprint,)})
        self.assertIsNotNone(credentials.issuer)

    def test_secrets_are_private(self) -> None:
        """Both private keys can be read by their owner only."""
        self.successResultOf(self._initialise())
        for key in (self.paths.ca_key, self.paths.node_key):
            self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)

    def test_again(self) -> None:
        """A second time is refused, names the file and changes nothing."""
        self.successResultOf(self._initialise())
        before = self.paths.ca_certificate.read_bytes()
        failure = self.failureResultOf(self._initialise(), WrongState)
        self.assertIn(str(self.paths.state_db), failure.getErrorMessage())
        self.assertEqual(self.paths.ca_certificate.read_bytes(), before)

    def test_cut_short(self) -> None:
        """What was cut short before the rows were written is done anew."""
        self.successResultOf(self._initialise())
        self.medium.clear()
        made = self.successResultOf(self._initialise())
        fingerprint = pki.fingerprint(load_credentials(self.paths).certificate)
        (node,) = made.nodes.values()
        self.assertEqual(node.certificate, fingerprint)

    def test_member_of_another(self) -> None:
        """A node of another cluster is not made a master, and keeps what it has."""
        self.paths.lib.mkdir(parents=True)
        self.paths.node_certificate.write_text("its certificate")
        failure = self.failureResultOf(self._initialise(), WrongState)
        self.assertIn(str(self.paths.node_certificate), failure.getErrorMessage())
        self.assertEqual(self.paths.node_certificate.read_text(), "its certificate")
        self.assertEqual(self.medium, {})

    def test_another_hosts_address(self) -> None:
        """An address that this host does not have is refused before anything."""
        request = replace(REQUEST, primary_ip="198.51.100.7")
        failure = self.failureResultOf(self._initialise(request), BadParameter)
        text = failure.getErrorMessage()
        self.assertIn("primary_ip: 198.51.100.7 is not an address of this host", text)
        self.assertIn("127.0.0.1", text)
        self.assertFalse(self.paths.root.exists())

    def test_another_hosts_secondary_address(self) -> None:
        """So is a secondary one, in an IPv6 cluster too."""
        request = replace(
            REQUEST,
            primary_ip="2001:db8:ffff::7",
            secondary_ip="198.51.100.7",
            primary_ip_version=6,
        )
        failure = self.failureResultOf(self._initialise(request), BadParameter)
        self.assertIn("primary_ip: 2001:db8:ffff::7", failure.getErrorMessage())
        here = Deferred.fromCoroutine(
            initialise(
                self.paths,
                request,
                NOW,
                MemoryEngine(self.medium),
                is_own="2001:db8:ffff::7".__eq__,
            )
        )
        failure = self.failureResultOf(here, BadParameter)
        self.assertIn("secondary_ip: 198.51.100.7", failure.getErrorMessage())

    def test_hybrid(self) -> None:
        """An IPv6 cluster tells its daemons in ssconf what to bind."""
        request = replace(
            REQUEST, primary_ip="::1", secondary_ip="127.0.0.1", primary_ip_version=6
        )
        made = self.successResultOf(self._initialise(request))
        self.assertEqual(made.cluster.primary_ip_version, 6)
        self.assertFalse(made.cluster.ipv6_secondary)
        self.assertEqual(self.paths.ssconf("primary_ip_family").read_text(), "10\n")
        self.assertEqual(bind_address(self.paths), "::")
        self.assertEqual(self.paths.ssconf("master_ip").read_text(), "::1\n")

    def test_ipv6_alone(self) -> None:
        """With the explicit word, IPv6 will do for both, and the cluster keeps it."""
        request = replace(
            REQUEST, primary_ip="::1", primary_ip_version=6, ipv6_secondary=True
        )
        made = self.successResultOf(self._initialise(request))
        self.assertTrue(made.cluster.ipv6_secondary)
        (node,) = made.nodes.values()
        self.assertEqual((node.primary_ip, node.secondary_ip), ("::1", "::1"))

    def test_parameters(self) -> None:
        """All families of parameters are as they were asked for."""
        op = OpClusterModify(
            enabled_hypervisors=("fake",),
            candidate_pool_size=3,
            beparams={"memory_mib": 512},
            nicparams={"mode": "bridged", "link": "br0"},
            diskparams={"file": {"format": "qcow2"}},
            ndparams={"reserved_cpus": 1},
            capacity={"max_cpu_ratio": 2.0},
        )
        made = self.successResultOf(self._initialise(replace(REQUEST, parameters=op)))
        cluster = made.cluster
        self.assertEqual(cluster.enabled_hypervisors, ("fake",))
        self.assertEqual(cluster.candidate_pool_size, 3)
        self.assertEqual(cluster.beparams.memory_mib, 512)
        self.assertEqual((cluster.nic_mode, cluster.nic_link), ("bridged", "br0"))
        self.assertEqual(cluster.diskparams, {"file": {"format": "qcow2"}})
        self.assertEqual(cluster.ndparams.reserved_cpus, 1)
        self.assertEqual(cluster.capacity.max_cpu_ratio, 2.0)

    def test_no_interface(self) -> None:
        """An interface that this host does not have is refused before anything."""
        op = OpClusterModify(master_ip="192.0.2.9", master_netdev="nowhere0")
        request = replace(REQUEST, parameters=op)
        failure = self.failureResultOf(self._initialise(request), BadParameter)
        text = failure.getErrorMessage()
        self.assertIn("'nowhere0' is not an interface of the master node", text)
        self.assertIn("lo", text)
        self.assertFalse(self.paths.root.exists())

    def test_leftovers(self) -> None:
        """ssconf files of another cluster, left by a join cut short, are forgotten."""
        self.paths.lib.mkdir(parents=True)
        write_ssconf(self.paths, {"old": "x\n"}, 1000)
        self.successResultOf(self._initialise())
        self.assertNotIn("old", ssconf_names(self.paths))

    def test_cannot_write(self) -> None:
        """A root that cannot be written is told in one line with its name."""
        self.paths.root.write_text("a file")
        failure = self.failureResultOf(self._initialise(), StateFault)
        self.assertIn("cannot write", failure.getErrorMessage())


class CheckTests(SynchronousTestCase):
    """What is asked for is checked before anything is done."""

    def _assert_refused(self, start: str, **changes: object) -> None:
        request = replace(REQUEST, **changes)
        error = self.assertRaises(BadParameter, checked, request)
        self.assertIn(start, str(error))

    def test_names(self) -> None:
        """Cluster and node have names that could stand in DNS."""
        self._assert_refused("cluster name", name="my cluster")
        self._assert_refused("node name", node_name="node_1")

    def test_port(self) -> None:
        """A port is a port."""
        self._assert_refused("port: 0", port=0)

    def test_ipv4(self) -> None:
        """In an IPv4 cluster all addresses are IPv4."""
        self._assert_refused("not an IPv4", primary_ip="2001:db8::1")
        self._assert_refused("not an IPv4", secondary_ip="2001:db8::1")

    def test_ipv6(self) -> None:
        """With primary IPv6, a secondary IPv4 address is needed."""
        version: Mapping[str, object] = {"primary_ip_version": 6}
        self._assert_refused("not an IPv6", **version)
        self._assert_refused("secondary_ip: missing", primary_ip="::1", **version)
        self._assert_refused(
            "ipv6_secondary", primary_ip="::1", secondary_ip="fd00::1", **version
        )
        request = replace(
            REQUEST, primary_ip_version=6, primary_ip="[::1]", secondary_ip="127.0.0.1"
        )
        self.assertEqual(checked(request).primary_ip, "::1")

    def test_no_single_host(self) -> None:
        """Addresses of many hosts are refused."""
        self._assert_refused("not an address of a single host", primary_ip="224.0.0.1")

    def test_parameters(self) -> None:
        """Parameters must be known, and go together."""
        for start, changes in (
            ("xen", {"enabled_hypervisors": ("xen",)}),
            ("colour", {"hvparams": {"kvm": {"colour": "red"}}}),
            ("master_netdev: missing", {"master_ip": "192.0.2.9"}),
            ("nicparams: link: missing", {"nicparams": {"mode": "bridged"}}),
            ("not enabled", {"capacity": {"default_template": "drbd"}}),
        ):
            self._assert_refused(start, parameters=OpClusterModify(**changes))
