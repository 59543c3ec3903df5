"""Tests of the commands that add, change and show nodes."""

from __future__ import annotations

import json
from functools import partial

from ganetix.api.types import FieldInfo, QueryRequest, QueryResult
from ganetix.errors import WrongState
from ganetix.opcodes import OpNodeAdd, OpNodeModify, OpNodePowercycle, OpNodeRemove
from ganetix.test.cli.support import QueriedTestCase, table


def _always(answer: QueryResult, _: QueryRequest) -> QueryResult:
    return answer


class ModifyTests(QueriedTestCase):
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
            self.submitted,
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
        self.assertEqual(self.submitted, [])

    async def test_refused(self) -> None:
        """A refusal of the master is one line and status 1."""
        self.master.failures[OpNodeModify] = WrongState("node node1 is the master")
        line = "gnt-node modify --offline yes node1"
        self.assertEqual(await self.run_line(line), 1)
        self.assertIn("gnt-node: error: job 1: node node1 is the master\n", self.err)

    async def test_powercycle(self) -> None:
        """Force is passed on."""
        await self.run_line("gnt-node powercycle --force node2")
        self.assertEqual(self.submitted, [OpNodePowercycle(name="node2", force=True)])

    async def test_token_lifetime(self) -> None:
        """A life that no token may have is refused before anything is reserved."""
        for lifetime in ("0", "9s", "31d"):
            line = f"gnt-node add --token-lifetime {lifetime} node2"
            self.assertEqual(await self.run_line(line), 2)
            self.assertIn("is not between 10 s and 30 days", self.err)
        self.assertEqual(self.submitted, [])

    async def test_node_add(self) -> None:
        """The token alone is on stdout."""
        line = "gnt-node add --primary-ip 127.0.0.12 --token-lifetime 5m node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(self.out, "gnx1.node2\n")
        self.assertEqual(self.master.tokens, [("node2", 300.0)])
        self.assertEqual(
            self.master.submitted[0].ops,
            (OpNodeAdd(name="node2", primary_ip="127.0.0.12"),),
        )
        self.assertIn("ganetix-node join", self.err)

    async def test_submit(self) -> None:
        """Who does not wait for the reservation hears how to get a token."""
        line = "gnt-node add --submit --primary-ip 192.0.2.2 node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(self.out, "1\n")
        self.assertIn("no token yet: give the same with --replace", self.err)

    async def test_readd(self) -> None:
        """A member that joins again needs nothing but its name."""
        self.assertEqual(await self.run_line("gnt-node add --readd node2"), 0)
        self.assertEqual(self.submitted, [OpNodeAdd(name="node2", readd=True)])
        self.assertEqual(self.out, "gnx1.node2\n")

    async def test_withdraw(self) -> None:
        """What was promised is taken back by the node's name."""
        self.assertEqual(await self.run_line("gnt-node withdraw node2"), 0)
        self.assertEqual(self.submitted, [OpNodeRemove(name="node2", reservation=True)])

    async def test_readd_into_a_group(self) -> None:
        """It stays in its group."""
        line = "gnt-node add --readd -g rack2 node2"
        self.assertEqual(await self.run_line(line), 2)
        self.assertEqual(self.submitted, [])


class LookTests(QueriedTestCase):
    """Lists, disks, storage, health, reservations."""

    async def test_add_member(self) -> None:
        """A member is not added again, whatever its name means to a resolver."""
        self.answers["node"] = lambda _: QueryResult(fields=(), rows=())
        self.assertEqual(await self.run_line("gnt-node add node2.invalid"), 1)
        self.assertIn("node2.invalid is a member of this cluster already", self.err)
        self.assertNotIn("resolve", self.err)

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
