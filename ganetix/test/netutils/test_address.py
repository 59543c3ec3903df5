"""Addresses as text."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.netutils import address

ADDRESSES = st.ip_addresses().map(str)
ANY = address.any_address(4)
PORTS = st.integers(1, 65535)


class CanonicalTests(SynchronousTestCase):
    """Equal addresses have equal text."""

    def test_forms(self) -> None:
        """Brackets, upper case, zeros and IPv4-mapped forms do not matter."""
        for text, wanted in (
            ("192.0.2.7", "192.0.2.7"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("fe80::1%eth0", "fe80::1%eth0"),
        ):
            self.assertEqual(address.canonical(text), wanted)

    def test_nonsense(self) -> None:
        """What is no address is refused with the text itself."""
        for text in (
            *("", "node1", "192.0.2", "192.0.2.256", "1:2", "[]", "010.0.0.1"),
            *("[192.0.2.7]", "[::1", "::1]", "192.0.2.7%eth0", "::1/64", " ::1"),
        ):
            error = self.assertRaises(BadParameter, address.canonical, text)
            self.assertIn(repr(text), str(error))

    def test_scopes(self) -> None:
        """Only what is link-local has a scope, and that is an interface's name."""
        for text in ("fe80::1%eth0.7", "ff02::1%br-lan", "FE80::1%ETH0"):
            scope = text.partition("%")[2]
            self.assertEqual(address.canonical(text).partition("%")[2], scope)
        for text in (
            *("fd00::1%eth0", "::1%lo", "::ffff:192.0.2.7%eth0", "ff05::1%eth0"),
            *("fe80::1%", "fe80::1%a b", "fe80::1%a/b", "fe80::1%" + 16 * "x"),
        ):
            self.assertRaises(BadParameter, address.canonical, text)

    @given(st.ip_addresses(v=4))
    def test_mapped(self, four: IPv4Address) -> None:
        """Every IPv4-mapped IPv6 address is the IPv4 one, however it is written."""
        number = int(four)
        for text in (
            f"::ffff:{four}",
            f"[::FFFF:{number >> 16:x}:{number & 0xFFFF:x}]",
        ):
            self.assertEqual(address.canonical(text), str(four))

    @given(st.ip_addresses(v=6))
    def test_long_forms(self, six: IPv6Address) -> None:
        """All the ways to write an IPv6 address are one."""
        for text in (six.exploded, six.compressed.upper(), f"[{six}]"):
            self.assertEqual(address.canonical(text), address.canonical(str(six)))

    @given(ADDRESSES)
    def test_stable(self, text: str) -> None:
        """The canonical form of a canonical form is itself."""
        once = address.canonical(text)
        self.assertEqual(address.canonical(once), once)

    def test_family(self) -> None:
        """A mapped IPv4 address is an IPv4 address."""
        self.assertEqual(address.family("::ffff:192.0.2.7"), 4)
        self.assertEqual(address.family("::1"), 6)

    def test_kinds(self) -> None:
        """All of 127.0.0.0/8 is loopback; the any-addresses are known."""
        self.assertTrue(address.is_loopback("127.9.9.9"))
        self.assertTrue(address.is_loopback("::1"))
        self.assertFalse(address.is_loopback("192.0.2.1"))
        for version in (4, 6):
            self.assertTrue(address.is_any(address.any_address(version)))


class HostAddressTests(SynchronousTestCase):
    """Addresses that a node can have."""

    def test_good(self) -> None:
        """An address of the right version comes back in canonical form."""
        self.assertEqual(address.host_address("ip", "2001:DB8::1", 6), "2001:db8::1")

    def test_bad(self) -> None:
        """Names, the wrong version, and addresses of many are refused by field."""
        for text in ("node1", "::1", ANY, "224.0.0.1", "255.255.255.255", "0.0.0.9"):
            error = self.assertRaises(
                BadParameter, address.host_address, "primary_ip", text, 4
            )
            self.assertTrue(str(error).startswith("primary_ip: "))

    def test_reasons(self) -> None:
        """The refusal says what the address is instead."""
        for text, reason in (
            ("::", "all or none"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("240.0.0.1", "reserved"),
            ("0.1.2.3", "0.0.0.0/8"),
        ):
            error = self.assertRaises(BadParameter, address.host_address, "ip", text)
            self.assertIn(f"ip: {text} is not an address of a single host", str(error))
            self.assertIn(reason, str(error))

    def test_link_local(self) -> None:
        """A host can have a link-local address, a node cannot."""
        for text in ("fe80::1%eth0", "169.254.0.7"):
            self.assertEqual(address.host_address("ip", text), text)
            error = self.assertRaises(BadParameter, address.node_address, "ip", text)
            self.assertIn("link-local", str(error))
        self.assertEqual(address.node_address("ip", "127.0.0.7", 4), "127.0.0.7")


class HostPortTests(SynchronousTestCase):
    """Host and port in one text."""

    @given(ADDRESSES, PORTS)
    def test_round_trip(self, host: str, port: int) -> None:
        """What was joined is split into the same parts."""
        host = address.canonical(host)
        joined = address.join_host_port(host, port)
        self.assertEqual(address.split_host_port(joined), (host, port))

    def test_defaults(self) -> None:
        """Without a port, the default one counts; a bare IPv6 address has none."""
        for text, host in (
            ("node1.example", "node1.example"),
            ("2001:db8::5", "2001:db8::5"),
            ("[2001:db8::5]", "2001:db8::5"),
        ):
            self.assertEqual(address.split_host_port(text, 1811), (host, 1811))

    def test_no_port(self) -> None:
        """Without a default, a port is needed."""
        self.assertRaises(BadParameter, address.split_host_port, "node1")

    def test_nonsense(self) -> None:
        """What is neither is refused."""
        for text in (
            "",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "a:x",
            "[::1",
            "[::1]x",
            "[a]:1",
        ):
            self.assertRaises(BadParameter, address.split_host_port, text, None)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Whatever the text is, it is split or refused, never worse."""
        try:
            _, port = address.split_host_port(text, 1811)
        except BadParameter:
            return
        self.assertTrue(1 <= port <= 65535)
