"""Tests of ``gnt-cluster``: its state, name, keys, files and queue."""

from __future__ import annotations

import json

from msgspec.structs import replace

from ganetix.errors import NodeUnreachable
from ganetix.jobs.values import Drain
from ganetix.opcodes import OpClusterRedistribute, OpClusterRename, OpClusterRenewCrypto
from ganetix.test.cli.support import CommandTestCase
from ganetix.testing.api import CLUSTER_INFO

INFO = replace(
    CLUSTER_INFO,
    parameters={
        "be/memory": 128,
        "capacity/max_inst_spec": {"memory_mib": 8, "vcpus": 4},
    },
    serial_no=12,
    ctime=1.7e9,
    mtime=1.8e9,
    tags=("prod",),
)


class ClusterTests(CommandTestCase):
    """Commands about the cluster as a whole."""

    async def test_faults(self) -> None:
        """What is wrong with the state medium, and a drain, stand in the info."""
        self.master.info = replace(
            CLUSTER_INFO,
            drain=Drain(since=5.0, reason="upgrade"),
            faults=("state store: the disk is full",),
        )
        self.assertEqual(await self.run_line("gnt-cluster info"), 0)
        self.assertRegex(self.out, "Queue: drained since .*: upgrade\n")
        self.assertIn("Fault: state store: the disk is full\n", self.out)

    async def test_info(self) -> None:
        """Info shows the serial number, tags and every parameter with its origin."""
        self.master.info = replace(INFO, origins={"be/memory": "cluster"})
        await self.run_line("gnt-cluster info")
        self.assertIn("Serial number: 12\nCreated: 20", self.out)
        self.assertIn("\nModified: 20", self.out)
        self.assertIn("\nTags: prod\n", self.out)
        self.assertIn("  be/memory: 128 (cluster)\n", self.out)
        self.assertIn("  capacity/max_inst_spec: memory=8, vcpus=4\n", self.out)

    async def test_getmaster(self) -> None:
        """The master's name comes from ssconf, without a daemon."""
        self.assertEqual(await self.run_line("gnt-cluster getmaster"), 1)
        self.assertIn("this host is in no cluster", self.err)
        path = self.root / "var/lib/ganetix/ssconf_master_node"
        path.parent.mkdir(parents=True)
        path.write_text("node1\n")
        self.assertEqual(await self.run_line("gnt-cluster getmaster"), 0)
        self.assertEqual(self.out, "node1\n")

    async def test_version(self) -> None:
        """Versions of the program and of the master."""
        self.master.info = INFO
        self.assertEqual(await self.run_line("gnt-cluster version"), 0)
        self.assertIn("Software version: 0.1.0\n", self.out)
        self.assertIn("Master's version: 0.1.0\n", self.out)
        await self.run_line("gnt-cluster version --json")
        self.assertEqual(json.loads(self.out)["master"], "0.1.0")

    async def test_version_without_master(self) -> None:
        """Without a master the own version is shown all the same, with status 1."""
        await self.stop_listening()
        self.assertEqual(await self.run_line("gnt-cluster version"), 1)
        self.assertIn("Software version: 0.1.0\n", self.out)
        self.assertIn("the master's version is not known", self.err)
        await self.listen()

    async def test_rename(self) -> None:
        """A name goes to the master; a bad one does not."""
        await self.refused(
            "gnt-cluster rename Not_A_Name", "'Not_A_Name' is not a name"
        )
        await self.run_line("gnt-cluster rename new.example.org")
        self.assertEqual(self.asked(), OpClusterRename(name="new.example.org"))

    async def test_redistribute(self) -> None:
        """Success is counted; nodes that did not take it are named, with status 1."""
        self.master.results[OpClusterRedistribute] = {"nodes": 3, "offline": []}
        self.assertEqual(await self.run_line("gnt-cluster redist-conf"), 0)
        self.assertIn("3 nodes have the current", self.out)
        fault = NodeUnreachable("ssconf did not reach node2")
        self.master.failures[OpClusterRedistribute] = fault
        self.assertEqual(await self.run_line("gnt-cluster redist-conf"), 1)
        self.assertIn("did not reach node2", self.err)

    async def test_renew_crypto(self) -> None:
        """What to renew must be said; nodes may be named."""
        line = "gnt-cluster renew-crypto"
        self.assertEqual(await self.run_line(line), 2)
        self.assertIn("nothing to renew", self.err)
        line += " --new-node-certificates --node node2"
        self.assertEqual(await self.run_line(line), 0)
        op = OpClusterRenewCrypto(new_node_certificates=True, nodes=("node2",))
        self.assertEqual(self.asked(), op)

    async def test_queue(self) -> None:
        """The queue is drained and undrained, and shows how it is."""
        self.assertEqual(await self.run_line("gnt-cluster queue info"), 0)
        self.assertEqual(
            self.out,
            "Queue: takes jobs\n"
            "Jobs: 1 running, 0 waiting for locks, 2 queued; 64 slots\n",
        )
        await self.run_line("gnt-cluster queue drain --reason upgrade")
        self.assertRegex(self.out, "Queue: drained since .*: upgrade\n")
        self.assertEqual(self.err, "")
        await self.run_line("gnt-cluster queue drain")
        self.assertRegex(self.out, "Queue: drained since .*: upgrade\n")
        self.assertIn("the earlier reason stays", self.err)
        await self.run_line("gnt-cluster queue info --json")
        self.assertEqual(json.loads(self.out)["drain"]["reason"], "upgrade")
        await self.run_line("gnt-cluster queue undrain")
        self.assertIn("Queue: takes jobs\n", self.out)
        self.assertEqual(await self.run_line("gnt-cluster queue"), 2)
        self.assertEqual(await self.run_line("gnt-cluster queue stop"), 2)
        self.assertEqual(await self.run_line("gnt-cluster queue info --reason x"), 2)

    async def test_destroy(self) -> None:
        """Destroying needs the word."""
        self.assertEqual(await self.run_line("gnt-cluster destroy"), 2)
        self.assertEqual(self.master.submitted, [])
