"""Tests of long values in AMP boxes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.api.chunks import CHUNK, MAX_TOTAL, put_chunks, take_chunks
from ganetix.errors import BadParameter


class ChunkTests(SynchronousTestCase):
    """Any length up to the limit comes through; nothing else does."""

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 3 * CHUNK + 1))
    def test_round_trip(self, length: int) -> None:
        """What was put is what is taken, and the box is empty afterwards."""
        box: dict[bytes, bytes] = {}
        put_chunks(box, b"key", b"x" * length)
        self.assertEqual(take_chunks(box, b"key"), b"x" * length)
        self.assertEqual(box, {})

    def test_values_fit(self) -> None:
        """No value is longer than AMP can carry."""
        box: dict[bytes, bytes] = {}
        put_chunks(box, b"key", b"x" * 200_000)
        self.assertLessEqual(max(map(len, box.values())), 0xFFFF)

    def test_too_long(self) -> None:
        """More than the limit is refused with the limit named."""
        error = self.assertRaises(
            BadParameter, put_chunks, {}, b"key", b"x" * (MAX_TOTAL + 1)
        )
        self.assertIn("at most 16 MiB", str(error))

    def test_missing(self) -> None:
        """A value that is not there is refused, by its name."""
        error = self.assertRaises(BadParameter, take_chunks, {b"other": b""}, b"key")
        self.assertIn("key: missing", str(error))
