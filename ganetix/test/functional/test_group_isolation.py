"""A group whose hosts are frozen does not slow down another group (R18)."""

from __future__ import annotations

import signal
import time

from ganetix.test.functional.test_first_light import ClusterCase

AT_ONCE_SECONDS = 5.0
"""Whoever waited for a node that does not answer would take longer than that."""


class GroupIsolationTests(ClusterCase):
    """Two nodes in the default group; two in ``far``, which are stopped by SIGSTOP."""

    network = 12
    nodes = 2
    far = ("node3", "node4")

    async def setUp(self) -> None:  # type: ignore[override]
        """Freeze the far nodes once they are members."""
        await super().setUp()
        # Without a majority of the master candidates nothing is acknowledged at all.
        await self.gnt("gnt-cluster", "modify", "--candidate-pool-size=2")
        await self.gnt("gnt-group", "add", "far")
        for name in self.far:
            (self.cluster.base / name).mkdir()
            await self.cluster.join(name, "far")
        for name in self.far:
            self.cluster.daemons[name].kill(signal.SIGSTOP)

    async def at_once(self, *argv: str) -> str:
        """What a command prints, which waits for no far node."""
        began = time.monotonic()
        out = await self.gnt(*argv)
        self.assertLess(time.monotonic() - began, AT_ONCE_SECONDS, argv)
        return out

    async def test_near_works(self) -> None:
        """Everything works in the near group; the far one says what is wrong."""
        near = ("-g", "default")
        instance = ("add", "-t", "diskless", "-o", "noop", *near, "web")
        await self.at_once("gnt-instance", *instance)
        await self.at_once("gnt-instance", "stop", "web")
        await self.at_once("gnt-instance", "start", "web")
        await self.at_once("gnt-cluster", "verify")
        await self.at_once("gnt-os", "list")
        listed = await self.at_once("gnt-node", "list", "--no-headers", *near)
        self.assertNotIn("?", listed)
        (self.cluster.base / "node5").mkdir()
        await self.cluster.join("node5")
        listed = await self.at_once("gnt-node", "list", "--no-headers", *near)
        self.assertIn("node5", listed)
        await self.at_once("gnt-instance", "remove", "-f", "web")
        listed = await self.gnt("gnt-node", "list", "--no-headers", "-g", "far")
        self.assertEqual(listed.count("?") > 0, True)
        again = await self.at_once("gnt-node", "list", "--no-headers", "-g", "far")
        self.assertEqual(again, listed)
        found = await self.cluster.run("gnt-cluster", "verify", "-g", "far")
        self.assertNotEqual(found.status, 0)
        self.assertIn("is not reachable since", found.out + found.err)
        for name in self.far:
            self.cluster.daemons[name].kill(signal.SIGCONT)

        async def is_back() -> bool:
            listed = await self.gnt("gnt-node", "list", "--no-headers", "-g", "far")
            return "?" not in listed

        await self.cluster.until(is_back, "the far nodes answer again")
