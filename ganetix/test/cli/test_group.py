"""Tests of ``gnt-group``, and the same in ``gnt-node``."""

from __future__ import annotations

from ganetix.api.types import FieldInfo
from ganetix.errors import WrongState
from ganetix.opcodes import (
    OpGroupAdd,
    OpGroupAssignNodes,
    OpGroupModify,
    OpGroupRemove,
    OpGroupRename,
)
from ganetix.test.cli.support import QueriedTestCase, table

MEMORY: dict[str, int | bool | None] = {"memory_mib": 1024}


class GroupTests(QueriedTestCase):
    """Groups are made, named, filled, shown and removed."""

    async def test_two_spellings(self) -> None:
        """Every command of gnt-group is there as gnt-node group-…, with one outcome."""
        self.master.results[OpGroupAssignNodes] = {"moved": ["node1"]}
        self.master.results[OpGroupModify] = {"changes": []}
        for words, op in (
            ("add -B memory=1G rack2", OpGroupAdd(name="rack2", beparams=MEMORY)),
            ("modify -B memory=1G rack2", OpGroupModify(name="rack2", beparams=MEMORY)),
            ("rename rack2 row2", OpGroupRename(name="rack2", new_name="row2")),
            ("remove rack2", OpGroupRemove(name="rack2")),
            (
                "assign-nodes rack2 node1 node2",
                OpGroupAssignNodes(name="rack2", nodes=("node1", "node2")),
            ),
        ):
            for spelling in ("gnt-group ", "gnt-node group-"):
                with self.subTest(words=words, spelling=spelling):
                    self.master.submitted.clear()
                    self.assertEqual(await self.run_line(f"{spelling}{words}"), 0)
                    self.assertEqual(self.asked(), op)

    async def test_group_del(self) -> None:
        """gnt-node knows removal as group-del too."""
        await self.run_line("gnt-node group-del rack2")
        self.assertEqual(self.asked(), OpGroupRemove(name="rack2"))

    async def test_split_is_refused(self) -> None:
        """What the master refuses is one line; --force goes along."""
        self.master.failures[OpGroupAssignNodes] = WrongState("would split db1")
        self.assertEqual(await self.run_line("gnt-group assign-nodes rack2 node1"), 1)
        self.assertIn("would split db1", self.err)
        self.master.failures.clear()
        self.master.submitted.clear()
        self.master.results[OpGroupAssignNodes] = {"moved": []}
        await self.run_line("gnt-group assign-nodes --force rack2 node1")
        op = OpGroupAssignNodes(name="rack2", nodes=("node1",), force=True)
        self.assertEqual(self.asked(), op)
        self.assertIn("nothing was changed", self.err)

    async def test_info_shows_origins(self) -> None:
        """Each parameter is shown with its value and where that comes from."""
        fields = tuple(
            FieldInfo(name=name, title=name, doc="d", live=name == "mfree")
            for name in ("name", "mfree", "be/memory", "params")
        )
        params = {
            "be/memory": {"value": 512, "origin": "group rack2"},
            "nic/link": {"value": "", "origin": "default"},
            "be/auto_balance": {"value": True, "origin": "cluster"},
        }

        self.master.field_infos = {"group": fields}
        self.answers["group"] = lambda _: table("name params", ("rack2", params))
        await self.run_line("gnt-group info rack2")
        self.assertEqual(self.requests[0].fields, ("name", "params"))
        self.assertEqual(
            self.out,
            "name: rack2\nparams:\n  be/memory: 512 (group rack2)\n"
            "  nic/link: - (default)\n  be/auto_balance: Y (cluster)\n",
        )
        await self.run_line("gnt-group info --live rack2")
        self.assertEqual(self.requests[1].fields, ("name", "mfree", "params"))
