"""Log events as text."""

from __future__ import annotations

import json
from contextvars import copy_context
from io import StringIO

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.log import JsonObserver, TextObserver, WorkingOn


class TextTests(SynchronousTestCase):
    """What stands in a log file."""

    def setUp(self) -> None:
        self.out = StringIO()
        self.log = Logger("here", observer=TextObserver(self.out))

    def test_one_line(self) -> None:
        """Line breaks and control characters in a value make no line of their own."""
        said = "x\n2026-11-22T00:00:00+0000 critical forged\r\x1b[2J\u2028"
        self.log.warn("it says {said}", said=said)
        (line,) = self.out.getvalue().splitlines()
        self.assertIn("warn     here: it says x\\n2026", line)
        self.assertTrue(line.endswith("\\r\\x1b[2J\\u2028"))

    def test_readable(self) -> None:
        """Letters of all languages stay as they are."""
        self.log.info("Gerät {name} läuft", name="пример")
        self.assertIn("Gerät пример läuft", self.out.getvalue())

    def test_traceback(self) -> None:
        """A traceback stands below its event, indented."""
        self.log.failure("went wrong", Failure(ValueError("a\nb")))
        first, *rest = self.out.getvalue().splitlines()
        self.assertTrue(first.endswith("critical here: went wrong"))
        self.assertTrue(rest)
        self.assertTrue(all(line.startswith("    ") for line in rest))


class JobTests(SynchronousTestCase):
    """Events say which job they belong to."""

    def setUp(self) -> None:
        self.out, self.json = StringIO(), StringIO()
        observer = LogPublisher(TextObserver(self.out), JsonObserver(self.json))
        self.log = Logger("here", observer=observer)

    def records(self) -> list[tuple[str, int | None, str | None]]:
        """Text, job and opcode of each event."""
        found = map(json.loads, self.json.getvalue().splitlines())
        return [(e["log_format"], e.get("job"), e.get("op")) for e in found]

    async def work(self, job: int, wait: Deferred[None]) -> None:
        """What a worker does; a part of it by a coroutine of its own."""
        with WorkingOn(job, "OP_X"):
            await wait
            await Deferred.fromCoroutine(self.part())
        self.log.info("after")

    async def part(self) -> None:
        """A part of the work."""
        self.log.info("part")

    def test_outside(self) -> None:
        """What is of no job says none."""
        self.log.info("idle")
        self.assertEqual(self.records(), [("idle", None, None)])
        self.assertIn(" here: idle", self.out.getvalue())

    def test_follows_coroutines(self) -> None:
        """Jobs that wait at the same time keep theirs, whoever lets them go on."""
        first, second = Deferred[None](), Deferred[None]()
        _ = Deferred.fromCoroutine(self.work(1, first))
        _ = Deferred.fromCoroutine(self.work(2, second))
        self.log.info("between")
        second.callback(None)
        first.callback(None)
        self.assertEqual(
            self.records(),
            [
                ("between", None, None),
                *(("part", 2, "OP_X"), ("after", None, None)),
                *(("part", 1, "OP_X"), ("after", None, None)),
            ],
        )
        self.assertIn(" here [job 2 OP_X]: part\n", self.out.getvalue())

    def test_own_fields(self) -> None:
        """What an event says itself counts."""
        with WorkingOn(1, "OP_X"):
            self.log.info("other", job=7)
        self.assertEqual(self.records(), [("other", 7, "OP_X")])

    def test_failure(self) -> None:
        """Work that fails leaves nothing behind."""
        with self.assertRaises(ValueError), WorkingOn(1, "OP_X"):
            raise ValueError
        self.log.info("after")
        self.assertEqual(self.records(), [("after", None, None)])

    def test_thrown_away(self) -> None:
        """A coroutine that nobody waits for any more can be closed from anywhere."""
        work = self.work(1, Deferred())
        copy_context().run(work.send, None)
        work.close()
