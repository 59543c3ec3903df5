"""Tests of shell completion."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from twisted.internet.defer import succeed
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue

import ganetix
from ganetix.api.types import FieldInfo, QueryRequest, QueryResult, QueryRow
from ganetix.cli.complete import DIRECTORY_STATUS, FILE_STATUS, Found, candidates
from ganetix.cli.streams import Streams
from ganetix.test.api.support import ServedMasterTestCase


class CompletionTests(ServedMasterTestCase):
    """What may stand in a place of the command line."""

    async def complete(self, program: str, *words: str) -> list[str]:
        """Words that may stand there."""
        found = await self.found(program, *words)
        self.assertEqual(found.status, 0)
        return found.words

    async def found(self, program: str, *words: str) -> Found:
        """What may, asked from another thread since the master is in this one."""
        streams = Streams(
            stdin=io.StringIO(),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            environ={"GANETIX_ROOT": str(self.root)},
        )
        return await deferToThread(candidates, program, words, streams)

    async def test_commands(self) -> None:
        """Commands first."""
        self.assertEqual(await self.complete("gnt-job", "wa"), ["wait", "watch"])

    async def test_options(self) -> None:
        """Then their options."""
        self.assertEqual(
            await self.complete("gnt-instance", "add", "--no-"),
            ["--no-install", "--no-nics", "--no-start"],
        )

    async def test_choices(self) -> None:
        """Values of options that have a list of them."""
        self.assertEqual(
            await self.complete("gnt-group", "add", "--priority", ""),
            ["high", "low", "normal"],
        )

    async def test_fields(self) -> None:
        """Fields of what is listed, alone, after others and after a plus."""
        self.master.field_infos = {
            "node": tuple(
                FieldInfo(name=name, title=name, doc=name)
                for name in ("mfree", "mtotal", "name")
            )
        }
        for typed, expected in (
            ("m", ["mfree", "mtotal"]),
            ("name,", ["name,mfree", "name,mtotal"]),
            ("+mf", ["+mfree"]),
            ("+mfree,+m", ["+mfree,+mtotal"]),
        ):
            found = await self.complete("gnt-node", "list", "-o", typed)
            self.assertEqual(found, expected)

    async def test_equals_sign(self) -> None:
        """A value may follow its option's equals sign, here and before."""
        self.assertEqual(
            await self.complete("gnt-group", "add", "--priority=h"),
            ["--priority=high"],
        )
        self.assertEqual(
            await self.complete("gnt-group", "--root=/x", "add", "--priority", "h"),
            ["high"],
        )

    async def test_files(self) -> None:
        """Where a file or a directory is wanted, the shell is told to look itself."""
        for program, words, status in (
            ("gnt-cluster", ("copyfile", ""), FILE_STATUS),
            ("gnt-cluster", ("info", "--root", "/x"), DIRECTORY_STATUS),
            ("gnt-cluster", ("--root=/x",), DIRECTORY_STATUS),
            ("ganetix-allocator", ("",), FILE_STATUS),
        ):
            with self.subTest(words=words):
                found = await self.found(program, *words)
                self.assertEqual(found, Found([], status))

    async def test_nothing_to_offer(self) -> None:
        """Free text, what is of another command, and wrong commands get nothing."""
        for words in (
            ("modify", "--reason", ""),
            ("command", "ls", "--"),
            ("nonsense", ""),
            ("info", ""),
        ):
            with self.subTest(words=words):
                self.assertEqual(await self.complete("gnt-cluster", *words), [])

    async def test_options_before_a_command(self) -> None:
        """Options are ours until the command for nodes begins."""
        for words in (("--ra",), ("-n", "node1", "--ra"), ("-g", "rack1", "--ra")):
            with self.subTest(words=words):
                found = await self.complete("gnt-cluster", "command", *words)
                self.assertEqual(found, ["--raw"])

    async def test_queue_actions(self) -> None:
        """A word that must be one of a few."""
        self.assertEqual(
            await self.complete("gnt-cluster", "queue", ""),
            ["drain", "info", "undrain"],
        )
        priorities = await self.complete("gnt-job", "change-priority", "")
        self.assertEqual(priorities, ["-10", "0", "10", "high", "low", "normal"])
        options = await self.complete("gnt-job", "archive", "--")
        self.assertIn("--older-than", options)

    async def test_names(self) -> None:
        """Names of the kind that the place takes, but those that stand there."""
        kinds = []

        def answer(request: QueryRequest) -> object:
            kinds.append(request.kind)
            rows = tuple(QueryRow(cells=(name,)) for name in ("a1", "a2", "b1"))
            field = FieldInfo(name="name", title="N", doc="d")
            return succeed(QueryResult(fields=(field,), rows=rows))

        self.master.queries = answer  # type: ignore[assignment]
        instances = await self.complete("gnt-instance", "stop", "a1", "a")
        self.assertEqual(instances, ["a2"])
        nodes = await self.complete("gnt-instance", "add", "-n", "")
        self.assertEqual(nodes, ["a1", "a2", "b1"])
        await self.complete("gnt-job", "info", "")
        await self.complete("gnt-job", "change-priority", "high", "")
        await self.complete("gnt-group", "add", "--depends", "")
        self.assertEqual(kinds, ["instance", "node", "job", "job", "job"])
        await self.complete("gnt-node", "withdraw", "")
        self.assertEqual(kinds[-1], "reservation")

    async def test_tags(self) -> None:
        """To add, all tags of the kind; to remove, the object's own."""
        requests: list[QueryRequest] = []

        def answer(request: QueryRequest) -> object:
            requests.append(request)
            rows = tuple(QueryRow(cells=(tags,)) for tags in (["env:a", "b"], []))
            field = FieldInfo(name="tags", title="T", doc="d")
            return succeed(QueryResult(fields=(field,), rows=rows))

        self.master.queries = answer  # type: ignore[assignment]
        tags = await self.complete("gnt-node", "add-tags", "node1", "e")
        self.assertEqual(tags, ["env:a"])
        await self.complete("gnt-node", "remove-tags", "--submit", "node1", "")
        tags = await self.complete("gnt-cluster", "remove-tags", "b", "")
        self.assertEqual(tags, ["env:a"])
        self.assertEqual(
            [(request.kind, request.names) for request in requests],
            [("node", ()), ("node", ("node1",)), ("cluster", ())],
        )

    async def test_groups_and_nodes(self) -> None:
        """Where a group is wanted, and where nodes."""
        kinds = []

        def answer(request: QueryRequest) -> object:
            kinds.append(request.kind)
            field = FieldInfo(name="name", title="N", doc="d")
            return succeed(QueryResult(fields=(field,), rows=()))

        self.master.queries = answer  # type: ignore[assignment]
        await self.complete("gnt-cluster", "modify", "--default-group", "")
        await self.complete("gnt-group", "modify", "")
        await self.complete("gnt-group", "assign-nodes", "rack1", "")
        await self.complete("gnt-node", "group-del", "")
        self.assertEqual(kinds, ["group", "group", "node", "group"])

    async def test_many_names(self) -> None:
        """All names are asked for; an answer of many boxes' length is read whole."""
        rows = tuple(QueryRow(cells=(f"{n:0>250}",)) for n in range(1000))
        field = FieldInfo(name="name", title="N", doc="d")
        result = QueryResult(fields=(field,), rows=rows)
        limits = []

        def answer(request: QueryRequest) -> object:
            limits.append(request.limit)
            return succeed(result)

        self.master.queries = answer  # type: ignore[assignment]
        self.assertEqual(len(await self.complete("gnt-node", "info", "")), 1000)
        self.assertEqual(limits, [None])

    async def test_silent(self) -> None:
        """Without a master, or with one that refuses, there are no names, no noise."""
        self.master.error = ValueError("bug")
        self.assertEqual(await self.complete("gnt-node", "info", ""), [])
        self.flushLoggedErrors(ValueError)
        await self.stop_listening()
        self.assertEqual(await self.complete("gnt-node", "info", ""), [])
        await self.listen()


class QuickTests(ServedMasterTestCase):
    """What must not cost time."""

    async def test_parsers(self) -> None:
        """No program's parser imports Twisted or msgspec."""
        code = (
            "import sys; from ganetix.cli.main import PROGRAMS, parser_of\n"
            "for program in PROGRAMS: parser_of(program)\n"
            "print(sorted({'twisted', 'msgspec'} & set(sys.modules)))"
        )
        environ = {**os.environ, "PYTHONPATH": str(Path(ganetix.__file__).parents[1])}
        out, err, status = await getProcessOutputAndValue(
            sys.executable, ["-c", code], env=environ
        )
        self.assertEqual((status, out), (0, b"[]\n"), err)

    async def test_help_without_twisted(self) -> None:
        """Help and completion import neither Twisted nor msgspec."""
        code = (
            "import sys; from ganetix.cli.main import gnt_instance\n"
            "try: gnt_instance()\n"
            "except SystemExit as end: assert not end.code\n"
            "print(sorted({'twisted', 'msgspec'} & set(sys.modules)))"
        )
        environ = {**os.environ, "PYTHONPATH": str(Path(ganetix.__file__).parents[1])}
        for arguments in (["add", "--help"], ["_complete", "st"]):
            out, err, status = await getProcessOutputAndValue(
                sys.executable, ["-c", code, *arguments], env=environ
            )
            self.assertEqual(status, 0, err)
            self.assertTrue(out.endswith(b"[]\n"), out)
