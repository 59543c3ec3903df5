"""What others said does not reach the terminal as it came."""

from __future__ import annotations

import sys
from io import BytesIO, StringIO, TextIOWrapper

from twisted.trial.unittest import SynchronousTestCase

from ganetix.cli.main import report
from ganetix.cli.output import show_cell
from ganetix.cli.progress import JobProgress
from ganetix.cli.streams import Streams, one_line, printable

NASTY = "a\x1b[2Jb\rc\x9bd\n"
HARMLESS = "a\\x1b[2Jb\\rc\\x9bd\\n"


class PrintableTests(SynchronousTestCase):
    """Escape sequences, carriage returns and line breaks."""

    def test_readable(self) -> None:
        """Text of any language, and tabs, stay as they are."""
        self.assertEqual(printable("Größe\t5 → 6"), "Größe\t5 → 6")

    def test_cells(self) -> None:
        """Cells of tables are on one line, whatever is in them."""
        self.assertEqual(show_cell(NASTY, "text"), HARMLESS)
        self.assertEqual(show_cell([NASTY, "e"], "list"), f"{HARMLESS},e")

    def test_progress(self) -> None:
        """Log lines of jobs are shown as one line each."""
        out = StringIO()
        JobProgress(out, None).line(NASTY)
        self.assertEqual(out.getvalue(), f"{HARMLESS}\n")

    def test_long_word(self) -> None:
        """A value of thousands of characters does not hide what is wrong with it."""
        text = one_line(f"--mac-prefix: '{'a' * 5000}' is not three bytes")
        self.assertLess(len(text), 200)
        self.assertTrue(text.startswith("--mac-prefix: 'aaa"), text)
        self.assertTrue(text.endswith("aaa' is not three bytes"), text)
        self.assertEqual(text.count("…"), 1)

    def test_long_message(self) -> None:
        """Of thousands of words the beginning and the end are told."""
        text = one_line(f"unknown arguments: {'one ' * 5000}(see --help)")
        self.assertLess(len(text), 2000)
        self.assertTrue(text.startswith("unknown arguments: one one"), text)
        self.assertTrue(text.endswith("one (see --help)"), text)

    def test_error_line(self) -> None:
        """An error is one short line, whatever names a file or a value has."""
        err = StringIO()
        streams = Streams(StringIO(), StringIO(), err, {})
        error = FileNotFoundError(2, "No such file", f"a\x1b\n{'b' * 5000}")
        self.assertEqual(report("gnt-os", error, streams), 1)
        (line,) = err.getvalue().splitlines()
        self.assertLess(len(line), 200)
        self.assertTrue(line.startswith("gnt-os: error: a?; bbb"), line)
        self.assertTrue(line.endswith("bbb: No such file"), line)

    def test_poor_encoding(self) -> None:
        """What the terminal's encoding lacks is a question mark, not a failure."""
        raw = BytesIO()
        self.patch(sys, "stdout", TextIOWrapper(raw, "ascii"))
        streams = Streams.real()
        streams.out("Größe …")
        streams.stdout.flush()
        self.assertEqual(raw.getvalue(), b"Gr??e ?\n")
