"""Tests of command lines and the opcodes that they become."""

from __future__ import annotations

import sys
from io import StringIO
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from ganetix.cli.errors import UsageError, checked
from ganetix.cli.instance_request import create_request
from ganetix.cli.main import PROGRAMS, parse, parser_of, report
from ganetix.cli.streams import Streams
from ganetix.opcodes import DiskRequest, NicRequest, OpInstanceCreate


def created(line: str) -> OpInstanceCreate:
    """The opcode of ``gnt-instance add`` with these options, for instance web1."""
    options = parse("gnt-instance", ["add", *line.split(), "web1"])
    return checked(create_request, options)


class InstanceAddTests(SynchronousTestCase):
    """``gnt-instance add``."""

    def test_full(self) -> None:
        """All options stand in the opcode."""
        op = created(
            "-t file --disk 0:size=1G,format=qcow2 --disk 1:size=512,mode=ro"
            " -B memory=1.5G,vcpus=2 -o tiny+x -O a=1 -n node1 -g rack2"
            " --net 0:mode=bridged,link=br0,mac=aa:00:00:00:00:01"
            " -H kvm:accel=tcg,tcg_tb_size=64 --no-start --no-install"
        )
        expected = OpInstanceCreate(
            name="web1",
            disk_template="file",
            disks=(
                DiskRequest(size_mib=1024, params={"format": "qcow2"}),
                DiskRequest(size_mib=512, mode="ro"),
            ),
            nics=(NicRequest(mode="bridged", link="br0", mac="aa:00:00:00:00:01"),),
            os="tiny+x",
            osparams={"a": "1"},
            node="node1",
            group="rack2",
            hypervisor="kvm",
            hvparams={"accel": "tcg", "tcg_tb_size": 64},
            memory_mib=1536,
            vcpus=2,
            start=False,
            no_install=True,
        )
        self.assertEqual(op, expected)

    def test_defaults(self) -> None:
        """What is left out is left to the cluster."""
        op = created("-t diskless -o noop")
        self.assertEqual(
            op, OpInstanceCreate(name="web1", disk_template="diskless", os="noop")
        )

    def test_no_nics(self) -> None:
        """No NIC is not the same as the default one."""
        self.assertEqual(created("-t diskless -o noop --no-nics").nics, ())

    def test_wrong(self) -> None:
        """Each wrong value is wrong usage, with option and reason in one line."""
        for line, words in (
            ("-o noop", "template file needs a disk"),
            ("-o noop -t diskless --disk 0:size=1G", "takes no disks"),
            ("-o noop --disk 0", "disk 0 has no size"),
            ("-o noop --disk 0:size=big", "--disk 0: size: 'big' is not a size"),
            ("-o noop --disk 1:size=1G", "no 0"),
            ("-o noop --disk 0:size=0", "size: 0 is not between 1"),
            ("-o noop --disk 0:size=1G,mode=wo", "'wo' is not one of rw, ro"),
            ("-o noop --disk 0:size=1G -B memory=0", "memory: 0 is not between"),
            ("-o noop --disk 0:size=1G -B memory=x", "-B memory: 'x' is not a size"),
            ("-o noop --disk 0:size=1G -B vcpus=1.5", "'1.5' is not a whole number"),
            ("-o noop --disk 0:size=1G -B cpus=1", "'cpus' is not one of memory"),
            ("-o noop --disk 0:size=1G --net 0:mode=fast", "'fast' is not one of"),
            ("-o noop --disk 0:size=1G --net 0:speed=1", "'speed' is not one of"),
            ("-o noop --disk 0:size=1G -H accel=tcg", "is not HYPERVISOR:KEY"),
            ("-o noop --disk 0:size=1G -H kvm:accel=x", "accel is 'x'"),
            ("-o noop --disk 0:size=1G -H xen", "'xen' is not known"),
            ("-o noop --disk 0:size=1G -O x", "'x' is not KEY=VALUE"),
            ("--disk 0:size=1G", "required: -o"),
        ):
            with self.subTest(line=line):
                error = self.assertRaises(UsageError, created, line)
                self.assertIn(words, str(error))
                self.assertNotIn("\n", str(error))

    def test_wrong_name(self) -> None:
        """A name that could not stand in DNS is refused here already."""
        options = parse(
            "gnt-instance", ["add", "-t", "diskless", "-o", "noop", "no_name"]
        )
        error = self.assertRaises(UsageError, checked, create_request, options)
        self.assertIn("'no_name' is not a name", str(error))


class UsageTests(SynchronousTestCase):
    """Command lines that are wrong."""

    def test_wrong_lines(self) -> None:
        """Each is a usage error."""
        for line in (
            "gnt-node",
            "gnt-node fly",
            "gnt-node list --frobnicate",
            "gnt-node add",
            "gnt-node add --token-lifetime soon node2",
            "gnt-instance stop --timeout forever web1",
            "gnt-instance add --net 0 --no-nics -o noop web1",
            "gnt-job info",
            "gnt-job info one",
            "gnt-job cancel 0",
            "gnt-os list -g a --all-groups",
            "gnt-cluster init --primary-ip-version 5 demo",
            "gnt-debug delay --priority urgent 1",
            "ganetix-node join --start --no-start token",
        ):
            with self.subTest(line=line):
                program, *arguments = line.split()
                self.assertRaises(UsageError, parse, program, arguments)

    def test_one_clear_line(self) -> None:
        """What is wrong, what would be right, and where to read on: in one line."""
        for line, expected in (
            (
                "gnt-node modify --offline maybe n",
                "--offline: 'maybe' is not one of yes, no (see 'gnt-node modify",
            ),
            ("gnt-node add --port x n", "--port: 'x' is not a whole number (see"),
            ("gnt-node modfy n", "'modfy' is not known; did you mean modify? (see"),
            ("gnt-node add --wat n", "--wat (see 'gnt-node add --help')"),
            ("gnt-node", "which command? (see 'gnt-node --help')"),
            ("gnt-job info -1", "JOB: '-1' is not a positive number (see"),
        ):
            with self.subTest(line=line):
                program, *arguments = line.split()
                error = self.assertRaises(UsageError, parse, program, arguments)
                self.assertIn(expected, str(error))
                self.assertNotIn("\n", str(error))

    def test_disk_full(self) -> None:
        """That results cannot be written is the user's matter, not ours."""
        streams = Streams(StringIO(), StringIO(), StringIO(), {})
        error = OSError(28, "No space left on device")
        self.assertEqual(report("gnt-node", error, streams), 1)
        said = cast(StringIO, streams.stderr).getvalue()
        self.assertEqual(said, "gnt-node: error: No space left on device\n")

    def test_without_streams(self) -> None:
        """A command that was started with closed streams reads and writes nothing."""
        for name in ("stdin", "stdout", "stderr"):
            self.patch(sys, name, None)
        streams = Streams.real()
        for stream in streams[:3]:
            self.addCleanup(stream.close)
        streams.out("result")
        streams.note("progress")
        self.assertEqual((streams.stdin.read(), streams.is_interactive), ("", False))

    def test_root_anywhere(self) -> None:
        """--root may stand before and after the command."""
        before = parse("gnt-node", ["--root", "/a", "list"])
        after = parse("gnt-node", ["list", "--root", "/a"])
        self.assertEqual((before.root, after.root), ("/a", "/a"))

    def test_every_help(self) -> None:
        """Every command explains itself and each option; its examples are right."""
        for program in PROGRAMS:
            commands = parser_of(program)._subparsers
            found = {"": parser_of(program)}
            if commands is not None:
                found = commands._group_actions[0].choices  # type: ignore[assignment]
            for name, parser in found.items():
                with self.subTest(program=program, command=name):
                    for action in parser._actions:
                        self.assertTrue(action.help, action.dest)
                    text = parser.format_help()
                    self.assertIn("examples:", text)
                    examples = text[text.index("examples:") :].splitlines()[1:]
                    for example in examples:
                        words = example.split("|")[0].split("<")[0].split()
                        if not any("$(" in word for word in words):
                            parse(words[0], words[1:])
