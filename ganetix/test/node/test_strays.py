"""Tests for finding OS scripts of a daemon that is gone."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.node.strays import script_pids
from ganetix.objects import new_uuid


class ScriptPidsTests(SynchronousTestCase):
    """Tests for ``script_pids`` on a /proc of our own making."""

    def setUp(self) -> None:
        """An empty one."""
        self.proc = Path(self.mktemp())
        self.uuid = new_uuid()

    def add(self, pid: int, state: str = "S", **environment: str) -> None:
        """A process with this environment."""
        entry = self.proc / str(pid)
        entry.mkdir(parents=True)
        variables = "".join(f"{k}={v}\0" for k, v in environment.items())
        (entry / "environ").write_text(variables)
        (entry / "stat").write_text(f"{pid} (a) b) {state} 1 1")

    def test_finds_this_instances_scripts(self) -> None:
        """Processes of the instance are found, those of others are not."""
        self.add(10, PATH="/bin", INSTANCE_UUID=self.uuid)
        self.add(11, INSTANCE_UUID=new_uuid())
        self.add(12, OTHER_INSTANCE_UUID=self.uuid)
        self.add(13, NOTE=f"INSTANCE_UUID={self.uuid}")
        (self.proc / "meminfo").touch()
        self.assertEqual(script_pids(self.uuid, self.proc), [10])

    def test_dead_and_vanished(self) -> None:
        """Dead ones, and ones that vanish meanwhile, are passed over."""
        self.add(10, "Z", INSTANCE_UUID=self.uuid)
        (self.proc / "11").mkdir()
        self.assertEqual(script_pids(self.uuid, self.proc), [])
