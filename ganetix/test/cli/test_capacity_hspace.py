"""``gnt-capacity`` and Debian's ``hspace`` say the same, line by line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random

from twisted.trial.unittest import SkipTest

from ganetix.test.allocators.support import vectors
from ganetix.test.cli.hspace_cases import file_case, simulated_options
from ganetix.test.cli.test_capacity import ProgramTestCase

HSPACE = shutil.which("hspace")
SECONDS = 5.0
FIRST_SEED, SEEDS = 7000, 12


class HspaceTests(ProgramTestCase):
    """The same lines for the same input; hspace gets a few seconds for each."""

    def setUp(self) -> None:
        """Where hspace is."""
        super().setUp()
        if HSPACE is None:
            raise SkipTest("ganeti-htools is not installed")

    def compare(self, words: list[str]) -> bool:
        """Compare one run; False if hspace takes too long."""
        assert HSPACE is not None
        command = [*words, "--machine-readable"]
        try:
            done = subprocess.run(  # noqa: S603
                [HSPACE, *command],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        status = self.run_line(" ".join(["gnt-capacity", *command]))
        self.assertEqual(self.out.splitlines(), done.stdout.splitlines(), words)
        self.assertEqual(status == 0, done.returncode == 0, self.err)
        return True

    def test_random_files(self) -> None:
        """Small clusters with all that a file can hold."""
        compared = 0
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
            rng = Random(seed)  # noqa: S311
            text, words = file_case(rng)
            self.path.write_text(text)
            with self.subTest(seed=seed):
                compared += self.compare(["-t", str(self.path), *words])
        self.assertGreater(compared, SEEDS // 2)

    def test_simulations(self) -> None:
        """Clusters from descriptions."""
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
            rng = Random(seed)  # noqa: S311
            with self.subTest(seed=seed):
                self.compare(simulated_options(rng))

    def test_vectors(self) -> None:
        """The smallest ones of the reference clusters."""
        compared = 0
        smallest = sorted(vectors(), key=lambda path: path.stat().st_size)[:10]
        for path in smallest:
            words = ["-t", str(path), "--disk-template", "drbd"]
            sizes = ["--tiered-alloc", "20g,3g,2", "--standard-alloc", "10g,1g,1"]
            with self.subTest(name=path.name):
                compared += self.compare([*words, *sizes, "--spindle-use", "1"])
        if not compared:
            raise SkipTest("the reference vectors are not here")

    def test_saved_files(self) -> None:
        """The filled clusters are saved the same to the byte."""
        saved = []
        for name in ("ours", "theirs"):
            prefix = Path(self.mktemp()).absolute()
            words = ["-t", str(self.path), "--disk-template", "drbd", "-S", str(prefix)]
            words += ["--tiered-alloc", "20g,3g,2", "--standard-alloc", "10g,1g,1"]
            if name == "ours":
                self.assertEqual(self.run_line(" ".join(["gnt-capacity", *words])), 0)
            else:
                assert HSPACE is not None
                subprocess.run([HSPACE, *words], capture_output=True, check=True)  # noqa: S603
            saved.append(
                [
                    prefix.with_name(f"{prefix.name}.{kind}").read_text()
                    for kind in ("tiered", "standard")
                ]
            )
        self.assertEqual(saved[0], saved[1])
