"""Simulated nodes in a real cluster."""

from __future__ import annotations

import json
import signal

from ganetix.test.functional.test_first_light import ClusterCase


class SimnodesTests(ClusterCase):
    """A real master, and six simulated nodes in two groups."""

    network = 13

    def start_sims(self, *options: str) -> None:
        """Start their daemon."""
        directory = self.cluster.base / "sims"
        directory.mkdir(exist_ok=True)
        prefix = self.cluster.network.partition(".")[0]
        argv = self.cluster.twistd("ganetix-simnodes", "sims", *options)
        network = f"--network=127.{prefix}"
        self.cluster.daemons["sims"] = self.cluster.spawn([*argv, network])

    async def answering(self) -> int:
        """How many nodes answer."""
        listed = await self.gnt("gnt-node", "list", "--no-headers", "-o", "name,ctotal")
        return sum("?" not in line for line in listed.splitlines())

    async def until_answering(self, count: int) -> None:
        """Wait until so many nodes answer."""

        async def do_answer() -> bool:
            return await self.answering() == count

        await self.cluster.until(do_answer, f"{count} nodes answer")

    async def test_life(self) -> None:
        """They join, take instances, are verified, go, and come back."""
        master = f"--master-root={self.cluster.base / 'node1'}"
        self.start_sims(master, "--count=4", "--groups=2", "--memory=2048", "--cpus=5")
        await self.until_answering(5)
        fields = "name,group,mtotal,ctotal,dtotal"
        listed = await self.gnt("gnt-node", "list", "--json", "-o", fields)
        self.assertIn("sim-group2", listed)
        json.loads(listed)
        await self.add_instance("web", "-g", "sim-group1")
        await self.gnt("gnt-cluster", "verify", "--all-groups")
        await self.cluster.end("sims", signal.SIGTERM)
        self.assertEqual(await self.answering(), 1)
        self.start_sims(master, "--count=6", "--groups=2")
        await self.until_answering(7)
        states = await self.gnt("gnt-instance", "list", "--no-headers", "-o", "status")
        self.assertEqual(states.split(), ["running"])

    async def test_tokens(self) -> None:
        """A simulated node joins by a token, too; without any it says what it needs."""
        self.start_sims("--count=1")
        await self.cluster.daemons["sims"].ended
        daemon = await self.cluster.end("sims")
        self.assertIn(b"--master-root must say where", daemon.err)
        self.assertEqual(daemon.status, 1)
        address = f"127.{self.cluster.network}.99"
        added = await self.gnt("gnt-node", "add", f"--primary-ip={address}", "new")
        tokens = self.cluster.base / "tokens"
        tokens.write_text(added)
        self.start_sims(f"--tokens={tokens}")
        await self.until_answering(2)
