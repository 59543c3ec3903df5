"""Tests of output of commands as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.objects.output import (
    MOST_PLAIN,
    OutputText,
    Written,
    as_text,
    log_line,
    written,
)

SNIPPETS = st.sampled_from(
    (
        *(
            b"\0",
            b"\n",
            b"\r",
            b"\\",
            b"c",
            b"\\c",
            b"\\x41",
            b"\xff",
            b"\xc3",
            b"\xa4",
        ),
        *("größer".encode(), "\u2028\x85".encode(), b" \t"),
        *(b"x" * 5000, b"\xfe" * 2000),
    )
)


class OutputTests(SynchronousTestCase):
    """From bytes to lines of text and back."""

    def told(self, *chunks: bytes) -> list[str]:
        """What is told of a command that writes so."""
        lines: list[str] = []
        text = OutputText("stdout", lines.append)
        for chunk in chunks:
            text.feed(chunk)
        text.end()
        return lines

    @given(st.lists(st.lists(SNIPPETS).map(b"".join)))
    def test_exact(self, chunks: list[bytes]) -> None:
        """Whatever is written, in whatever pieces, comes back byte by byte."""
        found = [written(log_line("node1", line)) for line in self.told(*chunks)]
        self.assertEqual(
            b"".join(each.data for each in found if each), b"".join(chunks)
        )

    @given(st.lists(st.lists(SNIPPETS).map(b"".join)))
    def test_lines(self, chunks: list[bytes]) -> None:
        """Each is one short line, which a log of a job keeps as it is."""
        for line in self.told(*chunks):
            self.assertEqual(line.splitlines(), [line])
            self.assertTrue(line.replace("\t", "").isprintable())
            self.assertLessEqual(len(line), MOST_PLAIN + 20)

    def test_readable(self) -> None:
        """What can be printed is there to be read."""
        self.assertEqual(
            self.told(b"gr\xc3", b"\xb6\xc3\x9fer\n\ta\\b", b"\n\xff\x1b[1m"),
            ["stdout: größer", "stdout: \ta\\\\b", "stdout: \\xff\\x1b[1m\\c"],
        )

    def test_long_text(self) -> None:
        """A long line is cut between characters, not within one."""
        line, *_ = self.told("ä".encode() * 5000)
        self.assertNotIn("\\x", line)

    def test_end_of_line_in_next_chunk(self) -> None:
        """A line that waits for its newline is told once."""
        self.assertEqual(self.told(b"one", b"\n"), ["stdout: one"])

    def test_other_lines(self) -> None:
        """A line of a log that is no output, or badly formed, is told apart."""
        for line in (
            "node1: exit status 1",
            "stdout: x",
            "n stdout: \\",
            "n stdout: \\N",
        ):
            self.assertIsNone(written(line))
        self.assertEqual(written("n stderr: "), Written("n", "stderr", b"\n"))

    def test_not_utf8(self) -> None:
        """Of what is not UTF-8, ASCII can still be read."""
        self.assertEqual(as_text(b"caf\xe9 au lait"), "caf\\xe9 au lait")
