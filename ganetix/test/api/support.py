"""A served fake master, for tests over a real UNIX socket."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.interfaces import IListeningPort, IReactorUNIX
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from ganetix.api.client import ApiClient, connect
from ganetix.api.server import ApiFactory
from ganetix.errors import GanetixError
from ganetix.testing.api import FakeMaster


class ServedMasterTestCase(TestCase):
    """Tests with a ``FakeMaster`` behind a UNIX socket of its own.

    The socket is in a short temporary path: UNIX sockets' paths are bounded.
    """

    timeout = 20

    async def setUp(self) -> None:  # type: ignore[override]
        """Listen."""
        directory = tempfile.TemporaryDirectory(prefix="gnx")
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.socket_path = self.root / "run/ganetix/master.sock"
        self.socket_path.parent.mkdir(parents=True)
        self.master = FakeMaster()
        self.clients: list[ApiClient] = []
        self.said: list[str] = []
        await self.listen()
        self.addCleanup(self.stop_listening)
        self.addCleanup(self.close_clients)

    async def listen(self) -> None:
        """Start to serve."""
        self.factory = ApiFactory(self.master)
        endpoint = UNIXServerEndpoint(reactor, str(self.socket_path), mode=0o660)
        self.port: IListeningPort = await endpoint.listen(self.factory)

    async def stop_listening(self) -> None:
        """Stop, as a master that ends does."""
        await maybeDeferred(self.port.stopListening)
        self.factory.hang_up()
        await self.until(lambda: not self.factory.connections)

    async def close_clients(self) -> None:
        """Hang up all clients."""
        for client in self.clients:
            client.close()
        await self.until(lambda: not self.factory.connections)

    async def client(self) -> ApiClient:
        """A connected client."""
        client = await connect(
            IReactorUNIX(reactor), self.socket_path, say=self.said.append
        )
        self.clients.append(client)
        return client

    async def until(self, condition: object) -> None:
        """Turn the reactor until the condition holds; the time-out ends it."""
        assert callable(condition)
        while not condition():
            await deferLater(reactor, 0.001)

    async def failure(self, answer: Awaitable[object]) -> GanetixError:
        """The error that the answer is."""
        try:
            await answer
        except GanetixError as error:
            return error
        self.fail("it succeeded")
