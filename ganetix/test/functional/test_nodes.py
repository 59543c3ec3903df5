"""The life of nodes with real daemons: roles, moves, new addresses, reinstallation."""

from __future__ import annotations

import json
import shutil
import signal
from typing import Any

from ganetix.test.functional.test_first_light import ClusterCase
from ganetix.testing.guest import KERNEL_ARGS, build_guest, missing_for_guest


class NodeCase(ClusterCase):
    """Helpers."""

    async def rows(self, program: str, fields: str, *names: str) -> list[Any]:
        """A list as JSON."""
        printed = await self.gnt(program, "list", "--json", "-o", fields, *names)
        rows: list[Any] = json.loads(printed)
        return rows

    async def roles(self) -> dict[str, str]:
        """Roles of all nodes."""
        found = await self.rows("gnt-node", "name,role")
        return {row["name"]: row["role"] for row in found}

    async def whereabouts(self) -> dict[str, tuple[str, str]]:
        """Node and status of all instances."""
        found = await self.rows("gnt-instance", "name,pnode,status")
        return {row["name"]: (row["pnode"], row["status"]) for row in found}

    async def add_diskless(self, name: str, *more: str) -> None:
        """Add an instance without disks."""
        await self.gnt(
            "gnt-instance", "add", "-t", "diskless", "-o", "noop", *more, name
        )


class NodeTests(NodeCase):
    """Three nodes, the hypervisor ``fake``."""

    network = 31
    nodes = 3

    async def test_moves(self) -> None:
        """Migrated, evacuated, failed over from a dead node, which then comes back."""
        for name in ("web1", "web2"):
            await self.add_diskless(name, "-n", "node2")
        await self.add_instance("db1", "-n", "node2")
        await self.gnt("gnt-instance", "migrate", "-n", "node3", "web1")
        self.assertEqual((await self.whereabouts())["web1"], ("node3", "running"))
        error = await self.refused("gnt-instance", "migrate", "db1")
        self.assertIn("on that node only", error)
        await self.gnt("gnt-cluster", "verify")

        # node3 dies with web1 on it.
        await self.cluster.end("node3", signal.SIGKILL)
        self.assertEqual((await self.whereabouts())["web1"][1], "ERROR_nodedown")
        error = await self.refused("gnt-instance", "failover", "-f", "web1")
        self.assertIn("node3 does not answer", error)
        await self.gnt("gnt-node", "modify", "--offline", "yes", "node3")
        self.assertEqual((await self.roles())["node3"], "O")
        self.assertEqual((await self.whereabouts())["web1"][1], "ERROR_nodeoffline")
        printed = await self.gnt("gnt-node", "failover", "-f", "node3")
        self.assertIn("web1: node3 -> ", printed)
        node, status = (await self.whereabouts())["web1"]
        self.assertEqual((node in ("node1", "node2"), status), (True, "running"))

        # It comes back with the old web1 still on it, which is ended.
        error = await self.refused("gnt-node", "modify", "--offline", "no", "node3")
        self.assertIn("node3", error)
        self.cluster.start_node("node3")

        async def is_back() -> bool:
            line = ("gnt-node", "modify", "--offline", "no", "node3")
            return (await self.cluster.run(*line)).status == 0

        await self.cluster.until(is_back, "node3 is back")
        await self.gnt("gnt-cluster", "verify")

        # All that can leave node2 does; db1 cannot, and is named.
        output = await self.cluster.run("gnt-node", "evacuate", "-f", "node2")
        self.assertEqual(output.status, 1)
        self.assertIn("db1: instance db1 cannot leave node node2", output.out)
        homes = {name: home for name, (home, _) in (await self.whereabouts()).items()}
        self.assertEqual(homes.pop("db1"), "node2")
        self.assertNotIn("node2", homes.values())
        await self.gnt("gnt-cluster", "verify")
        await self.gnt("gnt-node", "health")
        volumes = await self.gnt("gnt-node", "volumes", "--json")
        self.assertEqual([row["instance"] for row in json.loads(volumes)], ["db1"])

    async def test_new_address(self) -> None:
        """A node moves to an address at which it answers, and to no other."""
        address = self.cluster.address("node22")
        modify = ("gnt-node", "modify", "--primary-ip", address, "node2")
        error = await self.refused(*modify)
        self.assertIn(f"cannot be used at {address}", error)
        await self.cluster.end("node2")
        argv = self.cluster.twistd("ganetix-node", "node2", "-b", address)
        self.cluster.daemons["node2"] = self.cluster.spawn(argv, "node2")

        async def has_moved() -> bool:
            return (await self.cluster.run(*modify)).status == 0

        await self.cluster.until(has_moved, "node2 has moved")
        await self.gnt("gnt-cluster", "verify")
        # Another node answers there: its certificate is not node3's.
        line = ("gnt-node", "modify", "--primary-ip", address, "node3")
        await self.refused(*line)

    async def test_reinstalled(self) -> None:
        """A node whose host was installed anew joins again as what it was."""
        await self.add_diskless("web1", "-n", "node3")
        await self.gnt("gnt-node", "modify", "--drained", "yes", "node3")
        (before,) = await self.rows("gnt-node", "uuid,role,certificate", "node3")
        await self.cluster.end("node3", signal.SIGKILL)
        shutil.rmtree(self.cluster.base / "node3")
        (self.cluster.base / "node3").mkdir()
        token = await self.gnt("gnt-node", "add", "--readd", "node3")
        reserved = await self.gnt("gnt-node", "list", "--reserved", "--json")
        self.assertEqual(json.loads(reserved)[0]["readd"], True)
        join = ("ganetix-node", "join", "--no-start", token.strip())
        await self.cluster.gnt(*join, node="node3")
        self.cluster.start_node("node3")

        async def is_member() -> bool:
            (row,) = await self.rows("gnt-node", "certificate", "node3")
            return bool(row["certificate"] != before["certificate"])

        await self.cluster.until(is_member, "node3 is a member again")
        (after,) = await self.rows("gnt-node", "uuid,role,certificate", "node3")
        self.assertEqual(
            (after["uuid"], after["role"]), (before["uuid"], before["role"])
        )
        self.assertEqual((await self.whereabouts())["web1"][0], "node3")
        await self.gnt("gnt-instance", "start", "web1")
        await self.gnt("gnt-cluster", "verify")
        second = await self.cluster.run(*join, node="node3")
        self.assertEqual(second.status, 1)

    async def test_pool(self) -> None:
        """The pool of candidates stays at its size, whoever leaves it."""
        self.assertEqual(set((await self.roles()).values()), {"M", "C"})
        await self.gnt("gnt-cluster", "modify", "--candidate-pool-size", "2")
        error = await self.refused("gnt-node", "modify", "--offline", "yes", "node1")
        self.assertIn("is the master", error)
        await self.gnt("gnt-node", "modify", "--master-candidate", "no", "node3")
        self.assertEqual((await self.roles())["node3"], "R")
        demote = ("gnt-node", "modify", "--master-candidate", "no", "node2")
        self.assertIn("--auto-promote promotes node3", await self.refused(*demote))
        await self.gnt(*demote, "--auto-promote")
        self.assertEqual(await self.roles(), {"node1": "M", "node2": "R", "node3": "C"})
        await self.gnt("gnt-node", "modify", "--drained", "yes", "node3")
        self.assertEqual(await self.roles(), {"node1": "M", "node2": "C", "node3": "D"})
        await self.gnt("gnt-node", "remove", "node3")
        error = await self.refused("gnt-node", "powercycle", "node2")
        self.assertIn("no out-of-band helper", error)
        await self.gnt("gnt-cluster", "verify")


class KvmTests(NodeCase):
    """Two nodes, real guests."""

    network = 32
    nodes = 2
    hypervisor = "kvm"
    skip = missing_for_guest() or None

    async def test_migration(self) -> None:
        """A guest goes on on another node, and back; then it is failed over."""
        kernel, initrd = build_guest(self.cluster.base / "guest")
        await self.add_diskless(
            "web1",
            *("-n", "node2", "-B", "memory=112M"),
            "-H",
            f"kvm:kernel_path={kernel},initrd_path={initrd},kernel_args={KERNEL_ARGS}",
        )
        await self.gnt("gnt-instance", "migrate", "web1")
        self.assertEqual((await self.whereabouts())["web1"], ("node1", "running"))
        console = await self.gnt("gnt-instance", "console", "--log", "web1")
        self.assertNotIn("HB 1 ", console)
        await self.gnt("gnt-instance", "migrate", "web1")
        self.assertEqual((await self.whereabouts())["web1"], ("node2", "running"))
        await self.gnt("gnt-cluster", "verify")
        await self.gnt("gnt-instance", "failover", "-f", "--timeout", "0", "web1")
        self.assertEqual((await self.whereabouts())["web1"], ("node1", "running"))
        await self.gnt("gnt-cluster", "verify")
