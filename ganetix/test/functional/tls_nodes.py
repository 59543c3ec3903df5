"""Nodes with real TLS on the loopback interface, for tests."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TypeVar

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.protocols.tls import TLSMemoryBIOFactory

from ganetix.netutils.bind import listen_endpoint
from ganetix.objects import Node
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.server import Handler, RpcResource, RpcSite
from ganetix.rpc.tls import tls_factory
from ganetix.testing.pki import Identity

E = TypeVar("E", bound=Exception)


class TlsNode:
    """A node daemon's RPC end, with handlers and candidates of the test's choice."""

    def __init__(
        self, identity: Identity, handlers: Mapping[str, Handler], *masters: Identity
    ) -> None:
        self.identity = identity
        self.candidates = {each.uuid: (each.fingerprint,) for each in masters}
        self.resource = RpcResource(reactor, handlers, lambda: self.candidates)
        self.site = RpcSite(reactor, self.resource)
        self.ports: list[IListeningPort] = []
        self.factories: list[TLSMemoryBIOFactory] = []

    async def listen(self, ip: str = "127.0.0.1", port: int = 0) -> Node:
        """Start serving; the node as the configuration would have it."""
        factory = tls_factory(self.identity.credentials(), self.site, reactor)
        self.factories.append(factory)
        endpoint = listen_endpoint(reactor, ip, port)
        listening = await endpoint.listen(factory)
        self.ports.append(listening)
        return node_at(self.identity.uuid, ip, port_of(listening))

    def break_connections(self) -> None:
        """Let every connection end without a word, as a cut cable does."""
        for factory in self.factories:
            for protocol in tuple(factory.protocols):
                protocol.abortConnection()

    def freeze(self) -> None:
        """Read nothing more; the kernel goes on taking what is sent."""
        for port in self.ports:
            port.stopReading()  # type: ignore[attr-defined]
        for factory in self.factories:
            for protocol in tuple(factory.protocols):
                protocol.transport.pauseProducing()

    def thaw(self) -> None:
        """Go on with what came in the meantime."""
        for port in self.ports:
            port.startReading()  # type: ignore[attr-defined]
        for factory in self.factories:
            for protocol in tuple(factory.protocols):
                protocol.transport.resumeProducing()

    async def stop(self) -> None:
        """Stop listening."""
        while self.ports:
            await maybeDeferred(self.ports.pop().stopListening)


def node_at(uuid: str, ip: str, port: int) -> Node:
    """A node of the configuration."""
    return Node(
        uuid=uuid,
        name="node1.example",
        group="00000000-0000-4000-8000-0000000000aa",
        primary_ip=ip,
        secondary_ip=ip,
        port=port,
    )


def client_of(identity: Identity) -> NodeRpc:
    """RPC as the node of this identity calls it."""
    return NodeRpc(reactor, creators_of(identity.credentials()))


def port_of(listening: IListeningPort) -> int:
    """The TCP port that the system chose."""
    address = listening.getHost()
    assert isinstance(address, IPv4Address | IPv6Address)
    return address.port


async def error_of(called: Awaitable[object], kind: type[E]) -> E:
    """The error with which a call fails, as it must."""
    try:
        result = await called
    except kind as error:
        return error
    raise AssertionError(f"it did not fail: {result}")
