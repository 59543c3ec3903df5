"""Tests of tables: of what the master is asked, and how they are printed."""

from __future__ import annotations

import json

from ganetix.api.types import FieldInfo, QueryRequest, QueryResult, QueryRow
from ganetix.errors import BadParameter, WrongState
from ganetix.jobs.values import LockInfo, LockOwner, LockWaiter
from ganetix.test.cli.support import QueriedTestCase

NAME = FieldInfo(name="name", title="Node", doc="Its name", default=True)
FREE = FieldInfo(name="mfree", title="MFree", kind="mib", doc="Free", live=True)
UP = FieldInfo(name="up", title="Up", kind="bool", doc="Up")
TABLE = QueryResult(
    fields=(NAME, FREE, UP),
    rows=(
        QueryRow(cells=("node1", 1536, True), source="live", age_seconds=0.5),
        QueryRow(cells=("node10", None, None), source="unreachable"),
        QueryRow(cells=("node2", None, False), source="offline"),
    ),
)


class ListTests(QueriedTestCase):
    """Tables."""

    async def setUp(self) -> None:  # type: ignore[override]
        """There is one table of nodes."""
        await super().setUp()
        self.answers["node"] = lambda _: TABLE

    async def test_table(self) -> None:
        """Columns are aligned, numbers to the right; what is not known is marked."""
        self.assertEqual(await self.run_line("gnt-node list"), 0)
        self.assertEqual(
            self.out,
            "Node   MFree Up\nnode1   1.5G Y\nnode10     ? ?\nnode2      * N\n",
        )
        self.assertIn("a node did not answer for 1 row", self.err)

    async def test_for_scripts(self) -> None:
        """With a separator sizes are bare MiB."""
        await self.run_line("gnt-node list --no-headers --separator=:")
        self.assertEqual(self.out, "node1:1536:Y\nnode10:?:?\nnode2:*:N\n")

    async def test_units(self) -> None:
        """A unit may be chosen."""
        await self.run_line("gnt-node list --no-headers --separator=: --units g")
        self.assertIn("node1:1.5:Y", self.out)

    async def test_json(self) -> None:
        """JSON has plain values by field, null for unknown ones, and the source."""
        await self.run_line("gnt-node list --json")
        rows = json.loads(self.out)
        self.assertEqual(
            rows[0],
            {
                "name": "node1",
                "mfree": 1536,
                "up": True,
                "_source": "live",
                "_age_seconds": 0.5,
            },
        )
        self.assertIsNone(rows[1]["mfree"])

    async def test_request(self) -> None:
        """Names, group and fields go to the master as they were given."""
        await self.run_line("gnt-node list -g rack2 -o +sip,pip node1")
        self.assertEqual(
            self.requests,
            [
                QueryRequest(
                    kind="node",
                    fields=("+sip", "pip"),
                    names=("node1",),
                    group="rack2",
                )
            ],
        )

    async def test_refused(self) -> None:
        """A refusal is one line and status 1."""
        self.master.error = WrongState("no\nway")
        self.assertEqual(await self.run_line("gnt-node list"), 1)
        self.assertEqual((self.out, self.err), ("", "gnt-node: error: no; way\n"))

    async def test_no_such_field(self) -> None:
        """A field that there is not is wrong usage of -o."""
        self.master.error = BadParameter("fields: nodes have no field 'help'")
        self.assertEqual(await self.run_line("gnt-node list -o help"), 2)
        self.assertEqual(self.err, "gnt-node: error: -o: nodes have no field 'help'\n")

    async def test_fields(self) -> None:
        """--help-fields lists what there is."""
        self.master.field_infos = {"node": (NAME, FREE)}
        await self.run_line("gnt-node list --help-fields")
        self.assertIn("* name   Its name\n", self.out)
        self.assertIn("mfree  Free (asked of the nodes)", self.out)

    async def test_locks(self) -> None:
        """Locks show their holders."""
        owner = LockOwner(job_id=7, name="job 7", mode="exclusive")
        waiter = LockWaiter(job_id=8, name="job 8", mode="shared", priority=0)
        lock = LockInfo(
            level="node",
            name="n1",
            mode="exclusive",
            owners=(owner,),
            pending=(waiter,),
        )
        self.master.held = (lock,)
        await self.run_line("gnt-debug locks --separator=:")
        self.assertIn("node:n1:exclusive:job 7:job 8 shared +0", self.out)
