"""Where daemons listen, and which addresses are this host's."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.error import TimeoutError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter, WrongState
from ganetix.netutils import bind
from ganetix.netutils.address import any_address
from ganetix.netutils.probe import probe
from ganetix.paths import Paths

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
Local:
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.30
        /32 host LOCAL
"""
IF_INET6 = """\
20010db8000000000000000000000002 04 40 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


class BindAddressTests(SynchronousTestCase):
    """The address to bind, by ssconf or by the administrator's word."""

    def setUp(self) -> None:
        self.paths = Paths(Path(self.mktemp()).absolute())
        self.paths.lib.mkdir(parents=True)

    def _ssconf(self, text: str) -> None:
        self.paths.ssconf("primary_ip_family").write_text(text)

    def test_by_ssconf(self) -> None:
        """The cluster's primary IP version decides."""
        for text, wanted in (("2\n", any_address(4)), ("10\n", "::")):
            self._ssconf(text)
            self.assertEqual(bind.bind_address(self.paths), wanted)

    def test_given(self) -> None:
        """An address that is given counts for more."""
        self._ssconf("2\n")
        self.assertEqual(bind.bind_address(self.paths, "[::1]"), "::1")

    def test_given_nonsense(self) -> None:
        """What is given must be an address."""
        self.assertRaises(BadParameter, bind.bind_address, self.paths, "eth0")

    def test_no_cluster(self) -> None:
        """Without ssconf, IPv4 counts."""
        self.assertEqual(bind.bind_address(self.paths), any_address(4))

    def test_damaged(self) -> None:
        """A family that is none is told with the file's name."""
        self._ssconf("seven\n")
        error = self.assertRaises(WrongState, bind.bind_address, self.paths)
        self.assertIn("ssconf_primary_ip_family", str(error))


class OwnAddressTests(SynchronousTestCase):
    """Addresses of this host."""

    def test_ipv4_table(self) -> None:
        """Local addresses are found in the kernel's table once each."""
        self.assertEqual(
            bind.ipv4_addresses(FIB_TRIE), ("127.0.0.1", "192.0.2.2", "192.0.2.30")
        )

    def test_ipv6_table(self) -> None:
        """IPv6 addresses come in canonical form."""
        self.assertEqual(bind.ipv6_addresses(IF_INET6), ("2001:db8::2", "::1"))

    def test_no_table(self) -> None:
        """A kernel that has no such tables has no addresses to tell."""
        self.assertEqual(bind.own_addresses(Path("/nowhere")), ())

    def test_own(self) -> None:
        """All of 127.0.0.0/8 is this host's; an address for documentation is not."""
        self.assertTrue(bind.is_own_address("127.0.0.13"))
        self.assertFalse(bind.is_own_address("198.51.100.77"))
        self.assertFalse(bind.is_own_address("2001:db8:ffff::77"))

    def test_any(self) -> None:
        """The any-address can be bound, and is still nobody's."""
        self.assertFalse(bind.is_own_address(any_address(4)))


class ProbeTests(SynchronousTestCase):
    """Probing a port, in a reactor's memory."""

    def test_time_out(self) -> None:
        """What does not answer within the time does not listen."""
        reactor = MemoryReactorClock()
        probed = probe(reactor, "192.0.2.1", 1811, 3)
        host, port, factory, timeout, _ = reactor.tcpClients[0]
        self.assertEqual((host, port, timeout), ("192.0.2.1", 1811, 3))
        connector = reactor.connectors[0]
        factory.clientConnectionFailed(connector, Failure(TimeoutError()))
        self.assertFalse(self.successResultOf(probed))

    def test_ipv6(self) -> None:
        """IPv6 addresses are dialled as they are."""
        reactor = MemoryReactorClock()
        probed = probe(reactor, "[2001:db8::1]", 1811, 3)
        self.assertEqual(reactor.tcpClients[0][0], "2001:db8::1")
        probed.cancel()
        self.failureResultOf(probed)
