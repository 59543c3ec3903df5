"""Capacity, placement and balance by the real commands, beside Debian's htools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from ganetix.test.functional.test_first_light import ClusterCase
from ganetix.test.test_process import alive

HAIL = Path("/usr/lib/ganeti/iallocators/hail")
HSPACE = shutil.which("hspace")
SIZE = "memory=512M,disk=1G,vcpus=1"
OPTIONS = ("--max-inst-spec", SIZE, "--default-template=plain")


class CapacityCommandTests(ClusterCase):
    """Three nodes; memory and disks are the host's."""

    network = 14
    nodes = 3

    async def setUp(self) -> None:  # type: ignore[override]
        """A master that is impatient with allocators."""
        await super().setUp()
        await self.cluster.end("master")
        impatient = ("--allocator-time=2s", "--allocator-memory=512M")
        await self.cluster.start_master(
            *self.cluster.twistd("ganetix-master", "node1", *impatient)
        )

    async def gnt_json(self, *argv: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(await self.gnt(*argv, "--json"))

    async def add(self, name: str, *more: str) -> dict[str, Any]:
        """Add an instance without disks; what became of it."""
        add = ("gnt-instance", "add", "-t", "diskless", "-o", "noop", "-B")
        made: dict[str, Any] = await self.gnt_json(
            *add, "memory=64M,vcpus=1", *more, name
        )
        return made

    def allocator(self, name: str, script: str) -> None:
        """An allocator on the master node."""
        program = self.cluster.paths().etc / "iallocators" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    async def test_commands(self) -> None:
        """Each subject in turn: one cluster does for all."""
        await self._bad_programs()
        await self._placed_by("hail" if os.access(HAIL, os.X_OK) else "builtin")
        await self._as_htools_say()
        await self._balance()
        await self._capacity()

    async def _capacity(self) -> None:
        """Tables, sizes, reasons, changes; earlier answers; wrong words."""
        table = await self.gnt("gnt-cluster", "capacity", *OPTIONS)
        self.assertIn("default", table)
        answer = await self.gnt_json(
            *("gnt-cluster", "capacity", *OPTIONS, "-g", "default", "--fits", SIZE)
        )
        (group,) = answer["node_groups"].values()
        self.assertEqual(answer["cluster"], group["tspecs"])
        first = group["tspecs"][0]
        self.assertEqual((first[:3], first[3]), ([512, 1024, 1], answer["fits"][0]))
        self.assertGreater(first[3], 0)
        await self.gnt("gnt-cluster", "capacity", "--no-cached", *OPTIONS)
        again = await self.gnt_json("gnt-cluster", "capacity", *OPTIONS)
        self.assertEqual([g["cached"] for g in again["node_groups"].values()], [True])
        anew = await self.gnt_json("gnt-cluster", "capacity", "--no-cached", *OPTIONS)
        self.assertEqual([g["cached"] for g in anew["node_groups"].values()], [False])
        changes = ("--what-if=more=node3", "--what-if=cpu-ratio=8")
        told = await self.gnt(
            "gnt-cluster", "capacity", *OPTIONS, "--explain", *changes
        )
        for word in ("runs out first", "node3", "8"):
            self.assertIn(word, told)
        for wrong, status, words in (
            (("-g", "nowhere"), 1, "nowhere"),
            (("--fits", "memory=1G"), 2, "all three"),
            (("--max-cpu-ratio", "many"), 2, "many"),
            (("--max-disk-usage", "1.5"), 2, "1.5"),
            (("--default-template", "cloud"), 1, "cloud"),
            (("--what-if", "without=node9"), 1, "node9"),
            (("--what-if", "less=node1"), 2, "more, without, cpu-ratio"),
            (("--what-if", "cpu-ratio=big"), 2, "big"),
            (("-I", "nobody"), 1, "there is no allocator nobody"),
            (("-I", "../x"), 1, "is not the name of an allocator"),
        ):
            error = await self.refused("gnt-cluster", "capacity", *wrong, status=status)
            self.assertIn(words, error)

    async def _as_htools_say(self) -> None:
        """hspace and gnt-capacity read the exported cluster, and agree with it."""
        path = self.cluster.base / "cluster.data"
        await self.gnt("gnt-cluster", "export-htools", str(path))
        self.assertIn("web1|64|", path.read_text())
        options = (
            *("-t", str(path), "--machine-readable", "--spindle-use=0"),
            *("--disk-template=plain", "--tiered-alloc=10g,4g,2"),
            "--standard-alloc=10g,4g,2",
        )
        ours = await self.gnt("gnt-capacity", *options)
        self.assertIn("HTS_OK=1", ours)
        if HSPACE is not None:
            self.assertEqual(ours, await self._output(HSPACE, *options))
        sizes = ("--max-inst-spec=memory=4G,disk=10G,vcpus=2",)
        answer = await self.gnt_json(
            *("gnt-cluster", "capacity", "--no-cached", *sizes, *OPTIONS[2:])
        )
        (line,) = (one for one in ours.splitlines() if one.startswith("HTS_TSPEC="))
        first = line.removeprefix("HTS_TSPEC=").strip("'").split()[0]
        told, _, count = first.partition("=")
        (memory, disk, vcpus, fitting), *_ = answer["cluster"]
        self.assertEqual(told, f"{memory},{disk},{vcpus},1")
        # The host's free memory is another one each time that it is asked for.
        self.assertAlmostEqual(int(count), fitting, delta=2)
        error = await self.refused("gnt-cluster", "export-htools", "/no/where/x.data")
        self.assertIn("/no/where/x.data", error)

    async def _balance(self) -> None:
        """Instances on one node are spread by parallel jobs; then nothing is left."""
        await self.gnt("gnt-node", "evacuate", "-f", "-n", "node1", "node2", "node3")
        plan = await self.gnt_json("gnt-cluster", "balance")
        self.assertGreater(len(plan["moves"]), 0)
        first = await self.gnt_json("gnt-cluster", "balance", "--max-moves", "1")
        self.assertEqual(len(first["moves"]), 1)
        shown = await self.gnt("gnt-cluster", "balance", "--execute")
        self.assertIn("group default: score", shown)
        listed = await self.gnt(
            *("gnt-instance", "list", "--no-headers", "-o", "pnode,status")
        )
        self.assertEqual(listed.count("running"), 3)
        self.assertEqual(listed.count("node1"), 1)
        self.assertIn("nothing to move", await self.gnt("gnt-cluster", "balance"))
        await self.refused("gnt-cluster", "balance", "-g", "nowhere")
        await self.refused("gnt-cluster", "balance", "--max-moves=0", status=2)

    async def _bad_programs(self) -> None:
        """Allocators that run away, take all memory, or answer nonsense."""
        pids = self.cluster.base / "pids"
        self.allocator("endless", f"sleep 1000 & echo $! >{pids}; wait")
        error = await self._refused_by("endless")
        self.assertIn("allocator endless did not finish within 2", error)
        self.assertFalse(alive(int(pids.read_text())))
        greedy = "python3 -c 'x = bytearray(1 << 31)' 2>&1 | tail -1 >&2; exit 1"
        self.allocator("greedy", greedy)
        error = await self._refused_by("greedy")
        self.assertIn("its memory is limited to 512 MiB", error)
        for result, words in (
            ('["node9"]', "there is no node 'node9'"),
            ('["node2","node3"]', "needs 1 node, not 2"),
            ("[]", "needs 1 node, not 0"),
            ('"node2', "its answer is none"),
        ):
            answer = f'{{"success":true,"info":"so","result":{result}}}'
            self.allocator("wrong", f"echo '{answer}'")
            self.assertIn(words, await self._refused_by("wrong"))
        await self.gnt("gnt-node", "modify", "--drained=yes", "node3")
        answer = '{"success":true,"info":"so","result":["node3"]}'
        self.allocator("wrong", f"echo '{answer}'")
        self.assertIn("offline or drained", await self._refused_by("wrong"))
        await self.gnt("gnt-node", "modify", "--drained=no", "node3")
        listed = await self.gnt("gnt-instance", "list", "--no-headers")
        self.assertEqual(listed, "")

    async def _placed_by(self, name: str) -> None:
        """An allocator, Debian's hail if it is here, places, moves and evacuates."""
        tried = await self.add("web0", "-I", name, "--dry-run")
        self.assertIn("Request successful", tried["said"])
        self.assertEqual(len(tried["runners_up"]), 2)
        for number in range(3):
            await self.add(f"web{number}", "-I", name)
        await self.gnt("gnt-cluster", "modify", f"--default-iallocator={name}")
        home = await self.gnt("gnt-instance", "list", "--no-headers", "-o", "pnode")
        node = home.split()[0]
        planned = await self.gnt_json("gnt-node", "evacuate", "--dry-run", node)
        self.assertEqual(planned["stays"], [])
        told = await self.gnt_json("gnt-node", "evacuate", "-f", "-I", ".", node)
        self.assertEqual(told["failed"], [])
        self.assertEqual(
            [move["instance"] for move in told["moved"]],
            [move["instance"] for move in planned["moves"]],
        )
        self.assertNotIn(node, [move["to"] for move in told["moved"]])
        await self.gnt("gnt-instance", "migrate", "-I", name, "web0")
        await self.gnt("gnt-instance", "failover", "-f", "web0")
        listed = await self.gnt(
            *("gnt-instance", "list", "--no-headers", "-o", "status")
        )
        self.assertEqual(listed.split(), ["running"] * 3)

    async def _refused_by(self, allocator: str) -> str:
        add = (
            "gnt-instance",
            "add",
            "-t",
            "diskless",
            "-o",
            "noop",
            "-B",
            "memory=64M",
        )
        return await self.refused(*add, "-I", allocator, "web1")

    async def _output(self, *argv: str) -> str:
        done = await deferToThread(
            subprocess.run, argv, capture_output=True, text=True, check=True
        )
        return str(done.stdout)
