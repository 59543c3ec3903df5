"""Addresses that nodes and the master's role may have."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Snapshot
from ganetix.errors import AlreadyExists, BadParameter, WrongState
from ganetix.objects import IpVersion, JoinToken, Node
from ganetix.plan.addresses import (
    NodeAddresses,
    check_ipv6_secondary,
    check_master_address,
    check_node_addresses,
    suitable_addresses,
)
from ganetix.testing.config import make_node, make_snapshot


def placed(name: str, primary: str, secondary: str | None = None) -> Node:
    """A node at these addresses."""
    return replace(
        make_node(name), primary_ip=primary, secondary_ip=secondary or primary
    )


class SuitableTests(SynchronousTestCase):
    """A node's two addresses by themselves."""

    def _refused(
        self,
        version: IpVersion,
        primary: str,
        secondary: str | None = None,
        ipv6_secondary: bool = False,
    ) -> str:
        error = self.assertRaises(
            BadParameter,
            suitable_addresses,
            version,
            primary,
            secondary,
            ipv6_secondary=ipv6_secondary,
        )
        return str(error)

    def test_ipv4(self) -> None:
        """In an IPv4 cluster the secondary address may be left out."""
        self.assertEqual(
            suitable_addresses(4, "192.0.2.1", None),
            NodeAddresses("192.0.2.1", "192.0.2.1"),
        )
        self.assertEqual(
            suitable_addresses(4, "192.0.2.1", "10.0.0.1"),
            NodeAddresses("192.0.2.1", "10.0.0.1"),
        )

    def test_hybrid(self) -> None:
        """In an IPv6 cluster each node has both; the text becomes canonical."""
        self.assertEqual(
            suitable_addresses(6, "[FD00:0::1]", "::ffff:10.0.0.1"),
            NodeAddresses("fd00::1", "10.0.0.1"),
        )

    def test_wrong_version(self) -> None:
        """A primary address of the other version is refused, both ways."""
        self.assertIn(
            "primary_ip: 192.0.2.1 is not an IPv6 address",
            self._refused(6, "192.0.2.1", "10.0.0.1"),
        )
        self.assertIn("not an IPv4 address", self._refused(4, "fd00::1"))

    def test_mapped_is_ipv4(self) -> None:
        """An IPv4 address in IPv6 dress does not pass for an IPv6 one."""
        self.assertIn("not an IPv6", self._refused(6, "::ffff:192.0.2.1", "10.0.0.1"))

    def test_missing_secondary(self) -> None:
        """In an IPv6 cluster a node without a secondary address is refused."""
        self.assertIn("secondary_ip: missing", self._refused(6, "fd00::1"))

    def test_ipv6_secondary(self) -> None:
        """An IPv6 secondary address needs the cluster's permission, in both set-ups."""
        self.assertIn("ipv6_secondary", self._refused(6, "fd00::1", "fd01::1"))
        self.assertIn("ipv6_secondary", self._refused(4, "192.0.2.1", "fd01::1"))
        found = suitable_addresses(6, "fd00::1", "fd01::1", ipv6_secondary=True)
        self.assertEqual(found, NodeAddresses("fd00::1", "fd01::1"))

    def test_permitted_ipv6_secondary_may_be_left_out(self) -> None:
        """With that permission the primary address will do for both."""
        found = suitable_addresses(6, "fd00::1", None, ipv6_secondary=True)
        self.assertEqual(found, NodeAddresses("fd00::1", "fd00::1"))

    def test_nobodys(self) -> None:
        """What no single host has, or only one link knows, is refused by its field."""
        for text in ("0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.0.1", "n1"):  # noqa: S104
            self.assertIn("primary_ip: ", self._refused(4, text))
            self.assertIn("secondary_ip: ", self._refused(4, "192.0.2.1", text))
        for text in ("::", "ff02::1", "fe80::1", "fe80::1%eth0", "fd00::1%eth0"):
            self.assertIn("primary_ip: ", self._refused(6, text, "10.0.0.1"))

    def test_half_loopback(self) -> None:
        """One address that others reach and one that they do not is a mistake."""
        for primary, secondary in (
            ("192.0.2.1", "127.0.0.1"),
            ("127.0.0.1", "10.0.0.1"),
        ):
            text = self._refused(4, primary, secondary)
            self.assertIn("127.0.0.1 is a loopback address", text)
        suitable_addresses(6, "::1", "127.0.0.1")


class ClusterTests(SynchronousTestCase):
    """Addresses among those of a cluster."""

    def setUp(self) -> None:
        """Two nodes, and a reservation."""
        self.node1 = placed("node1", "192.0.2.1", "10.0.0.1")
        self.node2 = placed("node2", "192.0.2.2", "10.0.0.2")
        self.coming = placed("node3", "192.0.2.3", "10.0.0.3")
        self.snapshot = make_snapshot(
            self.node1, self.node2, tokens=(JoinToken(node=self.coming),)
        )

    def _taken(self, primary: str, secondary: str | None = None) -> str:
        error = self.assertRaises(
            AlreadyExists, check_node_addresses, self.snapshot, primary, secondary
        )
        return str(error)

    def test_free(self) -> None:
        """Addresses that nobody has are the node's."""
        found = check_node_addresses(self.snapshot, "192.0.2.9", "10.0.0.9")
        self.assertEqual(found, NodeAddresses("192.0.2.9", "10.0.0.9"))

    def test_taken(self) -> None:
        """A member's address is named with its field and its owner."""
        self.assertEqual(
            self._taken("192.0.2.2"), "primary_ip: address 192.0.2.2 is node node2's"
        )
        self.assertEqual(
            self._taken("192.0.2.9", "10.0.0.1"),
            "secondary_ip: address 10.0.0.1 is node node1's",
        )

    def test_crosswise(self) -> None:
        """One node's secondary address is not another one's primary."""
        self.assertIn("primary_ip: address 10.0.0.2", self._taken("10.0.0.2"))
        self.assertIn("secondary_ip: ", self._taken("192.0.2.9", "192.0.2.1"))

    def test_disguised(self) -> None:
        """Another spelling of a taken address is the same address."""
        self.assertIn("192.0.2.2 is node", self._taken("::ffff:192.0.2.2"))

    def test_reserved(self) -> None:
        """An address that was promised to a node is taken, unless that is void."""
        self.assertIn("reserved for node3", self._taken("192.0.2.3"))
        check_node_addresses(
            self.snapshot, "192.0.2.3", None, ignore=(self.coming.uuid,)
        )

    def test_own(self) -> None:
        """A node keeps an address of its own, or exchanges its two."""
        uuid = self.node2.uuid
        check_node_addresses(self.snapshot, "192.0.2.2", "10.0.0.9", uuid)
        check_node_addresses(self.snapshot, "10.0.0.2", "192.0.2.2", uuid)

    def test_masters_role(self) -> None:
        """The address of the master's role is nobody's own."""
        cluster = replace(self.snapshot.cluster, master_ip="192.0.2.100")
        self.snapshot = replace(self.snapshot, cluster=cluster)
        self.assertIn("the master role's", self._taken("192.0.2.100"))
        self.assertIn("secondary_ip: ", self._taken("192.0.2.9", "192.0.2.100"))

    def test_loopback_among_others(self) -> None:
        """Loopback addresses are refused where the master has none, and conversely."""
        text = self._unreachable(self.snapshot, "127.0.0.9")
        self.assertIn("127.0.0.9 is a loopback address", text)
        local = make_snapshot(make_node("node1"))
        self.assertIn(
            "127.0.0.11 is a loopback address", self._unreachable(local, "192.0.2.9")
        )
        check_node_addresses(local, "127.0.0.9", None)

    def _unreachable(self, snapshot: Snapshot, primary: str) -> str:
        error = self.assertRaises(
            BadParameter, check_node_addresses, snapshot, primary, None
        )
        return str(error)

    def test_master_moves(self) -> None:
        """The master itself may go from loopback to an address for others."""
        local = make_snapshot(make_node("node1"))
        master = local.cluster.master_node
        found = check_node_addresses(local, "192.0.2.9", None, master)
        self.assertEqual(found.primary_ip, "192.0.2.9")

    def test_clusters_version(self) -> None:
        """The cluster's version and permission count."""
        six = make_snapshot(
            placed("node1", "fd00::1", "10.0.0.1"), primary_ip_version=6
        )
        self.assertRaises(
            BadParameter, check_node_addresses, six, "192.0.2.9", "10.0.0.9"
        )
        self.assertRaises(BadParameter, check_node_addresses, six, "fd00::9", "fd01::9")
        may = replace(six, cluster=replace(six.cluster, ipv6_secondary=True))
        check_node_addresses(may, "fd00::9", "fd01::9")


class MasterAddressTests(SynchronousTestCase):
    """The address of the master's role."""

    def setUp(self) -> None:
        """A cluster of one node, and one that is to join."""
        coming = placed("node2", "192.0.2.2", "10.0.0.2")
        self.snapshot = make_snapshot(
            placed("node1", "192.0.2.1", "10.0.0.1"), tokens=(JoinToken(node=coming),)
        )

    def _check(self, ip: str, netmask: int | None = None) -> str:
        return check_master_address(self.snapshot, ip, netmask)

    def test_good(self) -> None:
        """It is of the primary version, and comes back canonical."""
        self.assertEqual(self._check("::ffff:192.0.2.100", 24), "192.0.2.100")

    def test_nodes_own(self) -> None:
        """It is beside the nodes' own addresses, not one of them, now or soon."""
        for ip in ("192.0.2.1", "10.0.0.1", "10.0.0.2"):
            error = self.assertRaises(AlreadyExists, self._check, ip)
            self.assertIn("master_ip: ", str(error))

    def test_bad(self) -> None:
        """The wrong version, no host's address and impossible masks are refused."""
        for ip in ("fd00::100", "0.0.0.0", "169.254.0.1", "master"):  # noqa: S104
            error = self.assertRaises(BadParameter, self._check, ip)
            self.assertIn("master_ip: ", str(error))
        for netmask in (0, 33, -1):
            for ip in ("192.0.2.100", ""):
                error = self.assertRaises(BadParameter, self._check, ip, netmask)
                self.assertIn("master_netmask: ", str(error))


class PermissionTests(SynchronousTestCase):
    """Taking the permission for IPv6 secondary addresses back."""

    def test_unused(self) -> None:
        """Where all are IPv4, nobody needs it."""
        check_ipv6_secondary(make_snapshot(placed("node1", "fd00::1", "10.0.0.1")))

    def test_used(self) -> None:
        """A node that needs it, or will, is named with its address."""
        node1 = placed("node1", "fd00::1", "10.0.0.1")
        node2 = placed("node2", "fd00::2", "fd01::2")
        for snapshot in (
            make_snapshot(node1, node2),
            make_snapshot(node1, tokens=(JoinToken(node=node2),)),
        ):
            error = self.assertRaises(WrongState, check_ipv6_secondary, snapshot)
            self.assertIn("node2 is fd01::2", str(error))
