"""What others said does not reach the terminal as it came."""

from __future__ import annotations

import sys
from io import BytesIO, StringIO, TextIOWrapper

from twisted.trial.unittest import SynchronousTestCase

from ganetix.cli.output import show_cell
from ganetix.cli.progress import JobProgress
from ganetix.cli.streams import Streams, printable

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

    def test_poor_encoding(self) -> None:
        """What the terminal's encoding lacks is a question mark, not a failure."""
        raw = BytesIO()
        self.patch(sys, "stdout", TextIOWrapper(raw, "ascii"))
        streams = Streams.real()
        streams.out("Größe …")
        streams.stdout.flush()
        self.assertEqual(raw.getvalue(), b"Gr??e ?\n")
