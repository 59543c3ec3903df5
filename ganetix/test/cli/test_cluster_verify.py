"""Tests of ``gnt-cluster verify``."""

from __future__ import annotations

import json

from ganetix.errors import StateFault
from ganetix.opcodes import OpClusterVerify
from ganetix.test.cli.support import QueriedTestCase, table


class VerifyTests(QueriedTestCase):
    """What is found, printed and ended with."""

    FINDING = {
        "level": "error",
        "code": "ENODERPC",
        "kind": "node",
        "name": "node2",
        "message": "does not answer",
    }

    async def test_verify_clean(self) -> None:
        """Nothing found is status 0."""
        self.master.results[OpClusterVerify] = {"groups": ["default"]}
        self.assertEqual(await self.run_line("gnt-cluster verify"), 0)
        self.assertIn("in default: 0 errors, 0 warnings", self.out)

    async def test_verify_errors(self) -> None:
        """Findings are grouped; an error is status 1."""
        self.master.results[OpClusterVerify] = {
            "findings": [self.FINDING, {**self.FINDING, "level": "warning"}],
            "repaired": ["removed a disk"],
            "groups": ["default"],
            "checked_nodes": 2,
        }
        self.assertEqual(await self.run_line("gnt-cluster verify"), 1)
        self.assertIn(
            "node:\n  ERROR node2: does not answer [ENODERPC]\n  WARNING", self.out
        )
        self.assertIn("repaired: removed a disk", self.out)
        self.assertIn("checked 2 nodes and 0 instances", self.out)

    async def test_verify_all_groups(self) -> None:
        """--all-groups is a job for each group, and one report."""
        self.answers["group"] = lambda _: table("name", ("default",), ("rack2",))
        self.master.results[OpClusterVerify] = {"findings": [self.FINDING]}
        line = "gnt-cluster verify --all-groups --repair --json"
        self.assertEqual(await self.run_line(line), 1)
        self.assertEqual(len(json.loads(self.out)["findings"]), 1)
        self.assertEqual(
            self.submitted,
            [
                OpClusterVerify(group="default", repair=True),
                OpClusterVerify(group="rack2", repair=True),
            ],
        )

    async def test_verify_error_codes(self) -> None:
        """For scripts a finding is one line, whatever is in its message."""
        hostile = {**self.FINDING, "level": "warning", "message": "a: b\nc"}
        self.master.results[OpClusterVerify] = {"findings": [self.FINDING, hostile]}
        self.assertEqual(await self.run_line("gnt-cluster verify --error-codes"), 1)
        first, second = self.out.splitlines()
        self.assertEqual(first, "ERROR:ENODERPC:node:node2:does not answer")
        self.assertTrue(second.startswith("WARNING:ENODERPC:node:node2:a: b"))

    async def test_verify_ignores(self) -> None:
        """Codes to ignore go with the job; one that is unknown is wrong usage."""
        self.master.results[OpClusterVerify] = {}
        line = "gnt-cluster verify --ignore-errors ENODETIME --ignore-errors ENODEDISK"
        self.assertEqual(await self.run_line(line), 0)
        op = OpClusterVerify(ignore_errors=("ENODETIME", "ENODEDISK"))
        self.assertEqual(self.asked(), op)
        wrong = "gnt-cluster verify --ignore-errors ENODETIMES"
        self.assertEqual(await self.run_line(wrong), 2)
        self.assertIn("no code 'ENODETIMES'; did you mean ENODETIME", self.err)
        self.assertEqual(len(self.submitted), 1)

    async def test_verify_list_codes(self) -> None:
        """All codes are listed with their meanings, without a job."""
        self.assertEqual(await self.run_line("gnt-cluster verify --list-codes"), 0)
        self.assertRegex(self.out, r"(?m)^ENODERPC +the node does not answer$")
        self.assertEqual(self.master.submitted, [])

    async def test_verify_without_medium(self) -> None:
        """If the master can write no job, that is what is wrong."""
        self.master.error = StateFault("state store: the disk is full")
        self.assertEqual(await self.run_line("gnt-cluster verify"), 1)
        self.assertIn("the disk is full [ECLUSTERSTATE]", self.out)
        self.assertIn("1 error,", self.out)
        self.assertEqual(await self.run_line("gnt-cluster verify --json"), 1)
        (finding,) = json.loads(self.out)["findings"]
        self.assertEqual(finding["code"], "ECLUSTERSTATE")
