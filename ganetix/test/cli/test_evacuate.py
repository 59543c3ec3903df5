"""Tests of the commands that move all instances away from nodes and groups."""

from __future__ import annotations

import json
from functools import partial

from ganetix.api.types import QueryRequest, QueryResult
from ganetix.errors import NotFound, WrongState
from ganetix.opcodes import OpEvacuationPlan, OpInstanceFailover, OpInstanceMigrate
from ganetix.test.cli.support import QueriedTestCase, table


class EvacuateTests(QueriedTestCase):
    """Moving all instances away."""

    async def setUp(self) -> None:  # type: ignore[override]
        """A node with two instances, one of which runs."""
        await super().setUp()

        def nodes(request: QueryRequest) -> QueryResult:
            if "node9" in request.names:
                raise NotFound("there is no node 'node9'")
            if "offline" in request.fields:
                return table(
                    "name offline drained vm_capable",
                    *((n, n == "node8", False, True) for n in request.names),
                )
            lists = {"node2": ["web1", "web2"]}
            return table(
                "name pinst_list", *((n, lists.get(n, [])) for n in request.names)
            )

        self.answers["node"] = nodes
        self.templates = {"web1": "diskless", "web2": "diskless"}

        def instances(request: QueryRequest) -> QueryResult:
            if "disk_template" in request.fields:
                return table("name disk_template", *self.templates.items())
            return table("name status", ("web1", "running"), ("web2", "ADMIN_down"))

        self.answers["instance"] = instances
        self.answers["group"] = lambda request: table("name", ("rack3",))
        self.moved = {"from": "node2", "to": "node5", "how": "migrate"}
        self.master.results[OpInstanceMigrate] = self.moved
        self.plan: dict[str, list[dict[str, str | None]]] = {
            "moves": [
                {"instance": "web1", "source": "node2", "target": "node5"},
                {"instance": "web2", "source": "node2", "target": "node4"},
            ],
            "stays": [],
        }
        self.master.results[OpEvacuationPlan] = self.plan

    async def test_evacuate(self) -> None:
        """An allocator is asked once, then there is a job for each instance."""
        line = "gnt-node evacuate -f -I hail -g rack2 node2"
        self.assertEqual(await self.run_line(line), 0)
        move = partial(OpInstanceMigrate, group="rack2", allow_failover=True)
        self.assertEqual(
            self.submitted,
            [
                OpEvacuationPlan(
                    instances=("web1", "web2"),
                    left_nodes=("node2",),
                    group="rack2",
                    iallocator="hail",
                ),
                move(name="web1", node="node5"),
                move(name="web2", node="node4"),
            ],
        )
        self.assertEqual(
            self.out,
            "web1: node2 -> node5 (migrate)\nweb2: node2 -> node5 (migrate)\n"
            "2 instances moved, 0 not\n",
        )

    async def test_failures(self) -> None:
        """One that stays is named with its reason, and the status is 1."""
        self.master.failures[OpInstanceMigrate] = WrongState("its disks are there")
        self.assertEqual(await self.run_line("gnt-node evacuate -f node2"), 1)
        self.assertIn("web1: its disks are there\n", self.out)
        self.assertIn("0 instances moved, 2 not\n", self.out)

    async def test_stays(self) -> None:
        """One for which there is no place is named with the reason; the others go."""
        self.plan["stays"] = [self.plan["moves"].pop() | {"reason": "no room"}]
        for options in ("", " --json", " --submit", " --dry-run"):
            line = f"gnt-node evacuate -f{options} node2"
            self.assertEqual(await self.run_line(line), 1, line)
            self.assertIn("no room", self.out + self.err)
        self.assertEqual(
            [op.name for op in self.submitted if isinstance(op, OpInstanceMigrate)],
            ["web1"] * 3,
        )

    async def test_against_the_rules(self) -> None:
        """One that goes where the allocator would not have it is told of."""
        self.plan["moves"][1:] = []
        self.plan["moves"][0]["warning"] = "FailN1: 1"
        self.assertEqual(await self.run_line("gnt-node evacuate --dry-run node2"), 0)
        self.assertEqual(self.out, "web1: node2 -> node5 (FailN1: 1)\n")
        await self.run_line("gnt-node evacuate node2")
        self.assertIn("Move 1 instance: web1 to node5 (FailN1: 1)?", self.err)

    async def test_dry_run(self) -> None:
        """A dry run tells who goes where; a script may read it."""
        self.assertEqual(await self.run_line("gnt-node evacuate --dry-run node2"), 0)
        self.assertEqual(self.out, "web1: node2 -> node5\nweb2: node2 -> node4\n")
        await self.run_line("gnt-node evacuate --dry-run --json node2")
        self.assertEqual(
            json.loads(self.out)["moves"],
            [{**move, "warning": ""} for move in self.plan["moves"]],
        )
        line = "gnt-node failover --dry-run -n node3 node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertIn("web2: node2 -> node3\n", self.out)
        self.assertEqual({type(op) for op in self.submitted}, {OpEvacuationPlan})

    async def test_dry_run_to_a_node(self) -> None:
        """What a dry run can know to fail stays, with the reason, and status 1."""
        self.templates["web1"] = "file"
        line = "gnt-node evacuate --dry-run -n node3 node2"
        self.assertEqual(await self.run_line(line), 1)
        self.assertEqual(
            self.out,
            "web2: node2 -> node3\n"
            "web1: stays: its disks (template file) are on node2 only\n",
        )
        line = "gnt-node evacuate --dry-run -n node8 node2"
        self.assertEqual(await self.run_line(line), 1)
        self.assertIn("web2: stays: node node8 is offline\n", self.out)

    async def test_json(self) -> None:
        """What became of each, for scripts."""
        self.assertEqual(await self.run_line("gnt-node evacuate -f --json node2"), 0)
        told = json.loads(self.out)
        self.assertEqual(told["failed"], [])
        self.assertEqual(
            told["moved"][0],
            {"instance": "web1", **self.moved, "job": 2},
        )

    async def test_asks_first(self) -> None:
        """Where nobody can answer, -f is needed."""
        self.assertEqual(await self.run_line("gnt-node evacuate node2"), 1)
        self.assertIn("Move 2 instances: web1 to node5, web2 to node4?", self.err)
        self.assertEqual({type(op) for op in self.submitted}, {OpEvacuationPlan})

    async def test_long_question(self) -> None:
        """Of many instances the question names the first few."""
        self.plan["moves"] = [
            {"instance": f"web{n}", "source": "node2", "target": "node5"}
            for n in range(40)
        ]
        self.assertEqual(await self.run_line("gnt-node evacuate node2"), 1)
        self.assertIn("Move 40 instances: web0 to node5, ", self.err)
        self.assertIn("web7 to node5, and 32 more, which --dry-run names?", self.err)

    async def test_nothing_there(self) -> None:
        """An empty node, or only secondary instances, is no error."""
        self.assertEqual(await self.run_line("gnt-node evacuate -f node3"), 0)
        self.assertIn("no instances to move", self.err)
        self.assertEqual(await self.run_line("gnt-node evacuate -s -f node2"), 0)
        self.assertEqual(self.submitted, [])

    async def test_bad_names(self) -> None:
        """An unknown node, or a target that is to be left, submits nothing."""
        for wrong in ("-f node9", "-s node9", "--dry-run -n node9 node2"):
            self.assertEqual(await self.run_line(f"gnt-node evacuate {wrong}"), 1)
            self.assertIn("no node 'node9'", self.err)
        for wrong in ("-n node2", "-n node5 -I hail"):
            line = f"gnt-node evacuate -f {wrong} node2"
            self.assertEqual(await self.run_line(line), 2)
        self.assertEqual(self.submitted, [])

    async def test_migrate(self) -> None:
        """Only what runs is migrated."""
        line = "gnt-node migrate -f -n node5 node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(self.submitted, [OpInstanceMigrate(name="web1", node="node5")])
        self.assertIn("1 instance that does not run stays", self.err)

    async def test_failover(self) -> None:
        """All are failed over, with the options given."""
        line = "gnt-node failover -f --timeout 5s --ignore-consistency node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(
            self.submitted[1],
            OpInstanceFailover(
                name="web1", node="node5", timeout=5.0, ignore_consistency=True
            ),
        )
        self.assertIn("web2: moved", self.out)

    async def test_submit(self) -> None:
        """With --submit the jobs' numbers are printed."""
        line = "gnt-node evacuate -f --submit node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(self.out, "2\n3\n")

    async def test_group(self) -> None:
        """A group is emptied into another one, in both spellings."""
        for command in ("gnt-group evacuate", "gnt-node group-evacuate"):
            self.master.submitted.clear()
            line = f"{command} -f --to rack3 rack2"
            self.assertEqual(await self.run_line(line), 0)
            self.assertEqual(
                self.submitted[:2],
                [
                    OpEvacuationPlan(instances=("web1", "web2"), group="rack3"),
                    OpInstanceMigrate(
                        name="web1", node="node5", group="rack3", allow_failover=True
                    ),
                ],
            )
        line = "gnt-group evacuate -f --to rack2 rack2"
        self.assertEqual(await self.run_line(line), 2)
