"""Where daemons listen."""

from __future__ import annotations

import socket
from pathlib import Path

from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter, NoResources, WrongState
from ganetix.netutils import bind
from ganetix.netutils.address import any_address
from ganetix.paths import Paths


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


class FreePortTests(SynchronousTestCase):
    """Ports that nobody listens on."""

    def test_any(self) -> None:
        """The kernel chooses one, of either family."""
        for ip in ("127.0.0.1", "::1"):
            self.assertGreater(bind.free_port(ip), 0)

    def test_taken(self) -> None:
        """A port that somebody listens on is passed over."""
        with socket.create_server(("127.0.0.13", 0)) as taken:
            port = taken.getsockname()[1]
            free = bind.free_port("127.0.0.14")
            self.assertEqual(bind.free_port("127.0.0.13", (port, free)), free)
            error = self.assertRaises(
                NoResources, bind.free_port, "127.0.0.13", (port,)
            )
            self.assertIn("127.0.0.13", str(error))

    def test_not_ours(self) -> None:
        """An address of another host is told."""
        error = self.assertRaises(WrongState, bind.free_port, "198.51.100.7")
        self.assertIn("198.51.100.7 cannot be bound", str(error))


class ListenTests(SynchronousTestCase):
    """Endpoints of either family."""

    def test_families(self) -> None:
        """The address decides the family, and is bound in its canonical form."""
        for text, interface in (("127.0.0.13", "127.0.0.13"), ("[::1]", "::1")):
            reactor = MemoryReactorClock()
            endpoint = bind.listen_endpoint(reactor, text, 1811)
            _ = endpoint.listen(Factory())
            port, _, _, bound = reactor.tcpServers[0]
            self.assertEqual((port, bound), (1811, interface))
