"""Connections that are kept for the next call, node by node."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTCP
from twisted.web.client import HTTPConnectionPool

from ganetix.flow.settle import settle
from ganetix.objects import Node

POOLED_SECONDS = 80
"""Less than a node keeps an idle connection: it must not be the one that hangs up."""
POOLED_CONNECTIONS = 4


class Kept:
    """The kept connections of each node at its present address."""

    def __init__(self, reactor: IReactorTCP) -> None:
        self._reactor = reactor
        self._pools: dict[tuple[str, str, int], HTTPConnectionPool] = {}

    def of(self, node: Node) -> HTTPConnectionPool:
        """Where connections to this node are found, and put afterwards."""
        place = _place(node)
        if place not in self._pools:
            pool = self._pools[place] = HTTPConnectionPool(self._reactor)
            pool.maxPersistentPerHost = POOLED_CONNECTIONS
            pool.cachedConnectionTimeout = POOLED_SECONDS
        return self._pools[place]

    def discard(self, node: Node, pool: HTTPConnectionPool) -> None:
        """One of its connections broke, so the others may be dead as well.

        Does nothing if that was noticed before.
        """
        if self._pools.get(_place(node)) is pool:
            del self._pools[_place(node)]
            _ = _retire(pool)

    def renew(self) -> None:
        """Make new connections for new calls; those under way go on where they are."""
        while self._pools:
            _ = _retire(self._pools.popitem()[1])

    def close(self) -> Deferred[None]:
        """Close those that are idle; fires when they are closed."""

        async def close() -> None:
            pools = tuple(self._pools.values())
            self._pools.clear()
            await settle(_retire(pool) for pool in pools)

        return Deferred.fromCoroutine(close())


def _retire(pool: HTTPConnectionPool) -> Deferred[None]:
    pool.cachedConnectionTimeout = 0
    closed: Deferred[None] = pool.closeCachedConnections()
    return closed


def _place(node: Node) -> tuple[str, str, int]:
    return (node.uuid, node.primary_ip, node.port)
