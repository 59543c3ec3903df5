"""Probes and names by the real reactor."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from ganetix.netutils.bind import free_port, listen_endpoint
from ganetix.netutils.probe import Reach, probe, reach
from ganetix.netutils.resolve import resolve, resolve_all
from ganetix.test.functional.tls_nodes import port_of

SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "::1")


class ReachTests(TestCase):
    """Loopback addresses."""

    async def _listen(self, ip: str) -> int:
        endpoint = listen_endpoint(reactor, ip, 0)
        port = await endpoint.listen(Factory.forProtocol(Protocol))
        self.addCleanup(port.stopListening)
        return port_of(port)

    async def test_listens(self) -> None:
        """Somebody accepts connections."""
        for ip in LOOPBACK:
            port = await self._listen(ip)
            self.assertIs(await reach(reactor, ip, port, SECONDS), Reach.LISTENS)
            self.assertTrue(await probe(reactor, ip, port, SECONDS))

    async def test_refuses(self) -> None:
        """The host is there, and nobody listens."""
        for ip in LOOPBACK:
            port = free_port(ip)
            self.assertIs(await reach(reactor, ip, port, SECONDS), Reach.REFUSES)

    async def test_any_takes_both(self) -> None:
        """Who listens at all IPv6 addresses is reached by IPv4 as well."""
        port = await self._listen("::")
        for ip in LOOPBACK:
            self.assertTrue(await probe(reactor, ip, port, SECONDS))

    async def test_source(self) -> None:
        """The connection comes from the address that is given, if it is the host's."""
        port = await self._listen("127.0.0.1")
        for source, wanted in (
            ("127.0.0.9", Reach.LISTENS),
            ("198.51.100.7", Reach.SILENT),
        ):
            found = await reach(reactor, "127.0.0.1", port, SECONDS, source)
            self.assertIs(found, wanted)


class ResolveTests(TestCase):
    """The system's resolver."""

    async def test_localhost(self) -> None:
        """Every system knows one name."""
        names = IReactorPluggableNameResolver(reactor)
        self.assertEqual(await resolve(names, "localhost", 4), "127.0.0.1")
        found = await resolve_all(names, "localhost", 4)
        self.assertEqual(found[0], "127.0.0.1")
        self.assertEqual(len(set(found)), len(found))
