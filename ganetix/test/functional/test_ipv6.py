"""A hybrid cluster: IPv6 primaries, IPv4 secondaries, on hosts with a real network."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.trial.unittest import SkipTest, TestCase

from ganetix.api.client import connect
from ganetix.bootstrap.token import decode
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import OpNodeModify
from ganetix.testing.cluster import Output, RealCluster
from ganetix.testing.netns import NetLab, missing_for_netlab

# A node is given 5 s, by a connection that stood as by a new one; then a slow machine.
SILENT_SECONDS = 8.0
# What work elsewhere may take then.
OTHERS_SECONDS = 4.0


class LabCase(TestCase):
    """A test with a cluster on a laboratory of its own; daemons bind by ssconf."""

    timeout = 600
    nodes = 1
    spare: tuple[str, ...] = ()

    async def setUp(self) -> None:  # type: ignore[override]
        """Start it, if this machine can."""
        if missing := missing_for_netlab():
            raise SkipTest(f"no network laboratory here: {missing}")
        names = [f"node{n}" for n in range(1, self.nodes + 1)]
        self.lab = NetLab([*names, *self.spare])
        self.addCleanup(self.lab.unmake)
        self.lab.make()
        self.cluster = RealCluster(reactor, self.lab, self.nodes)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        await self.cluster.start()

    async def gnt(self, *argv: str) -> str:
        """What a command that must succeed prints."""
        return (await self.cluster.gnt(*argv)).out

    async def refused(self, *argv: str, node: str = "node1") -> str:
        """What a command that must fail says: one line, and no traceback."""
        output = await self.cluster.run(*argv, node=node)
        self.assertEqual(output.status, 1, output)
        self.assertNotIn("Traceback", output.err)
        errors = [line for line in output.err.splitlines() if ": error: " in line]
        self.assertEqual(len(errors), 1, output)
        return errors[0]

    async def listed(self, what: str, *fields: str) -> list[list[Any]]:
        """Rows of a list, as JSON holds them."""
        text = await self.gnt(f"gnt-{what}", "list", "--json", "-o", ",".join(fields))
        return [[row[field] for field in fields] for row in json.loads(text)]

    async def add_instance(self, name: str, node: str) -> Output:
        """Add a small instance that must come up."""
        disk = ("-t", "file", "--disk", "0:size=64M", "-o", "noop")
        return await self.cluster.gnt("gnt-instance", "add", *disk, "-n", node, name)

    async def seconds(self, *argv: str) -> tuple[float, Output]:
        """How long a command takes, and how it ends."""
        clock = IReactorTime(reactor)
        began = clock.seconds()
        output = await self.cluster.run(*argv)
        return clock.seconds() - began, output


class HybridTests(LabCase):
    """Three nodes, the hypervisor ``fake``."""

    nodes = 3

    async def test_cut_and_healed(self) -> None:
        """One node is cut off: the others work on, it is told soon, and comes back."""
        await self._all_is_well()
        self.lab.cut("node3")
        took, output = await self.seconds("gnt-instance", "stop", "web-node3")
        self.assertEqual(output.status, 1, output)
        self.assertIn("node3", output.err)
        self.assertLess(took, SILENT_SECONDS, output)
        for argv in (
            ("gnt-instance", "stop", "web-node2"),
            ("gnt-instance", "start", "web-node2"),
            ("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-n", "node1", "w"),
        ):
            took, output = await self.seconds(*argv)
            self.assertEqual(output.status, 0, output)
            self.assertLess(took, OTHERS_SECONDS, output)
        states = dict(await self.listed("instance", "name", "status"))
        self.assertEqual(states["web-node2"], "running")
        self.assertEqual(states["web-node3"], "ERROR_nodedown")
        verified = await self.cluster.run("gnt-cluster", "verify")
        self.assertNotEqual(verified.status, 0, verified)
        self.assertIn("node3", verified.out)
        self.lab.heal("node3")

        async def is_green() -> bool:
            return (await self.cluster.run("gnt-cluster", "verify")).status == 0

        await self.cluster.until(is_green, "verify is green again")
        states = dict(await self.listed("instance", "name", "status"))
        self.assertEqual(states["web-node3"], "running")

    async def _all_is_well(self) -> None:
        """Nodes are found by IPv6, instances run on each, and verify is green."""
        for name in self.cluster.names:
            paths = self.cluster.paths(name)
            family = paths.ssconf("primary_ip_family").read_text()
            self.assertEqual(family, "10\n")
            listening = self.lab.run(name, "/usr/bin/ss", "-Hltn", "sport = :1811")
            self.assertRegex(listening, r"(\*|\[::\]):1811")
            await self.add_instance(f"web-{name}", name)
        rows = await self.listed("node", "name", "pip", "sip")
        wanted = [
            [name, self.lab.ipv6(name), self.lab.ipv4(name)]
            for name in self.cluster.names
        ]
        self.assertEqual(rows, wanted)
        master_ip = self.cluster.paths("node3").ssconf("master_ip").read_text()
        self.assertEqual(master_ip.strip(), self.lab.ipv6("node1"))
        states = await self.listed("instance", "name", "status")
        self.assertEqual({state for _, state in states}, {"running"})
        await self.gnt("gnt-cluster", "verify")


class JoinTests(LabCase):
    """One node, and a host that is to join."""

    spare = ("node2",)

    async def _add(self, *options: str, name: str = "node2") -> str:
        return (await self.gnt("gnt-node", "add", *options, name)).strip()

    async def test_refusals(self) -> None:
        """Addresses that do not suit the cluster are refused, and nothing is kept."""
        six, four = self.lab.ipv6("node2"), self.lab.ipv4("node2")
        for options, reason in (
            ([f"--primary-ip={four}"], "is not an IPv6 address"),
            ([f"--primary-ip={six}"], "--secondary-ip: missing"),
            ([f"--primary-ip={six}", "--secondary-ip=fd00::9"], "ipv6_secondary"),
            ([f"--primary-ip={six}", "--secondary-ip=127.0.0.9"], "loopback"),
            (["--primary-ip=::1", "--secondary-ip=127.0.0.9"], "loopback"),
            (["--primary-ip=fe80::9", f"--secondary-ip={four}"], "link-local"),
            (["--primary-ip=ff02::9", f"--secondary-ip={four}"], "multicast"),
            (
                [f"--primary-ip={self.lab.ipv6('node1')}", f"--secondary-ip={four}"],
                "node node1's",
            ),
            (
                [f"--primary-ip={six}", f"--secondary-ip={self.lab.ipv4('node1')}"],
                "node node1's",
            ),
        ):
            refusal = await self.refused("gnt-node", "add", *options, "node2")
            self.assertIn(reason, refusal)
        await self.refused("gnt-node", "remove", "node2")

    async def test_wrong_host(self) -> None:
        """A token for another host is refused there, before the master is asked."""
        token = await self._add(
            f"--primary-ip={self.lab.ipv6('node2')}9", "--secondary-ip=10.67.0.29"
        )
        (self.cluster.base / "node2").mkdir()
        output = await self.cluster.run("ganetix-node", "join", token, node="node2")
        self.assertEqual(output.status, 1, output)
        self.assertIn("which is not an address of this host", output.err)
        self.assertIn(self.lab.ipv6("node2"), output.err)
        self.assertNotIn("asking", output.err)

    async def test_token_carries_the_address(self) -> None:
        """A new daemon has its address of the token: ``join`` starts it with that."""
        token = await self._add(*self.cluster.address_options("node2"))
        self.assertEqual(decode(token).bind_ip, self.lab.ipv6("node2"))
        self.assertEqual(decode(token).master_ip, self.lab.ipv6("node1"))
        self.lab.cut("node2")
        (self.cluster.base / "node2").mkdir()
        cut_off = await self.cluster.run(
            "ganetix-node", "join", "--no-start", token, node="node2"
        )
        self.assertEqual(cut_off.status, 1, cut_off)
        self.assertIn(f"[{self.lab.ipv6('node1')}]:1811", cut_off.err)
        self.assertFalse(self.cluster.paths("node2").node_key.exists())
        self.lab.heal("node2")
        await self.cluster.gnt(
            "ganetix-node", "join", "--no-start", token, node="node2"
        )

    async def test_secondary_that_is_not_there(self) -> None:
        """A host without the secondary address that was promised is not admitted."""
        token = await self._add(
            f"--primary-ip={self.lab.ipv6('node2')}", "--secondary-ip=10.67.0.99"
        )
        (self.cluster.base / "node2").mkdir()
        await self.cluster.gnt(
            "ganetix-node", "join", "--no-start", token, node="node2"
        )
        self.cluster.start_node("node2")

        async def has_failed() -> bool:
            jobs = await self.listed("job", "summary", "status")
            return ["NODE_ENROL(node2)", "error"] in jobs

        await self.cluster.until(has_failed, "the job that admits node2 has failed")
        ((job_id, _),) = [
            row
            for row in await self.listed("job", "id", "summary")
            if row[1] == "NODE_ENROL(node2)"
        ]
        said = await self.cluster.run("gnt-job", "info", str(job_id))
        self.assertIn("no interface of it has the address 10.67.0.99", said.out)
        self.assertEqual(await self.listed("node", "name"), [["node1"]])

    async def test_moving(self) -> None:
        """A node is moved once it has its new address, and keeps its certificate."""
        await self.cluster.join("node2")
        new = "fd67:6e78::72"
        said = await self._modify(OpNodeModify(name="node2", primary_ip=new))
        self.assertIn(f"cannot be used at {new}", said)
        await self.gnt("gnt-cluster", "verify")
        said = await self._modify(
            OpNodeModify(name="node2", primary_ip=self.lab.ipv6("node1"))
        )
        self.assertIn("node node1's", said)
        self.lab.ip("node2", "addr", "add", f"{new}/64", "dev", "eth0", "nodad")

        async def is_moved() -> bool:
            # An address that did not answer is remembered for a moment.
            return not await self._modify(OpNodeModify(name="node2", primary_ip=new))

        await self.cluster.until(is_moved, "node2 is moved")
        old = f"{self.lab.ipv6('node2')}/64"
        self.lab.ip("node2", "addr", "del", old, "dev", "eth0")
        await self.add_instance("web", "node2")
        await self.gnt("gnt-cluster", "verify")
        known = self.cluster.paths("node2").ssconf("node_primary_ips").read_text()
        self.assertIn(f"node2 {new}\n", known)

    async def _modify(self, op: OpNodeModify) -> str:
        """Change a node; why that failed, empty if it did not."""
        socket = self.cluster.paths().master_socket
        client = await connect(IReactorUNIX(reactor), socket)
        try:
            (job_id,) = await client.submit([SubmitRequest(ops=(op,))])
            (job,) = await client.follow_many([job_id])
            return "" if job.error is None else job.error.message
        finally:
            client.close()
