"""The whole path with real daemons: commands, jobs, nodes, wrong input, restarts."""

from __future__ import annotations

import json
import os
import signal
import stat
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SkipTest, TestCase

from ganetix.errors import GanetixError
from ganetix.node.strays import script_pids
from ganetix.testing.cluster import Output, RealCluster
from ganetix.testing.guest import missing_for_guest

STOP_SECONDS = 5.0


class ClusterCase(TestCase):
    """A test with a cluster of its own."""

    timeout = 600
    network = 2
    nodes = 1
    hypervisor = "fake"

    async def setUp(self) -> None:  # type: ignore[override]
        """Start it."""
        self.cluster = RealCluster(reactor, self.network, self.nodes, self.hypervisor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        await self.cluster.start()

    async def gnt(self, *argv: str) -> str:
        """What a command that must succeed prints."""
        return (await self.cluster.gnt(*argv)).out

    async def refused(self, *argv: str, status: int = 1) -> str:
        """What a command that must fail says: one line, and no traceback."""
        output = await self.cluster.run(*argv)
        self.assertEqual(output.status, status, output)
        self.assertNotIn("Traceback", output.err)
        errors = [line for line in output.err.splitlines() if ": error: " in line]
        self.assertEqual(len(errors), 1, output)
        return errors[0]

    async def add_instance(self, name: str, *more: str) -> Output:
        """Add a small instance that must come up."""
        return await self.cluster.gnt(
            "gnt-instance",
            "add",
            "-t",
            "file",
            "--disk",
            "0:size=64M",
            "-o",
            "noop",
            *more,
            name,
        )


class FirstLightTests(ClusterCase):
    """Two nodes, the hypervisor ``fake``."""

    nodes = 2

    async def test_life_of_an_instance(self) -> None:
        """Added, listed, stopped, started, removed; verify is green all the while."""
        await self.gnt("gnt-group", "add", "gold")
        await self.gnt("gnt-node", "group-add", "silver")
        groups = await self.gnt("gnt-group", "list", "--no-headers", "-o", "name")
        self.assertEqual(groups.split(), ["default", "gold", "silver"])
        await self.add_instance("web1", "-n", "node2", "-B", "memory=128M,vcpus=2")
        (row,) = json.loads(
            await self.gnt(
                "gnt-instance",
                "list",
                "--json",
                "-o",
                "name,status,pnode,be/memory,be/vcpus",
            )
        )
        self.assertEqual(row["status"], "running")
        self.assertEqual(row["pnode"], "node2")
        self.assertEqual((row["be/memory"], row["be/vcpus"]), (128, 2))
        await self.gnt("gnt-instance", "stop", "web1")
        self.assertEqual(await self.status("web1"), "ADMIN_down")
        await self.gnt("gnt-instance", "start", "web1")
        await self.gnt("gnt-instance", "reboot", "web1")
        self.assertEqual(await self.status("web1"), "running")
        await self.gnt("gnt-cluster", "verify")
        console = await self.gnt("gnt-instance", "console", "--log", "web1")
        self.assertTrue(console.strip())
        await self.gnt("gnt-instance", "remove", "-f", "web1")
        self.assertEqual(await self.gnt("gnt-instance", "list", "--no-headers"), "")
        await self.gnt("gnt-cluster", "verify")

    async def status(self, name: str) -> str:
        """An instance's status word."""
        listed = await self.gnt(
            "gnt-instance", "list", "--no-headers", "-o", "status", name
        )
        return listed.strip()

    async def test_wrong_input(self) -> None:
        """Each wrong input gives one clear line, and changes nothing."""
        await self.add_instance("web1", "-n", "node1")
        before = await self.gnt("gnt-instance", "list", "-o", "+serial_no,disk.sizes")
        add = ("gnt-instance", "add", "-t", "file", "-o", "noop")
        disk = ("--disk", "0:size=64M")
        uuid = "01234567-89ab-4cde-8f01-23456789abcd"
        for argv, shown, status in (
            ((*add, *disk, "-n", "node7", "new1"), "node7", 1),
            ((*add, *disk, "-n", uuid, "new1"), uuid, 1),
            ((*add, *disk, "-n", "node1", "web1"), "web1", 1),
            ((*add, *disk, "-g", "bronze", "new1"), "bronze", 1),
            ((*add, *disk, "-B", "memory=0", "new1"), "memory", 2),
            ((*add, *disk, "-B", "memory=900T", "new1"), "memory", 2),
            ((*add, *disk, "-B", "vcpu=1", "new1"), "vcpu", 2),
            ((*add, "--disk", "0:size=900T", "-n", "node1", "new1"), "MiB", 1),
            ((*add, "--disk", "0:size=-1", "new1"), "size", 2),
            ((*add, "new1"), "disk", 2),
            ((*add, *disk, "-n", "node1", "Not_A_Name"), "Not_A_Name", 2),
            (
                ("gnt-instance", "add", "-t", "zip", "-o", "noop", *disk, "x1"),
                "zip",
                1,
            ),
            (
                ("gnt-instance", "add", "-t", "file", "-o", "beos", *disk, "x1"),
                "beos",
                1,
            ),
            (("gnt-instance", "start", "web9"), "web9", 1),
            (("gnt-instance", "info", uuid), uuid, 1),
            (("gnt-instance", "list", "-o", "nam"), "name", 2),
            (("gnt-instance", "frobnicate"), "frobnicate", 2),
            (("gnt-node", "add", "no-such-host.invalid"), "no-such-host.invalid", 1),
            (("gnt-node", "add", "--primary-ip=here", "node8"), "here", 1),
            (
                (
                    "gnt-node",
                    "add",
                    f"--primary-ip={self.cluster.address('node1')}",
                    "node8",
                ),
                "node1",
                1,
            ),
            (("gnt-node", "remove", "node1"), "master", 1),
            (("gnt-node", "remove", "node9"), "node9", 1),
            (("gnt-group", "add", "default"), "default", 1),
            (("gnt-group", "add", "no spaces"), "no spaces", 2),
            (("gnt-job", "info", "999"), "999", 1),
            (("gnt-job", "info", "abc"), "abc", 2),
            (("gnt-job", "cancel", "999"), "999", 1),
            (("gnt-cluster", "destroy", "--yes-do-it"), "web1", 1),
            (("gnt-cluster", "destroy"), "--yes-do-it", 2),
            (
                (
                    "gnt-cluster",
                    "init",
                    "--node-name=n",
                    f"--primary-ip={self.cluster.address('node1')}",
                    "other.example",
                ),
                "already",
                1,
            ),
        ):
            line = await self.refused(*argv, status=status)
            self.assertIn(shown, line)
        after = await self.gnt("gnt-instance", "list", "-o", "+serial_no,disk.sizes")
        self.assertEqual(after, before)
        self.assertEqual(
            await self.gnt("gnt-group", "list", "--no-headers", "-o", "name"),
            "default\n",
        )

    async def test_node_down(self) -> None:
        """A node that is down fails its own operations at once, and no others."""
        await self.add_instance("web1", "-n", "node1")
        await self.add_instance("web2", "-n", "node2")
        await self.cluster.end("node2", signal.SIGKILL)
        line = await self.refused("gnt-instance", "stop", "web2")
        self.assertIn("node2", line)
        self.assertEqual(await self.status("web2"), "ERROR_nodedown")
        await self.gnt("gnt-instance", "stop", "web1")
        verified = await self.cluster.run("gnt-cluster", "verify")
        self.assertEqual(verified.status, 1)
        self.assertIn("ENODERPC", verified.out)
        self.cluster.start_node("node2")

        await self.cluster.until(
            self.cluster.is_green, "verify is green once the node is back"
        )
        self.assertEqual(await self.status("web2"), "running")

    async def test_node_dies_during_creation(self) -> None:
        """What its death leaves behind is cleared by itself when it is back."""
        paths = self.cluster.paths("node2")
        definition = paths.etc / "os/slow"
        definition.mkdir(parents=True)
        for name in ("create", "import", "export", "rename", "verify"):
            script = definition / name
            body = "sleep 1000" if name == "create" else "exit 0"
            script.write_text(f"#!/bin/sh\necho working\n{body}\n")
            script.chmod(0o755)
        (definition / "ganeti_api_version").write_text("20\n")
        submitted = await self.gnt(
            "gnt-instance",
            "add",
            "--submit",
            "-t",
            "file",
            "--disk",
            "0:size=64M",
            "-o",
            "slow",
            "-n",
            "node2",
            "web1",
        )
        job_id = submitted.strip()

        async def works() -> bool:
            return "working" in await self.gnt("gnt-job", "info", job_id)

        await self.cluster.until(works, "the OS script runs")
        await self.cluster.end("node2", signal.SIGKILL)
        waited = await self.cluster.run("gnt-job", "wait", job_id)
        self.assertEqual(waited.status, 1)
        self.assertEqual(await self.gnt("gnt-instance", "list", "--no-headers"), "")
        (instance_uuid,) = os.listdir(paths.file_storage)
        self.assertNotEqual(script_pids(instance_uuid), [])
        self.cluster.start_node("node2")

        async def is_clear() -> bool:
            left = [p for p in paths.file_storage.rglob("*") if p.exists()]
            return not left and await self.cluster.is_green()

        await self.cluster.until(is_clear, "nothing is left on the node")
        self.assertEqual(script_pids(instance_uuid), [])

    async def test_jobs(self) -> None:
        """Submitted, listed, explained, cancelled, waited for."""
        first = (
            await self.gnt("gnt-debug", "delay", "--submit", "-n", "node1", "1000")
        ).strip()
        second = (
            await self.gnt("gnt-debug", "delay", "--submit", "-n", "node1", "0")
        ).strip()

        async def waits() -> bool:
            listed = await self.gnt("gnt-job", "list", "-o", "id,status,why", second)
            return f"job {first}" in listed

        await self.cluster.until(waits, "the second job says whom it waits for")
        await self.gnt("gnt-job", "cancel", second)
        listed = await self.gnt(
            "gnt-job", "list", "--no-headers", "-o", "status", second
        )
        self.assertEqual(listed.strip(), "canceled")
        locks = await self.gnt("gnt-debug", "locks")
        self.assertIn("node1", locks)

    async def test_secrets(self) -> None:
        """Keys and state are the owner's alone; the socket is the group's too."""
        for name in ("node1", "node2"):
            paths = self.cluster.paths(name)
            self.assert_mode(paths.node_key, 0o600)
        paths = self.cluster.paths()
        self.assert_mode(paths.ca_key, 0o600)
        self.assert_mode(paths.state_db, 0o600)
        self.assert_mode(paths.master_socket, 0o660)
        # It is a master candidate.
        self.assert_mode(self.cluster.paths("node2").ca_key, 0o600)

    def assert_mode(self, path: Any, mode: int) -> None:
        """A file has exactly these permissions."""
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode, str(path))

    async def test_daemons_stop_in_time(self) -> None:
        """Daemons end within five seconds of SIGTERM, by that signal at worst."""
        clock = IReactorTime(reactor)
        for name in ("master", "node2", "node1"):
            began = clock.seconds()
            daemon = await self.cluster.end(name)
            self.assertIn(daemon.status, (0, -signal.SIGTERM), daemon.err)
            self.assertLess(clock.seconds() - began, STOP_SECONDS)
        line = await self.refused("gnt-instance", "list")
        self.assertIn("ganetix-master does not run here", line)
        master = await self.gnt("gnt-cluster", "getmaster")
        self.assertEqual(master.strip(), "node1")

    async def test_leaving(self) -> None:
        """A removed node forgets the cluster, and the last one ends it."""
        await self.gnt("gnt-node", "remove", "node2")
        self.assertFalse(self.cluster.paths("node2").node_key.exists())
        await self.gnt("gnt-cluster", "destroy", "--yes-do-it")
        for name in ("master", "node1", "node2"):
            daemon = self.cluster.daemons.pop(name)
            if daemon.status is None:
                await daemon.ended
            self.assertEqual(daemon.status, 0)
        self.assertFalse(self.cluster.paths().state_db.exists())
        self.assertFalse(self.cluster.paths().ca_key.exists())
        await self.cluster.init()


class GuestTests(ClusterCase):
    """One node that runs a real guest under QEMU."""

    network = 3
    hypervisor = "kvm"

    async def setUp(self) -> None:  # type: ignore[override]
        """Start it, if this host can run guests."""
        if missing := missing_for_guest():
            raise SkipTest(f"no guests here: {missing}")
        await super().setUp()

    async def test_guest_outlives_daemons(self) -> None:
        """The heartbeat goes on while both daemons are killed and started again."""
        await self.gnt(
            "gnt-instance",
            "add",
            "-t",
            "file",
            "--disk",
            "0:size=64M",
            "-B",
            "memory=128M",
            "-o",
            "tiny",
            "-n",
            "node1",
            "web1",
        )
        await self.beats_after(0)
        for number in (signal.SIGKILL, signal.SIGTERM):
            before = await self.last_beat()
            await self.cluster.end("master", number)
            await self.cluster.end("node1", number)
            self.cluster.start_node("node1")
            await self.cluster.start_master()
            await self.beats_after(before)
            await self.gnt("gnt-cluster", "verify")
        stopped = await self.cluster.gnt("gnt-instance", "stop", "web1")
        self.assertIn("powered off", stopped.err)
        await self.gnt("gnt-instance", "start", "web1")
        await self.gnt("gnt-instance", "remove", "-f", "web1")
        self.assertEqual(os.listdir(self.cluster.paths().file_storage), [])

    async def last_beat(self) -> int:
        """The number of the last heartbeat on the console."""
        try:
            console = await self.cluster.ask(lambda api: api.console_tail("web1", 20))
        except GanetixError:
            return 0  # its node's daemon is not up yet
        beats = [line for line in console.splitlines() if line.startswith("HB ")]
        return int(beats[-1].split()[1]) if beats else 0

    async def beats_after(self, number: int) -> None:
        """Wait for a heartbeat beyond a number."""

        async def beats() -> bool:
            return await self.last_beat() > number

        await self.cluster.until(beats, f"a heartbeat after number {number}")
