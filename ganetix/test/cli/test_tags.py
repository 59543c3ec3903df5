"""Tests of tags, by four programs."""

from __future__ import annotations

import json

from ganetix.api.types import Cell, QueryRequest, QueryResult
from ganetix.opcodes import Opcode, OpTagsAdd, OpTagsRemove
from ganetix.opcodes.tags import TaggedKind
from ganetix.test.cli.support import QueriedTestCase, table


class TagTests(QueriedTestCase):
    """Listing, adding, removing and searching."""

    async def setUp(self) -> None:  # type: ignore[override]
        """The cluster and every object have two tags."""
        await super().setUp()

        def tagged(request: QueryRequest) -> QueryResult:
            cells: dict[str, Cell] = {
                "name": f"{request.kind}1",
                "tags": ["env:prod", "old"],
            }
            row = tuple(cells[name] for name in request.fields)
            return table(" ".join(request.fields), row)

        self.answers = dict.fromkeys(("cluster", "group", "node", "instance"), tagged)

    async def test_all_programs(self) -> None:
        """Each program lists, adds and removes tags of its objects."""
        named: tuple[tuple[TaggedKind, str], ...] = (
            ("cluster", ""),
            ("group", "rack1"),
            ("node", "node1"),
            ("instance", "web1"),
        )
        for kind, name in named:
            program = f"gnt-{kind}"
            with self.subTest(program=program):
                self.master.submitted.clear()
                await self.run_line(f"{program} add-tags {name} a b:c")
                op: Opcode = OpTagsAdd(kind=kind, name=name, tags=("a", "b:c"))
                self.assertEqual(self.asked(), op)
                self.master.submitted.clear()
                await self.run_line(f"{program} remove-tags {name} a")
                op = OpTagsRemove(kind=kind, name=name, tags=("a",))
                self.assertEqual(self.asked(), op)
                await self.run_line(f"{program} list-tags {name}")
                self.assertEqual(self.out, "env:prod\nold\n")
                self.assertEqual(self.requests[-1].names, (name,) if name else ())

    async def test_search_all(self) -> None:
        """gnt-cluster searches all objects, the others their own kind."""
        self.assertEqual(await self.run_line("gnt-cluster search-tags ^env"), 0)
        self.assertEqual(
            self.out,
            "/cluster env:prod\n/groups/group1 env:prod\n/nodes/node1 env:prod\n"
            "/instances/instance1 env:prod\n",
        )
        await self.run_line("gnt-node search-tags --json d$")
        self.assertEqual(
            json.loads(self.out),
            [
                {"path": "/nodes/node1", "kind": "node", "name": "node1", "tag": tag}
                for tag in ("env:prod", "old")
            ],
        )

    async def test_search_in_vain(self) -> None:
        """Nothing found is status 1; what is no pattern is wrong usage."""
        self.assertEqual(await self.run_line("gnt-cluster search-tags nowhere"), 1)
        self.assertEqual(self.out, "")
        await self.refused(
            "gnt-cluster search-tags a(", "PATTERN: 'a(' is not a regular expression"
        )

    async def test_bad_tags(self) -> None:
        """What is no tag is refused before anything is sent."""
        await self.refused(
            "gnt-node add-tags node1 a,b", "'a,b' is not a tag: 1 to 128"
        )
        await self.refused("gnt-node add-tags node1", "arguments are required: TAG")
