"""Tests of the daemons' options."""

from __future__ import annotations

from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from ganetix.tap.master import Options


class ArchiveAgeTests(SynchronousTestCase):
    """``--archive-age`` of the master."""

    def parsed(self, *arguments: str) -> float | None:
        """The age in seconds."""
        options = Options()
        options.parseOptions([f"--root={self.mkroot()}", *arguments])
        return options.archive_age_seconds

    def mkroot(self) -> str:
        """A directory."""
        path = Path(self.mktemp())
        path.mkdir()
        return str(path)

    def test_ages(self) -> None:
        """It is a duration, six hours if not given; never is none."""
        self.assertEqual(self.parsed(), 6 * 3600.0)
        self.assertEqual(self.parsed("--archive-age=30m"), 1800.0)
        self.assertIsNone(self.parsed("--archive-age=never"))

    def test_wrong(self) -> None:
        """Anything else is refused with what is allowed."""
        with self.assertRaisesRegex(UsageError, "--archive-age: 'soon' is not a dur"):
            self.parsed("--archive-age=soon")
