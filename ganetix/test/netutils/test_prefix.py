"""Prefixes, netmasks, networks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.netutils import prefix
from ganetix.netutils.address import canonical, family

ADDRESSES = st.ip_addresses().map(str).map(canonical)


class PrefixTests(SynchronousTestCase):
    """Lengths in all their forms."""

    @given(st.integers(0, 32))
    def test_netmasks(self, length: int) -> None:
        """A netmask and a length are the same thing."""
        mask = prefix.netmask(length)
        for text in (mask, str(length), f"/{length}"):
            self.assertEqual(prefix.prefix_length("netmask", text, 4), length)

    def test_nonsense(self) -> None:
        """What is none is refused with the field and the range."""
        for text in ("", "33", "-1", "255.0.255.0", "0x18", "24 ", "1.2", "²"):
            error = self.assertRaises(
                BadParameter, prefix.prefix_length, "netmask", text, 4
            )
            self.assertIn("netmask: ", str(error))
            self.assertIn("from 0 to 32 or a netmask", str(error))

    def test_ipv6(self) -> None:
        """IPv6 has lengths up to 128, and no netmasks."""
        self.assertEqual(prefix.prefix_length("netmask", "128", 6), 128)
        for text in ("129", "255.255.255.0", "ffff::"):
            self.assertRaises(BadParameter, prefix.prefix_length, "netmask", text, 6)

    @given(ADDRESSES, st.integers(0, 128))
    def test_split(self, ip: str, length: int) -> None:
        """An address with its prefix is split into both, or refused."""
        try:
            found = prefix.split_prefix("ip", f"{ip}/{length}")
        except BadParameter:
            return
        self.assertEqual(found, (ip, length))

    def test_split_alone(self) -> None:
        """An address alone is a network of one."""
        self.assertEqual(prefix.split_prefix("ip", "192.0.2.1"), ("192.0.2.1", 32))
        self.assertEqual(prefix.split_prefix("ip", "[FD00::1]"), ("fd00::1", 128))


class NetworkTests(SynchronousTestCase):
    """What lies in a network."""

    def test_forms(self) -> None:
        """A network is its first address and its length; scopes do not matter."""
        self.assertEqual(prefix.network("192.0.2.77", 24), "192.0.2.0/24")
        self.assertEqual(prefix.network("fe80::7%eth0", 64), "fe80::/64")

    @given(ADDRESSES, st.integers(0, 32))
    def test_contains_its_own(self, ip: str, length: int) -> None:
        """An address lies in the network that was made of it, whatever its length."""
        self.assertTrue(prefix.contains(prefix.network(ip, length), ip))

    def test_others(self) -> None:
        """What lies elsewhere does not, nor does what is of the other version."""
        self.assertFalse(prefix.contains("192.0.2.0/24", "192.0.3.1"))
        self.assertFalse(prefix.contains("192.0.2.0/24", "fd00::1"))
        self.assertFalse(prefix.contains("::/0", "192.0.2.1"))

    @given(ADDRESSES, ADDRESSES, st.integers(0, 32))
    def test_same_network(self, one: str, other: str, length: int) -> None:
        """Two addresses are in each other's networks, or neither is."""
        in_one = prefix.contains(prefix.network(one, length), other)
        in_other = prefix.contains(prefix.network(other, length), one)
        self.assertEqual(in_one, in_other)
        if family(one) != family(other):
            self.assertFalse(in_one)
