"""Who may take the master's role over, by the files of a node."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap.failover_here import check_candidate
from ganetix.errors import WrongState
from ganetix.paths import Paths


class CheckCandidateTests(SynchronousTestCase):
    """A node with the ssconf files of a cluster."""

    def setUp(self) -> None:
        """Two candidates."""
        self.paths = Paths(Path(self.mktemp()).absolute())
        self.paths.lib.mkdir(parents=True)
        for name, text in (
            ("master_candidates_certs", "uuid-1=aa\nuuid-2=bb\n"),
            ("master_candidates", "node1\nnode2\n"),
        ):
            self.paths.ssconf(name).write_text(text, "utf-8")

    def test_candidate(self) -> None:
        """A candidate may try."""
        check_candidate(self.paths, "uuid-2")

    def test_no_candidate(self) -> None:
        """Another node hears where to go on."""
        error = self.assertRaises(WrongState, check_candidate, self.paths, "uuid-3")
        self.assertIn("no master candidate", str(error))
        self.assertIn("node1, node2", str(error))

    def test_no_files(self) -> None:
        """Where there is no ssconf others find out."""
        self.paths.ssconf("master_candidates").unlink()
        check_candidate(self.paths, "uuid-3")
