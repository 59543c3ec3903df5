"""Tests of ``gnt-cluster capacity``."""

from __future__ import annotations

import json
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from ganetix.objects import InstanceSize
from ganetix.opcodes import (
    OpClusterBalance,
    OpClusterExport,
    OpComputeCapacity,
    OpInstanceCreate,
    OpInstanceMigrate,
)
from ganetix.plan.capacity.report import GroupReport, cluster_report
from ganetix.test.cli.support import CommandTestCase

GROUP = GroupReport(
    name="rack1",
    alloc_policy="preferred",
    tspecs=((4096, 10240, 2, 3), (1024, 10240, 2, 5)),
    max_inst_spec=InstanceSize(memory_mib=4096, disk_mib=10240, vcpus=2),
    default_template="file",
    max_cpu_ratio=4.0,
    max_disk_usage=1.0,
    revision=3,
    ctime=1000.0,
)


class CapacityTests(CommandTestCase):
    """What is asked for, and what is shown."""

    def answer(self, *groups: GroupReport) -> None:
        """Have the job answer this."""
        by_uuid = {f"u{number}": group for number, group in enumerate(groups)}
        report = cluster_report(by_uuid, 1000.0)
        self.master.results[OpComputeCapacity] = to_builtins(report)

    async def test_table(self) -> None:
        """Each size stands with how many fit of it, and of it or larger."""
        self.answer(GROUP)
        self.assertEqual(await self.run_line("gnt-cluster capacity"), 0)
        self.assertEqual(
            self.out,
            "Group Memory  Disk VCPUs Fit InAll\n"
            "rack1   4.0G 10.0G     2   3     3\n"
            "rack1   1.0G 10.0G     2   5     8\n",
        )

    async def test_several_groups(self) -> None:
        """Several groups are summed; one that is full says so."""
        full = replace(GROUP, name="rack2", tspecs=(), reason="no room")
        self.answer(GROUP, full)
        await self.run_line("gnt-cluster capacity --separator=: --no-headers")
        self.assertIn("rack2:-:-:-:0:0", self.out)
        self.assertIn("(cluster):4096:10240:2:3:3", self.out)
        self.assertIn("group rack2: no room", self.err)

    async def test_fits(self) -> None:
        """The number for a size that was asked for is told in a sentence."""
        self.answer(replace(GROUP, fits=(7,)))
        line = "gnt-cluster capacity --fits memory=2G,disk=5G,vcpus=1"
        self.assertEqual(await self.run_line(line), 0)
        self.assertIn("7 fit of 2.0G memory, 5.0G disk, 1 vcpus", self.out)
        (op,) = self.master.submitted[0].ops
        size = InstanceSize(memory_mib=2048, disk_mib=5120, vcpus=1)
        self.assertEqual(op, OpComputeCapacity(fits=(size,)))

    async def test_parameters(self) -> None:
        """All parameters arrive as they were typed."""
        self.answer(GROUP)
        await self.run_line(
            "gnt-cluster capacity -g rack1 -g rack2 --no-cached -I hail"
            " --max-inst-spec memory=1G,disk=2G,vcpus=3 --default-template plain"
            " --max-cpu-ratio 2.5 --max-disk-usage 0.9 --json"
        )
        (op,) = self.master.submitted[0].ops
        expected = OpComputeCapacity(
            iallocator="hail",
            cached=False,
            groups=("rack1", "rack2"),
            max_inst_spec=InstanceSize(memory_mib=1024, disk_mib=2048, vcpus=3),
            default_template="plain",
            max_cpu_ratio=2.5,
            max_disk_usage=0.9,
        )
        self.assertEqual(op, expected)
        self.assertEqual(json.loads(self.out)["cluster"][0], [4096, 10240, 2, 3])

    async def test_bad_values(self) -> None:
        """Wrong values are wrong usage; nothing is submitted."""
        for given in (
            "--fits memory=2G",
            "--fits memory=x,disk=5G,vcpus=1",
            "--max-cpu-ratio many",
            "--max-disk-usage 1.5",
            "--max-inst-spec memory=0,disk=1G,vcpus=1",
        ):
            self.assertEqual(await self.run_line(f"gnt-cluster capacity {given}"), 2)
            field = given.split()[0].removeprefix("--")
            self.assertIn(field, self.err.replace("_", "-"))
        self.assertEqual(self.master.submitted, [])

    async def test_as_computed_before(self) -> None:
        """An earlier answer is told with its time."""
        self.answer(replace(GROUP, cached=True))
        await self.run_line("gnt-cluster capacity")
        self.assertIn("as computed at", self.err)


class ExportTests(CommandTestCase):
    """Tests of ``gnt-cluster export-htools``."""

    async def test_file_and_stdout(self) -> None:
        """The text goes where it was asked to go."""
        self.master.results[OpClusterExport] = {"text": "group|u|preferred||\n"}
        path = self.root / "out.data"
        self.assertEqual(await self.run_line(f"gnt-cluster export-htools {path}"), 0)
        self.assertEqual(path.read_text(), "group|u|preferred||\n")
        self.assertEqual(await self.run_line("gnt-cluster export-htools -"), 0)
        self.assertEqual(self.out, "group|u|preferred||\n")

    async def test_no_directory(self) -> None:
        """A file that cannot be written is said so."""
        self.master.results[OpClusterExport] = {"text": ""}
        line = f"gnt-cluster export-htools {self.root}/no/such"
        self.assertEqual(await self.run_line(line), 1)
        self.assertIn("cannot be written", self.err)


PLAN = {
    "moves": [
        {
            "instance": "web1",
            "group": "default",
            "kind": "migrate",
            "nodes_before": ["node1"],
            "nodes_after": ["node2"],
            "score_before": 2.5,
            "score_after": 1.25,
            "cost_mib": 512,
            "moves": [{"kind": "migrate", "instance": "web1", "node": "node2"}],
        }
    ],
    "job_sets": [[0]],
    "groups": [{"group": "default", "score_before": 2.5, "score_after": 1.25}],
}


class BalanceTests(CommandTestCase):
    """Tests of ``gnt-cluster balance``."""

    async def test_plan(self) -> None:
        """Moves are shown with gain and cost, and nothing is moved."""
        self.master.results[OpClusterBalance] = PLAN
        self.assertEqual(await self.run_line("gnt-cluster balance"), 0)
        self.assertIn("web1     node1 node2   512M 1.2500", self.out)
        self.assertIn("score 2.5000, then 1.2500", self.out)
        self.assertEqual(len(self.master.submitted), 1)

    async def test_execute(self) -> None:
        """With --execute each move is a job."""
        self.master.results[OpClusterBalance] = PLAN
        line = "gnt-cluster balance -g default --max-moves 3 --execute"
        self.assertEqual(await self.run_line(line), 0)
        first, second = (request.ops[0] for request in self.master.submitted)
        self.assertEqual(first, OpClusterBalance(groups=("default",), max_moves=3))
        move = OpInstanceMigrate(name="web1", node="node2", allow_failover=True)
        self.assertEqual(second, move)

    async def test_nothing_to_do(self) -> None:
        """A balanced cluster says so."""
        empty: dict[str, Any] = {"moves": [], "job_sets": [], "groups": []}
        self.master.results[OpClusterBalance] = empty
        self.assertEqual(await self.run_line("gnt-cluster balance --execute"), 0)
        self.assertIn("nothing to move", self.out)

    async def test_bad_limit(self) -> None:
        """No moves at all is no limit."""
        self.assertEqual(await self.run_line("gnt-cluster balance --max-moves 0"), 2)


class DryRunTests(CommandTestCase):
    """``gnt-instance add --dry-run``."""

    LINE = "gnt-instance add --dry-run -t diskless -o noop web1"

    async def setUp(self) -> None:  # type: ignore[override]
        """What the master would do."""
        await super().setUp()
        self.result = {
            "dry_run": True,
            "name": "web1",
            "node": "node2",
            "score": 1.25,
            "said": "builtin: Request successful",
            "runners_up": [{"node": "node1", "score": 1.5}],
            "refusals": {"node3": "is drained"},
        }
        self.master.results[OpInstanceCreate] = self.result

    async def test_lines(self) -> None:
        """The chosen node, the next best ones, and the refusals."""
        self.assertEqual(await self.run_line(self.LINE), 0)
        self.assertEqual(
            self.out,
            "web1 would be made on node2 (score 1.250000)\n"
            "next best: node1 (score 1.500000)\nnot on node3: is drained\n",
        )

    async def test_without_score(self) -> None:
        """A node that the built-in allocator would not take has no score."""
        self.result |= {"score": None, "runners_up": []}
        self.assertEqual(await self.run_line(self.LINE), 0)
        self.assertIn("web1 would be made on node2\n", self.out)

    async def test_json(self) -> None:
        """Scripts get all of it, with the job's number."""
        await self.run_line(f"{self.LINE} --json")
        self.assertEqual(json.loads(self.out), {**self.result, "job": 1})
