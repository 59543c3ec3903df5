"""Log events as text."""

from __future__ import annotations

from io import StringIO

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.log import TextObserver


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
