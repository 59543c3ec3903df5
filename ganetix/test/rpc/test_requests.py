"""The memory of requests."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.rpc.requests import MOST_LINE_BYTES, RequestMemory, RunningRequest


class Heard:
    """A listener that keeps what it heard."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.end: bytes | None = None

    def line(self, data: bytes) -> None:
        """A progress line."""
        self.lines.append(data)

    def ended(self, data: bytes) -> None:
        """The last line."""
        self.end = data


class RunningRequestTests(SynchronousTestCase):
    """One request with its listeners."""

    def setUp(self) -> None:
        self.request = RunningRequest("delay", b"", 0.0)
        self.first, self.second = Heard(), Heard()

    def test_second_listener(self) -> None:
        """One who attaches later hears what it has not seen, and the end."""
        self.request.attach(self.first)
        self.request.say(b"1")
        self.request.say(b"2")
        self.request.attach(self.second, seen=1)
        self.request.say(b"3")
        self.request.end(b"end", 1.0)
        self.assertEqual(self.first.lines, [b"1", b"2", b"3"])
        self.assertEqual(self.second.lines, [b"2", b"3"])
        self.assertEqual(self.second.end, b"end")

    def test_after_the_end(self) -> None:
        """One who comes after the end gets the answer at once."""
        self.request.say(b"1")
        self.request.end(b"end", 1.0)
        self.request.attach(self.second)
        self.assertEqual((self.second.lines, self.second.end), ([b"1"], b"end"))

    def test_gone(self) -> None:
        """When the last listener goes, those who asked are told; not before."""
        self.request.attach(self.first)
        self.request.attach(self.second)
        gone = self.request.caller_gone()
        self.request.detach(self.first)
        self.assertNoResult(gone)
        self.request.detach(self.second)
        self.successResultOf(gone)

    def test_not_gone_at_the_end(self) -> None:
        """A listener that leaves with its answer is not gone."""
        self.request.attach(self.first)
        gone = self.request.caller_gone()
        self.request.end(b"end", 1.0)
        self.request.detach(self.first)
        self.assertNoResult(gone)
        gone.cancel()
        self.failureResultOf(gone)

    def test_bounded_lines(self) -> None:
        """Only the latest lines are kept; those who lag hear the rest in order."""
        line = b"x" * 1024
        for number in range(MOST_LINE_BYTES // 1024 + 10):
            self.request.say(b"%04d" % number + line[4:])
        self.request.attach(self.first, seen=5)
        self.assertEqual(len(self.first.lines), MOST_LINE_BYTES // 1024)
        self.assertTrue(self.first.lines[0].startswith(b"0010"))


class RequestMemoryTests(SynchronousTestCase):
    """Requests by caller and id."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.memory = RequestMemory(
            self.clock, most_requests=3, most_age_seconds=60, most_bytes=1000
        )

    def _finish(self, request_id: str, size: int = 10, keep: bool = True) -> None:
        self.memory.start("caller", request_id, "delay", b"")
        self.memory.end("caller", request_id, b"x" * size, keep)

    def test_finds(self) -> None:
        """A request is found while it runs and afterwards, by its own caller only."""
        started = self.memory.start("caller", "id", "delay", b"")
        self.assertIs(self.memory.find("caller", "id"), started)
        self.memory.end("caller", "id", b"end", True)
        self.assertIs(self.memory.find("caller", "id"), started)
        self.assertIsNone(self.memory.find("another", "id"))

    def test_bounded_by_count(self) -> None:
        """Of too many finished requests, the oldest are forgotten."""
        for number in range(5):
            self._finish(str(number))
        self.assertIsNone(self.memory.find("caller", "1"))
        self.assertIsNotNone(self.memory.find("caller", "2"))

    def test_bounded_by_age(self) -> None:
        """Finished requests are forgotten after a while."""
        self._finish("old")
        self.clock.advance(61)
        self.assertIsNone(self.memory.find("caller", "old"))
        self.assertEqual(len(self.memory), 0)

    def test_bounded_by_size(self) -> None:
        """Large answers push out older ones."""
        self._finish("small")
        self._finish("large", 995)
        self.assertIsNone(self.memory.find("caller", "small"))
        self.assertIsNotNone(self.memory.find("caller", "large"))

    def test_running_stay(self) -> None:
        """A request that runs is never forgotten."""
        self.memory.start("caller", "long", "delay", b"")
        self.clock.advance(3600)
        for number in range(5):
            self._finish(str(number))
        self.assertIsNotNone(self.memory.find("caller", "long"))

    def test_not_kept(self) -> None:
        """What is not to be kept is gone when it ends."""
        self._finish("read", keep=False)
        self.assertEqual(len(self.memory), 0)

    def test_idle(self) -> None:
        """Idle means that nothing runs any more."""
        self.successResultOf(self.memory.idle())
        self.memory.start("caller", "a", "delay", b"")
        self.memory.start("caller", "b", "delay", b"")
        idle = self.memory.idle()
        self.memory.end("caller", "a", b"", True)
        self.assertNoResult(idle)
        self.memory.end("caller", "b", b"", True)
        self.successResultOf(idle)
