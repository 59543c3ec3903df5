"""Real daemons that start where something is wrong."""

from __future__ import annotations

import signal

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from ganetix.testing.cluster import RealCluster


class StartTests(TestCase):
    """A cluster that was initialised; its daemons do not run yet."""

    timeout = 300

    async def setUp(self) -> None:  # type: ignore[override]
        """Initialise it."""
        self.cluster = RealCluster(reactor, 4)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        (self.cluster.base / "node1").mkdir()
        await self.cluster.init()

    async def test_socket_of_a_dead_master(self) -> None:
        """A master that was killed does not keep the next one from starting, even if
        another process has its number by now."""
        await self.cluster.start_master()
        await self.cluster.gnt("gnt-cluster", "info")
        await self.cluster.end("master", signal.SIGKILL)
        socket = self.cluster.paths().master_socket
        self.assertTrue(socket.exists())
        socket.with_name("master.sock.lock").symlink_to("1")
        argv = self.cluster.twistd("ganetix-master", "node1")
        self.cluster.daemons["master"] = self.cluster.spawn(argv)

        async def answers() -> bool:
            return (await self.cluster.run("gnt-cluster", "info")).status == 0

        await self.cluster.until(answers, "the master answers")

    async def test_second_master(self) -> None:
        """A second master leaves the first one and its socket alone."""
        await self.cluster.start_master()
        argv = self.cluster.twistd("ganetix-master", "node1")
        second = self.cluster.spawn(argv)
        await second.ended
        self.assertEqual(second.status, 1)
        self.assertNotIn(b"Traceback", second.err)
        await self.cluster.gnt("gnt-cluster", "info")

    async def test_address_in_use(self) -> None:
        """A second node daemon ends at once, and says what is in its way."""
        self.cluster.start_node("node1")
        await self.cluster.start_master()
        await self.cluster.until(self.cluster.is_green, "the node answers")
        address = self.cluster.address("node1")
        argv = self.cluster.twistd("ganetix-node", "node1", "-b", address)
        second = self.cluster.spawn(argv)
        self.cluster.daemons["second"] = second
        await second.ended
        self.assertEqual(second.status, 1)
        self.assertIn(b"cannot be bound", second.err)
        self.assertNotIn(b"Traceback", second.err)
        self.assertTrue(await self.cluster.is_green())

    async def test_directories_cannot_be_made(self) -> None:
        """A daemon that cannot make its directories says so in one line."""
        run = self.cluster.paths().run
        for path in (run / "guests", run, run.parent):
            path.rmdir()
        run.parent.write_text("in the way")
        for plugin in ("ganetix-master", "ganetix-node"):
            daemon = self.cluster.spawn(self.cluster.twistd(plugin, "node1"))
            await daemon.ended
            said = daemon.out + daemon.err
            self.assertEqual(daemon.status, 1, said)
            self.assertNotIn(b"Traceback", said)
            self.assertIn(f"cannot make {run}".encode(), said)
