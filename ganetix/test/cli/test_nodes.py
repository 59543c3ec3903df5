"""Tests of the commands that change, show and empty nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred, fail, succeed

from ganetix.api.types import Cell, FieldInfo, QueryRequest, QueryResult, QueryRow
from ganetix.errors import NotFound, WrongState
from ganetix.opcodes import (
    OpEvacuationPlan,
    OpInstanceFailover,
    OpInstanceMigrate,
    OpNodeAdd,
    OpNodeModify,
    OpNodePowercycle,
)
from ganetix.test.cli.support import CommandTestCase


def table(names: str, *rows: tuple[Cell, ...], source: str = "live") -> QueryResult:
    """A result with plain text columns."""
    fields = tuple(
        FieldInfo(name=name, title=name.capitalize(), doc=name)
        for name in names.split()
    )
    made = tuple(
        QueryRow(cells=cells, source=source)  # type: ignore[arg-type]
        for cells in rows
    )
    return QueryResult(fields=fields, rows=made)


def _always(answer: QueryResult, _: QueryRequest) -> QueryResult:
    return answer


class NodeCommandTestCase(CommandTestCase):
    """Queries are answered by kind."""

    async def setUp(self) -> None:  # type: ignore[override]
        """No answers yet."""
        await super().setUp()
        self.requests: list[QueryRequest] = []
        self.answers: dict[str, Callable[[QueryRequest], QueryResult]] = {}

        def answer(request: QueryRequest) -> Deferred[QueryResult]:
            self.requests.append(request)
            try:
                return succeed(self.answers[request.kind](request))
            except NotFound as error:
                return fail(error)

        self.master._queries = answer

    def submitted(self) -> list[object]:
        """All opcodes submitted so far."""
        return [op for request in self.master.submitted for op in request.ops]


class ModifyTests(NodeCommandTestCase):
    """``modify``, ``powercycle``, ``add --readd``."""

    async def test_modify(self) -> None:
        """Only what is named is in the request."""
        line = (
            "gnt-node modify --offline yes --vm-capable no --auto-promote"
            " --primary-ip 192.0.2.9 --port 1812 -g rack2 --force"
            " --node-parameters cpu_speed=1.5,reserved_cpus=default node2"
        )
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(
            self.submitted(),
            [
                OpNodeModify(
                    name="node2",
                    offline=True,
                    vm_capable=False,
                    auto_promote=True,
                    primary_ip="192.0.2.9",
                    port=1812,
                    group="rack2",
                    force=True,
                    ndparams={"cpu_speed": 1.5, "reserved_cpus": None},
                )
            ],
        )

    async def test_wrong_usage(self) -> None:
        """Nothing to change, contradictions and bad values end with status 2."""
        for arguments in (
            "node2",
            "--offline maybe node2",
            "--offline yes --drained yes node2",
            "--node-parameters colour=red node2",
            "--node-parameters cpu_speed=fast node2",
            "--port 70000 node2",
            "--offline yes",
        ):
            self.assertEqual(await self.run_line(f"gnt-node modify {arguments}"), 2)
        self.assertEqual(self.submitted(), [])

    async def test_refused(self) -> None:
        """A refusal of the master is one line and status 1."""
        self.master.failures[OpNodeModify] = WrongState("node node1 is the master")
        line = "gnt-node modify --offline yes node1"
        self.assertEqual(await self.run_line(line), 1)
        self.assertIn("gnt-node: error: job 1: node node1 is the master\n", self.err)

    async def test_powercycle(self) -> None:
        """Force is passed on."""
        await self.run_line("gnt-node powercycle --force node2")
        self.assertEqual(self.submitted(), [OpNodePowercycle(name="node2", force=True)])

    async def test_token_lifetime(self) -> None:
        """A life that no token may have is refused before anything is reserved."""
        for lifetime in ("0", "9s", "31d"):
            line = f"gnt-node add --token-lifetime {lifetime} node2"
            self.assertEqual(await self.run_line(line), 2)
            self.assertIn("is not between 10 s and 30 days", self.err)
        self.assertEqual(self.submitted(), [])

    async def test_submit(self) -> None:
        """Who does not wait for the reservation hears how to get a token."""
        line = "gnt-node add --submit --primary-ip 192.0.2.2 node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(self.out, "1\n")
        self.assertIn("no token yet: give the same with --replace", self.err)

    async def test_readd(self) -> None:
        """A member that joins again needs nothing but its name."""
        self.assertEqual(await self.run_line("gnt-node add --readd node2"), 0)
        self.assertEqual(self.submitted(), [OpNodeAdd(name="node2", readd=True)])
        self.assertEqual(self.out, "gnx1.node2\n")

    async def test_readd_into_a_group(self) -> None:
        """It stays in its group."""
        line = "gnt-node add --readd -g rack2 node2"
        self.assertEqual(await self.run_line(line), 2)
        self.assertEqual(self.submitted(), [])


class LookTests(NodeCommandTestCase):
    """Lists, disks, storage, health, reservations."""

    async def test_kinds(self) -> None:
        """Each list asks for its kind, with names and group."""
        for command, kind in (
            ("list --reserved", "reservation"),
            ("volumes", "volume"),
            ("list-storage", "storage"),
        ):
            self.answers[kind] = lambda _: table("node", ("node1",))
            line = f"gnt-node {command} -g rack2 -o node node1"
            self.assertEqual(await self.run_line(line), 0)
            self.assertEqual(
                self.requests[-1],
                QueryRequest(
                    kind=kind,  # type: ignore[arg-type]
                    fields=("node",),
                    names=("node1",),
                    group="rack2",
                ),
            )

    async def test_health(self) -> None:
        """All well is status 0, a warning too."""
        self.answers["health"] = lambda _: table(
            "node status", ("node1", "ok"), ("node2", "warning"), ("node3", "offline")
        )
        self.assertEqual(await self.run_line("gnt-node health"), 0)
        self.assertIn("node2 warning", self.out)

    async def test_bad_health(self) -> None:
        """An error or a node that does not answer is status 1, whatever is shown."""
        for status in ("error", "unreachable"):
            answer = table("node status", ("node1", status))
            self.answers["health"] = partial(_always, answer)
            self.assertEqual(await self.run_line("gnt-node health"), 1)
            line = "gnt-node health -o node --no-headers"
            self.assertEqual(await self.run_line(line), 1)
            self.assertEqual(self.out, "node1\n")
            self.assertEqual(self.requests[-1].fields, ("node", "status"))

    async def test_health_json(self) -> None:
        """Scripts get JSON and the status."""
        self.answers["health"] = lambda _: table("node status", ("node1", "error"))
        self.assertEqual(await self.run_line("gnt-node health --json"), 1)
        self.assertEqual(json.loads(self.out)[0]["status"], "error")

    async def test_info_of_a_reservation(self) -> None:
        """A node that has not joined yet can be looked at."""

        def reservations(request: QueryRequest) -> QueryResult:
            if request.names:
                return table("name status", ("node9", "reserved"))
            return table("name uuid readd", ("node9", "u9", False))

        self.answers["reservation"] = reservations
        field = FieldInfo(name="name", title="Node", doc="Its name")
        self.master.field_infos = {"reservation": (field,)}
        self.assertEqual(await self.run_line("gnt-node info node9"), 0)
        self.assertIn("status: reserved", self.out)

    async def test_info_of_a_member(self) -> None:
        """A member that joins again is shown as the member it is."""
        self.answers["reservation"] = lambda _: table(
            "name uuid readd", ("node2", "u2", True)
        )
        self.answers["node"] = lambda _: table("name role", ("node2", "C"))
        field = FieldInfo(name="name", title="Node", doc="Its name")
        self.master.field_infos = {"node": (field,)}
        self.assertEqual(await self.run_line("gnt-node info node2"), 0)
        self.assertIn("role: C", self.out)


class EvacuateTests(NodeCommandTestCase):
    """Moving all instances away."""

    async def setUp(self) -> None:  # type: ignore[override]
        """A node with two instances, one of which runs."""
        await super().setUp()

        def nodes(request: QueryRequest) -> QueryResult:
            if "node9" in request.names:
                raise NotFound("there is no node 'node9'")
            lists = {"node2": ["web1", "web2"], "node3": []}
            return table("name pinst_list", *((n, lists[n]) for n in request.names))

        self.answers["node"] = nodes
        self.answers["instance"] = lambda request: table(
            "name status", ("web1", "running"), ("web2", "ADMIN_down")
        )
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
            self.submitted(),
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
            [op.name for op in self.submitted() if isinstance(op, OpInstanceMigrate)],
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
        self.assertEqual({type(op) for op in self.submitted()}, {OpEvacuationPlan})

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
        self.assertEqual({type(op) for op in self.submitted()}, {OpEvacuationPlan})

    async def test_nothing_there(self) -> None:
        """An empty node, or only secondary instances, is no error."""
        self.assertEqual(await self.run_line("gnt-node evacuate -f node3"), 0)
        self.assertIn("no instances to move", self.err)
        self.assertEqual(await self.run_line("gnt-node evacuate -s -f node2"), 0)
        self.assertEqual(self.submitted(), [])

    async def test_bad_names(self) -> None:
        """An unknown node, or a target that is to be left, submits nothing."""
        self.assertEqual(await self.run_line("gnt-node evacuate -f node9"), 1)
        self.assertIn("no node 'node9'", self.err)
        for wrong in ("-n node2", "-n node5 -I hail"):
            line = f"gnt-node evacuate -f {wrong} node2"
            self.assertEqual(await self.run_line(line), 2)
        self.assertEqual(self.submitted(), [])

    async def test_migrate(self) -> None:
        """Only what runs is migrated."""
        line = "gnt-node migrate -f -n node5 node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(
            self.submitted(), [OpInstanceMigrate(name="web1", node="node5")]
        )
        self.assertIn("1 instance that does not run stays", self.err)

    async def test_failover(self) -> None:
        """All are failed over, with the options given."""
        line = "gnt-node failover -f --timeout 5s --ignore-consistency node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(
            self.submitted()[1],
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
                self.submitted()[:2],
                [
                    OpEvacuationPlan(instances=("web1", "web2"), group="rack3"),
                    OpInstanceMigrate(
                        name="web1", node="node5", group="rack3", allow_failover=True
                    ),
                ],
            )
        line = "gnt-group evacuate -f --to rack2 rack2"
        self.assertEqual(await self.run_line(line), 2)

    async def test_instances(self) -> None:
        """Single instances are moved as well; failover asks first."""
        await self.run_line("gnt-instance migrate -n node3 --allow-failover web1 web1")
        await self.run_line("gnt-instance failover web1")
        await self.run_line("gnt-instance failover -f -g rack2 -I . web1")
        self.assertEqual(
            self.submitted(),
            [
                OpInstanceMigrate(name="web1", node="node3", allow_failover=True),
                OpInstanceFailover(name="web1", group="rack2", iallocator="."),
            ],
        )
        line = "gnt-instance migrate -n node3 -I hail web1"
        self.assertEqual(await self.run_line(line), 2)
        self.assertIn("iallocator: a node is named already", self.err)
