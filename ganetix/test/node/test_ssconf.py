"""Tests of writing ssconf files."""

from __future__ import annotations

import stat
from typing import ClassVar

from ganetix.bootstrap.ssconf import forget_ssconf, ssconf_names, write_ssconf
from ganetix.errors import BadParameter, StaleEpoch, StateFault, WrongState
from ganetix.node.obeyed import known_claim
from ganetix.objects.node_calls import SsconfWrite
from ganetix.objects.replica import Claim
from ganetix.objects.ssconf import ssconf_digest
from ganetix.rpc.admission import Allegiance
from ganetix.rpc.methods import SSCONF_WRITE
from ganetix.test.node.support import NodeCase


class SsconfTests(NodeCase):
    """The method ``ssconf_write``."""

    def write(self, serial_no: int, **files: str) -> None:
        """Write these files."""
        self.ask(SSCONF_WRITE, SsconfWrite(files=files, serial_no=serial_no))

    def text(self, name: str) -> str:
        """What a file holds."""
        return self.paths.ssconf(name).read_text()

    def test_writes(self) -> None:
        """Files are written as given, readable by everybody."""
        self.write(1, cluster_name="c1\n", node_list="n1\nn2\n")
        self.assertEqual(self.text("cluster_name"), "c1\n")
        self.assertEqual(self.text("node_list"), "n1\nn2\n")
        mode = self.paths.ssconf("node_list").stat().st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o644)

    def test_removes_the_rest(self) -> None:
        """Files that are not in the request are removed, other files are not."""
        other = self.paths.lib / "state.db"
        other.touch()
        self.write(1, cluster_name="c1\n", old="x\n")
        self.write(2, cluster_name="c1\n")
        self.assertEqual(ssconf_names(self.paths), {"cluster_name"})
        self.assertTrue(other.exists())

    def test_tells_who_is_master(self) -> None:
        """Who is master by the new files is heard at once, also after a restart."""
        self.write(1, cluster_name="c1\n")
        self.write(5, master_epoch="2\n", master_node_uuid="u2\n")
        self.assertEqual(self.heard, [Claim(number=2, master="u2")])
        self.assertEqual(known_claim(self.paths), Claim(number=2, master="u2"))

    def test_half_written(self) -> None:
        """Files that do not say who is master bind nobody."""
        for name, text in (
            ("master_epoch", "2\n"),
            ("master_epoch", "x\n"),
            ("master_node_uuid", "\n"),
        ):
            self.write(1, **{name: text})
            self.assertEqual(known_claim(self.paths), Claim())

    def test_epoch_cut_short(self) -> None:
        """Files of a new epoch that were written in part do not bind to the old master.

        A node that restarts so obeys the new one only.
        """
        self.write(1, master_epoch="1\n", master_node_uuid="old\n")
        self.paths.ssconf("master_epoch").unlink()
        self.paths.ssconf("master_epoch").mkdir()
        files = {"master_epoch": "2\n", "master_node_uuid": "new\n"}
        request = SsconfWrite(files=files, serial_no=5)
        self.refusal(SSCONF_WRITE, request, StateFault)
        self.paths.ssconf("master_epoch").rmdir()
        self.paths.ssconf("master_epoch").write_text("1\n")
        allegiance = Allegiance(known_claim(self.paths))
        old = Claim(number=1, master="old")
        self.assertRaises(StaleEpoch, allegiance.obey, old)
        allegiance.obey(Claim(number=2, master="new"))
        self.write(5, **files)
        self.assertEqual(known_claim(self.paths), Claim(number=2, master="new"))

    def test_refuses_older(self) -> None:
        """What comes late is refused, and changes nothing."""
        self.write(5, cluster_name="new\n")
        request = SsconfWrite(files={"cluster_name": "old\n"}, serial_no=4)
        text = self.refusal(SSCONF_WRITE, request, WrongState)
        self.assertRegex(text, "4 is older.*5")
        self.assertEqual(self.text("cluster_name"), "new\n")

    def test_same_again(self) -> None:
        """The same serial number may be written again, as after a lost answer."""
        self.write(5, cluster_name="c1\n")
        self.write(5, cluster_name="c1\n")
        self.assertEqual(self.text("cluster_name"), "c1\n")

    def test_serial_survives(self) -> None:
        """The serial number is kept in a file, so a restart does not lose it."""
        self.write(5, cluster_name="c1\n")
        self.assertRaises(WrongState, write_ssconf, self.paths, {}, 4)

    def test_bad_names(self) -> None:
        """A name that might be a path is refused, and nothing is written."""
        for name in ("../passwd", "", "A", "x/y", ".hidden"):
            request = SsconfWrite(files={"good": "x\n", name: "x\n"}, serial_no=1)
            self.refusal(SSCONF_WRITE, request, BadParameter)
        self.assertEqual(ssconf_names(self.paths), frozenset())

    def test_no_directory(self) -> None:
        """A medium that fails is one line, not a traceback."""
        self.paths.lib.rmdir()
        request = SsconfWrite(files={"cluster_name": "c\n"}, serial_no=1)
        self.assertIn("No such file", self.refusal(SSCONF_WRITE, request, StateFault))

    def test_forget(self) -> None:
        """After forgetting, a new cluster may begin to count anew."""
        self.write(5, cluster_name="c1\n")
        forget_ssconf(self.paths)
        self.assertEqual(ssconf_names(self.paths), frozenset())
        write_ssconf(self.paths, {"cluster_name": "c2\n"}, 1)
        self.assertEqual(self.text("cluster_name"), "c2\n")


class PatchTests(NodeCase):
    """What changed, for a node that has the rest."""

    OLD: ClassVar[dict[str, str]] = {"a": "1\n", "b": "2\n"}

    def setUp(self) -> None:
        """A node that has two files."""
        super().setUp()
        self.ask(SSCONF_WRITE, SsconfWrite(files=self.OLD, serial_no=5))

    def sends(
        self, serial_no: int, removed: tuple[str, ...] = (), **files: str
    ) -> bool:
        """Send a patch; whether the node took it."""
        base = ssconf_digest({name: text.encode() for name, text in self.OLD.items()})
        request = SsconfWrite(
            files=files, removed=removed, base=base, serial_no=serial_no
        )
        return not self.ask(SSCONF_WRITE, request).needs_all

    def texts(self) -> dict[str, str]:
        """All files and what they hold."""
        names = ssconf_names(self.paths)
        return {name: self.paths.ssconf(name).read_text() for name in names}

    def test_writes_what_changed(self) -> None:
        """Files come, change and go; the rest stays as it is."""
        kept = self.paths.ssconf("a").stat().st_ino
        self.assertTrue(self.sends(6, b="new\n", c="3\n"))
        self.assertEqual(self.texts(), {"a": "1\n", "b": "new\n", "c": "3\n"})
        self.assertEqual(self.paths.ssconf("a").stat().st_ino, kept)

    def test_removes(self) -> None:
        """A file that is named as removed goes."""
        self.assertTrue(self.sends(6, removed=("a",)))
        self.assertEqual(self.texts(), {"b": "2\n"})

    def test_nothing_changed(self) -> None:
        """The same files with a newer serial number: older ones are refused then."""
        self.assertTrue(self.sends(9))
        request = SsconfWrite(files=self.OLD, serial_no=8)
        self.refusal(SSCONF_WRITE, request, WrongState)

    def test_other_base(self) -> None:
        """A node whose files are others, for whatever reason, asks for all."""
        self.paths.ssconf("a").write_text("an administrator was here\n")
        self.assertFalse(self.sends(6, b="new\n"))
        self.assertEqual(self.texts()["b"], "2\n")

    def test_refuses_older(self) -> None:
        """A patch that comes late is refused."""
        request = SsconfWrite(
            files={},
            base=ssconf_digest({"a": b"1\n", "b": b"2\n"}),
            serial_no=4,
        )
        self.refusal(SSCONF_WRITE, request, WrongState)

    def test_bad_names(self) -> None:
        """A name that might be a path is refused when it is to be removed, too."""
        base = ssconf_digest({"a": b"1\n", "b": b"2\n"})
        for name in ("../passwd", "x/y"):
            request = SsconfWrite(files={}, removed=(name,), base=base, serial_no=6)
            self.refusal(SSCONF_WRITE, request, BadParameter)
