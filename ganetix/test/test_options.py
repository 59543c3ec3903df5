"""Tests of the daemons' options."""

from __future__ import annotations

from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from ganetix.netutils.address import any_address
from ganetix.paths import Paths
from ganetix.tap.master_options import Options
from ganetix.tap.node import Options as NodeOptions


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


class BindTests(SynchronousTestCase):
    """Where the node's daemon listens."""

    def setUp(self) -> None:
        """A root without a cluster."""
        self.paths = Paths(Path(self.mktemp()).absolute())
        self.paths.lib.mkdir(parents=True)

    def parsed(self, *arguments: str) -> str:
        """The address."""
        options = NodeOptions()
        options.parseOptions([f"--root={self.paths.root}", *arguments])
        return options.address

    def test_by_ssconf(self) -> None:
        """The cluster's primary IP version decides; without a cluster it is IPv4."""
        self.assertEqual(self.parsed(), any_address(4))
        self.paths.ssconf("primary_ip_family").write_text("10\n")
        self.assertEqual(self.parsed(), "::")

    def test_given(self) -> None:
        """A word of the administrator counts for more."""
        self.paths.ssconf("primary_ip_family").write_text("10\n")
        self.assertEqual(self.parsed("-b", "127.0.0.9"), "127.0.0.9")
        self.assertEqual(self.parsed("--bind=[FD00::9]"), "fd00::9")

    def test_given_nonsense(self) -> None:
        """What is no address is refused with the option's name."""
        with self.assertRaisesRegex(UsageError, "--bind: 'eth0' is not an IP address"):
            self.parsed("--bind=eth0")

    def test_damaged(self) -> None:
        """A file that does not say it is named, with the way out."""
        self.paths.ssconf("primary_ip_family").write_text("seven\n")
        with self.assertRaisesRegex(UsageError, "primary_ip_family.*or give --bind"):
            self.parsed()
        self.assertEqual(self.parsed("-b", "::1"), "::1")
