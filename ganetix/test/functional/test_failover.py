"""Fail-over with real daemons: the master dies, or is cut off, under load."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase

from ganetix.api.client import ApiClient
from ganetix.errors import GanetixError
from ganetix.flow.tasks import TaskSet
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import OpTestDelay
from ganetix.paths import Paths
from ganetix.tap.common import NOT_MASTER_STATUS
from ganetix.testing.cluster import RealCluster, Running
from ganetix.testing.netns import NetLab, missing_for_netlab

CLIENTS = 4
MASTER_IP = "fd67:6e78::aa"


def _reactor() -> Any:
    return reactor


class Load:
    """Clients that submit short jobs to one master; ``taken`` are those it took."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._tasks = TaskSet()
        self._is_over = False
        self.taken: set[int] = set()
        self.refusals: list[str] = []

    def start(self) -> None:
        """Begin."""
        for number in range(CLIENTS):
            self._tasks.spawn(f"client {number}", self._submit())

    async def stop(self) -> None:
        """End."""
        self._is_over = True
        await self._tasks.stop()

    async def _submit(self) -> None:
        client = ApiClient(_reactor(), self._paths.master_socket, "", lambda _: None)
        request = SubmitRequest(ops=(OpTestDelay(duration=0.01),))
        while not self._is_over:
            try:
                self.taken.update(await client.submit([request]))
            except GanetixError as error:
                self.refusals.append(error.message)
                await deferLater(_reactor(), 0.1)
            except ConnectingCancelledError:
                break
        client.close()


class FailoverCase(TestCase):
    """Three candidates in step, node1 the master."""

    timeout = 600

    async def begin(self, network: int | NetLab, nodes: int = 3) -> None:
        """Start the cluster, and wait until its candidates are in step."""
        self.cluster = RealCluster(reactor, network, nodes)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        await self.cluster.start()
        await self.in_step("node1", set(self.cluster.names))

    async def info(self, name: str) -> dict[str, Any]:
        """``gnt-cluster info`` on a node; empty if it fails."""
        output = await self.cluster.run("gnt-cluster", "info", "--json", node=name)
        found: dict[str, Any] = json.loads(output.out) if output.status == 0 else {}
        return found

    async def in_step(self, master: str, names: set[str]) -> None:
        """Wait until just these are in step."""

        async def are_in_step() -> bool:
            info = await self.info(master)
            candidates = info.get("candidates", [])
            return {each["name"] for each in candidates if each["in_step"]} == names

        await self.cluster.until(are_in_step, f"{names} are in step")

    async def jobs(self, name: str) -> set[int]:
        """The numbers of all jobs that a master knows."""
        listed = await self.cluster.gnt(
            "gnt-job", "list", "--no-headers", "-o", "id", node=name
        )
        return {int(line) for line in listed.out.split()}

    async def start_master(self, name: str) -> Running:
        """Start the master daemon on a node, and wait until it answers."""
        daemon = self.cluster.spawn(self.cluster.twistd("ganetix-master", name), name)
        self.cluster.daemons[f"master {name}"] = daemon

        async def answers() -> bool:
            pinged = await self.cluster.run("gnt-cluster", "master-ping", node=name)
            return pinged.status == 0 or daemon.status is not None

        await self.cluster.until(answers, f"the master on {name} answers")
        self.assertIsNone(daemon.status, daemon.err.decode())
        return daemon

    async def refused_start(self, name: str) -> str:
        """Start the master daemon on a node where that is refused; what it says."""
        daemon = self.cluster.spawn(self.cluster.twistd("ganetix-master", name), name)
        await daemon.ended
        self.assertEqual(daemon.status, NOT_MASTER_STATUS, daemon.err.decode())
        return daemon.err.decode()

    async def write(self, name: str) -> None:
        """Have the master on a node do a job, to its end."""
        await self.cluster.gnt("gnt-debug", "delay", "0.01", node=name)


class DeadMasterTests(FailoverCase):
    """The master's node dies."""

    async def test_killed_under_load(self) -> None:
        """All jobs that were acknowledged are known to the new master."""
        await self.begin(81)
        load = Load(self.cluster.paths("node1"))
        self.addCleanup(lambda: Deferred.fromCoroutine(load.stop()))
        load.start()
        await deferLater(_reactor(), 3.0)
        await self.cluster.end("master", signal.SIGKILL)
        await self.cluster.end("node1", signal.SIGKILL)
        await load.stop()
        self.assertGreater(len(load.taken), 20)
        self.assertIn("not the master", await self.refused_start("node2"))
        rehearsal = await self.cluster.gnt(
            "gnt-cluster", "master-failover", "--dry-run", node="node2"
        )
        self.assertIn("nothing was changed", rehearsal.out)
        await self.cluster.gnt("gnt-cluster", "master-failover", node="node2")
        await self.start_master("node2")
        await self.write("node2")
        self.assertEqual(load.taken - await self.jobs("node2"), set())
        info = await self.info("node2")
        self.assertEqual((info["master_node"], info["epoch"]), ("node2", 2))
        master = await self.cluster.gnt("gnt-cluster", "getmaster", node="node3")
        self.assertEqual(master.out.strip(), "node2")
        # The old master comes back, and becomes a candidate like the others.
        self.cluster.start_node("node1")
        await self.in_step("node2", {"node1", "node2", "node3"})
        self.assertIn("no longer master: node2 is", await self.refused_start("node1"))
        self.assertEqual(
            self.cluster.paths("node2").ca_key.stat().st_mode & 0o777, 0o600
        )
        self.assertEqual(
            self.cluster.paths("node2").ca_key.read_bytes(),
            self.cluster.paths("node1").ca_key.read_bytes(),
        )

    async def test_no_majority(self) -> None:
        """One of three alone acknowledges nothing, and cannot take over."""
        await self.begin(82)
        await self.cluster.end("node2", signal.SIGKILL)
        await self.in_step("node1", {"node1", "node3"})
        await self.write("node1")
        await self.cluster.end("node3", signal.SIGKILL)

        async def is_told() -> bool:
            faults = (await self.info("node1")).get("faults", [])
            return any("no majority" in fault for fault in faults)

        await self.cluster.until(is_told, "info tells of the missing majority")
        refused = await self.cluster.run("gnt-debug", "delay", "0.01", node="node1")
        self.assertEqual(refused.status, 1)
        self.assertIn("no majority of the master candidates", refused.err)
        await self.cluster.end("master", signal.SIGKILL)
        await self.cluster.end("node1", signal.SIGKILL)
        self.cluster.start_node("node3")

        async def refuses() -> bool:
            output = await self.cluster.run(
                "gnt-cluster", "master-failover", node="node3"
            )
            self.assertEqual(output.status, 1)
            return "1 of 3 nodes answer, 2 are needed" in output.err

        await self.cluster.until(refuses, "one of three is refused")
        refused = await self.cluster.run(
            "gnt-cluster", "master-failover", "--no-voting", node="node3"
        )
        self.assertEqual(refused.status, 1)
        self.assertIn("node1, node2", refused.err)
        await self.cluster.gnt(
            "gnt-cluster",
            "master-failover",
            "--no-voting",
            "--accept-loss",
            node="node3",
        )
        await self.start_master("node3")
        await self.write("node3")


class HandOverTests(FailoverCase):
    """The master lives, and can be asked."""

    async def test_under_load(self) -> None:
        """It ends in order, and stays down; nothing that it took is missing."""
        await self.begin(84)
        load = Load(self.cluster.paths("node1"))
        self.addCleanup(lambda: Deferred.fromCoroutine(load.stop()))
        load.start()
        await deferLater(_reactor(), 1.0)
        rehearsal = await self.cluster.gnt(
            "gnt-cluster", "master-failover", "--dry-run", node="node2"
        )
        self.assertIn("its master daemon runs", rehearsal.err)
        taken = len(load.taken)
        old = self.cluster.daemons["master"]
        said = await self.cluster.gnt("gnt-cluster", "master-failover", node="node2")
        self.assertIn("the master daemon of node1 is asked to end", said.err)
        await load.stop()
        self.assertEqual(old.status, 0)
        self.assertIn(b"node2 takes over: this master ends", old.err)
        self.assertGreater(len(load.taken), taken)
        await self.start_master("node2")
        await self.write("node2")
        self.assertEqual(load.taken - await self.jobs("node2"), set())
        self.assertIn("no longer master: node2 is", await self.refused_start("node1"))
        itself = await self.cluster.run("gnt-cluster", "master-failover", node="node2")
        self.assertEqual(itself.status, 1)
        self.assertIn("this node is the master", itself.err)
        # And back, the same way.
        await self.cluster.gnt("gnt-cluster", "master-failover", node="node1")
        await self.start_master("node1")
        await self.write("node1")
        self.assertEqual(load.taken - await self.jobs("node1"), set())


class TwoNodesTests(FailoverCase):
    """Two nodes only: no majority without both."""

    async def test_no_voting(self) -> None:
        """The one that is left takes over by the administrator's word, with warning."""
        await self.begin(85, 2)
        await self.write("node1")
        jobs = await self.jobs("node1")
        await self.cluster.end("master", signal.SIGKILL)
        await self.cluster.end("node1", signal.SIGKILL)
        refused = await self.cluster.run("gnt-cluster", "master-failover", node="node2")
        self.assertEqual(refused.status, 1)
        self.assertIn("1 of 2 nodes answer, 2 are needed", refused.err)
        self.assertIn("--no-voting", refused.err)
        said = await self.cluster.gnt(
            "gnt-cluster", "master-failover", "--no-voting", node="node2"
        )
        self.assertIn("there are two masters now", said.err)
        await self.start_master("node2")
        await self.write("node2")
        self.assertEqual(jobs - await self.jobs("node2"), set())
        self.cluster.start_node("node1")
        await self.in_step("node2", {"node1", "node2"})
        self.assertIn("no longer master: node2 is", await self.refused_start("node1"))


class CutMasterTests(FailoverCase):
    """The master's node is cut off, and lives."""

    async def test_cut_off(self) -> None:
        """It acknowledges nothing any more, and stands down when it is healed.

        That takes no candidate: any node that knows of the new master refuses to obey
        the old one. The role's address goes with it: it is on the new master's host
        then, and on no other one.
        """
        if missing := missing_for_netlab():
            raise SkipTest(f"no network laboratory here: {missing}")
        lab = NetLab(["node1", "node2", "node3", "node4"])
        self.addCleanup(lab.unmake)
        lab.make()
        await self.begin(lab)
        await self.cluster.gnt("gnt-cluster", "modify", "--candidate-pool-size=3")
        (self.cluster.base / "node4").mkdir()
        await self.cluster.join("node4")
        await self.cluster.gnt(
            "gnt-cluster",
            "modify",
            f"--master-ip={MASTER_IP}",
            "--master-netdev=eth0",
            "--master-netmask=64",
        )
        await self.address_on(lab, "node1")
        load = Load(self.cluster.paths("node1"))
        self.addCleanup(lambda: Deferred.fromCoroutine(load.stop()))
        load.start()
        await deferLater(_reactor(), 2.0)
        lab.cut("node1")
        await deferLater(_reactor(), 0.5)
        taken = set(load.taken)
        await self.cluster.gnt("gnt-cluster", "master-failover", node="node2")
        await self.start_master("node2")
        await self.write("node2")
        self.assertEqual(load.taken, taken)
        self.assertEqual(taken - await self.jobs("node2"), set())
        await self.address_on(lab, "node1", "node2")
        old = self.cluster.daemons["master"]
        self.assertIsNone(old.status)
        # All that it reaches now is a node that is no candidate.
        lab.cut("node2")
        lab.cut("node3")
        lab.heal("node1")

        async def is_down() -> bool:
            await self.cluster.run("gnt-node", "list", "-o", "name,mfree", "node4")
            return old.status is not None

        await self.cluster.until(is_down, "the old master stands down")
        await load.stop()
        self.assertEqual(load.taken, taken)
        self.assertEqual(old.status, NOT_MASTER_STATUS)
        self.assertIn(b"no longer master: node2 is;", old.err)
        lab.heal("node2")
        lab.heal("node3")
        self.assertIn("no longer master: node2 is", await self.refused_start("node1"))
        await self.in_step("node2", {"node1", "node2", "node3"})
        await self.address_on(lab, "node2")
        # Handed over in order, it is down here before it is up there.
        await self.cluster.gnt("gnt-cluster", "master-failover", node="node3")
        self.assertEqual(addressed(lab), set())
        await self.start_master("node3")
        await self.address_on(lab, "node3")
        connect = f"import socket; socket.create_connection(('{MASTER_IP}', 1811), 5)"
        lab.run("node1", sys.executable, "-c", connect)

    async def test_given_up(self) -> None:
        """A majority that was given up for lost ends when it meets the new master."""
        if missing := missing_for_netlab():
            raise SkipTest(f"no network laboratory here: {missing}")
        lab = NetLab(["node1", "node2", "node3"])
        self.addCleanup(lab.unmake)
        lab.make()
        await self.begin(lab)
        lab.cut("node3")
        await self.cluster.gnt(
            "gnt-cluster",
            "master-failover",
            "--no-voting",
            "--accept-loss",
            node="node3",
        )
        await self.start_master("node3")
        await self.write("node3")
        old = self.cluster.daemons["master"]
        self.assertIsNone(old.status)
        lab.heal("node3")

        async def is_down() -> bool:
            return old.status is not None

        await self.cluster.until(is_down, "the old master stands down")
        self.assertIn(b"no longer master: node3 is", old.err)
        self.assertIn("no longer master: node3 is", await self.refused_start("node1"))
        await self.write("node3")

    async def address_on(self, lab: NetLab, *names: str) -> None:
        """Wait until these hosts have the master's address, and no others."""

        async def is_there() -> bool:
            return addressed(lab) == {*names}

        await self.cluster.until(is_there, f"the master's address is on {names}")


def addressed(lab: NetLab) -> set[str]:
    """The hosts that have the master's address."""
    return {
        name
        for name in lab.hosts
        if f"{MASTER_IP}/" in lab.ip(name, "addr", "show", "dev", "eth0")
    }
