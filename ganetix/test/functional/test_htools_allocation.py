"""Debian's hail and hbal beside the built-in allocator, on a few random clusters.

The scripts in ``benchmarks`` do the same at length.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import ganetix

CHECKOUT = Path(ganetix.__file__).parent.parent
BENCHMARKS = CHECKOUT / "benchmarks"
HAILS = (
    Path("/usr/lib/ganeti/iallocators/hail"),
    Path("/usr/lib/ganeti/3.0/usr/lib/ganeti/iallocators/hail"),
)
SECONDS = 300


class HtoolsTests(SynchronousTestCase):
    """The same choices, and scores that are as good."""

    if not BENCHMARKS.is_dir():
        skip = "the comparing scripts are only in a checkout"

    def _compare(self, script: str, *options: str) -> None:
        done = subprocess.run(  # noqa: S603
            [sys.executable, BENCHMARKS / script, "--json", *options],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_same_as_hail(self) -> None:
        """Requests of all types have the same answers, or equally good ones."""
        self._compare("allocator_compare.py", "--count", "25", "--seconds", "3")

    def test_as_good_as_hbal(self) -> None:
        """Balanced groups have scores that are at least as good."""
        self._compare("balance_compare.py", "--count", "6", "--seconds", "3")

    if not any(path.exists() for path in HAILS):
        test_same_as_hail.skip = "hail is not installed"  # type: ignore[attr-defined]
    if shutil.which("hbal") is None:
        test_as_good_as_hbal.skip = "hbal is not installed"  # type: ignore[attr-defined]
