"""Tests of ``gnt-capacity`` and ``ganetix-allocator``."""

from __future__ import annotations

import io
import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.allocators.htools_text import read_text
from ganetix.allocators.protocol import request_document
from ganetix.cli.asking import run_at_once
from ganetix.cli.capacity.keys import _fixed, key_line
from ganetix.cli.complete import FILE_STATUS, Found, candidates
from ganetix.cli.errors import UsageError
from ganetix.cli.main import parse, report
from ganetix.cli.streams import Streams
from ganetix.objects.params import CapacityOverrides
from ganetix.plan.capacity.requests import Capacity

SIMULATED = "--simulate p,4,100g,16g,8"
FILE = """\
g1|u1|preferred||
g2|u2|unallocable||

n1.example|16384|512|15872|204800|204800|8|M|u1|1||N|0|0|1.0
n2.example|16384|512|12872|204800|204800|8|N|u1|1||N|0|0|1.0
n3|16384|512|15872|204800|204800|8|N|u2|1||N|0|0|1.0



"""


class ProgramTestCase(SynchronousTestCase):
    """Runs a program in this process."""

    def setUp(self) -> None:
        """A file with a cluster."""
        self.path = Path(self.mktemp()).absolute()
        self.path.write_text(FILE)

    def run_line(self, line: str) -> int:
        """Run a command line; FILE stands for the file."""
        program, *arguments = line.replace("FILE", str(self.path)).split()
        streams = Streams(io.StringIO(), io.StringIO(), io.StringIO(), {})
        try:
            status = run_at_once(program, parse(program, arguments), streams)
        except UsageError as error:
            status = report(program, error, streams)
        assert isinstance(streams.stdout, io.StringIO)
        assert isinstance(streams.stderr, io.StringIO)
        self.out, self.err = streams.stdout.getvalue(), streams.stderr.getvalue()
        return status

    def keys(self, line: str) -> dict[str, str]:
        """The HTS lines of a run that must succeed."""
        status = self.run_line(f"gnt-capacity {line} --machine-readable")
        self.assertEqual((status, self.err), (0, ""))
        lines = self.out.splitlines()
        self.assertEqual(lines[-1], "HTS_OK=1")
        return dict(one.removeprefix("HTS_").split("=", 1) for one in lines)


class CapacityTests(ProgramTestCase):
    """Computing from files and simulations."""

    def test_simulated(self) -> None:
        """The values that hspace prints for the same."""
        keys = self.keys(SIMULATED)
        self.assertEqual(len(keys), 107)
        for key, value in (
            ("CLUSTER_MEM", "65536"),
            ("CLUSTER_VCPU", "128"),
            ("INI_SPN_EFF", "1.00000000"),
            ("TSPEC_INI_SPN", "12"),
            ("TRL_SCORE", "2.59638476"),
            ("TSPEC", "'16320,1048576,8,12=3'"),
            ("KM_POOL_NPU", "6.0"),
            ("FIN_INST_CNT", "124"),
            ("ALLOC_USAGE", "0.00000000"),
            ("ALLOC_FAIL_REASON", "FAILCPU"),
            ("ALLOC_FAILCPU_CNT", "4"),
        ):
            self.assertEqual(keys[key], value, key)

    def test_nothing_fits(self) -> None:
        """An empty list is not quoted."""
        keys = self.keys(f"{SIMULATED} --tiered-alloc 1g,64g,99 -l 0")
        self.assertEqual((keys["TSPEC"], keys["TRL_INST_CNT"]), ("", "0"))

    def test_file(self) -> None:
        """A file; warnings go to standard error, without -q."""
        line = "gnt-capacity -t FILE --disk-template drbd"
        self.assertEqual(self.run_line(line), 0)
        self.assertIn("Cluster: 3 nodes in 2 groups, 0 instances", self.out)
        self.assertIn("more instances fit", self.out)
        self.assertIn("warning: node n2.example: 3000 MiB of memory", self.err)
        self.run_line(f"{line} -q")
        self.assertEqual(self.err, "")

    def test_offline(self) -> None:
        """Nodes may be taken for offline, by the name without the domain too."""
        keys = self.keys("-q -t FILE --disk-template plain -O n1 --no-capacity-checks")
        self.assertEqual(keys["TSPEC"][-3:], "=1'")
        self.run_line("gnt-capacity -t FILE -O n")
        self.assertIn("-O n: there is no node 'n'", self.err)

    def test_allocator_file(self) -> None:
        """The input of an allocator will do as well."""
        request = Path(self.mktemp())
        request.write_bytes(request_document(read_text(FILE), Capacity()))
        line = "--disk-template drbd --standard-alloc 10g,1g,1 -q"
        self.assertEqual(
            self.keys(f"-I {request} {line}"), self.keys(f"-t FILE {line}")
        )

    def test_saved(self) -> None:
        """What is saved reads as the cluster with the new instances."""
        prefix = Path(self.mktemp()).absolute()
        line = "gnt-capacity -t FILE --disk-template drbd --standard-alloc 10g,1g,1"
        self.assertEqual(self.run_line(f"{line} -S {prefix}"), 0)
        for name in ("tiered", "standard"):
            text = prefix.with_name(f"{prefix.name}.{name}").read_text()
            cluster = read_text(text)
            self.assertEqual(cluster.instances[0].name, "new-0")
            taken = sum(one.disk for one in cluster.instances)
            self.assertEqual(
                sum(node.free_disk for node in cluster.nodes),
                3 * 204800 - 2 * taken,
            )
        self.assertEqual(self.run_line(f"{line} -S /nowhere/x"), 1)
        self.assertIn("/nowhere/x.tiered: No such file", self.err)

    def test_nodes(self) -> None:
        """The nodes before and after, with the columns that are wanted."""
        line = "gnt-capacity -t FILE -q --disk-template drbd --standard-alloc 1g,1g,1"
        self.run_line(f"{line} -pname,pcnt,scnt,plist")
        first = self.err.splitlines()
        self.assertEqual(first[:2], ["Initially:", "Name       pcnt scnt primaries"])
        self.assertEqual(self.err.count("Name "), 3)
        self.run_line(f"{line} -p+idx")
        self.assertTrue(self.err.splitlines()[1].endswith("lNet Idx"))
        self.assertEqual(self.run_line(f"{line} -pfoo"), 2)
        self.assertIn("there is no field 'foo'; there are idx, status", self.err)

    def test_verbose(self) -> None:
        """Where instances go, what the score is made of, who is left out."""
        line = f"gnt-capacity {SIMULATED} --standard-alloc 1g,1g,1 -l 1"
        self.run_line(f"{line} -v")
        self.assertIn("new-0    node-01-004", self.err)
        self.assertNotIn("score", self.err)
        self.run_line(f"{line} -vvv")
        self.assertIn("  sum of reserved memory", self.err)
        self.assertIn("may receive instances: node-01-001, node-01-002", self.err)

    def test_nowhere(self) -> None:
        """Without a node there is nothing to compute."""
        line = "gnt-capacity --simulate u,2,1g,1g,1 --machine-readable"
        self.assertEqual(self.run_line(line), 1)
        self.assertIn("nothing can be placed: No online nodes", self.err)
        self.assertIn("HTS_INI_SCORE", self.out)
        self.assertNotIn("HTS_OK", self.out)

    def test_without_memory(self) -> None:
        """What takes no memory would fit for ever: it is refused in one line."""
        line = "gnt-capacity -q -t FILE --disk-template plain --tiered-alloc 1g,1g,1"
        self.assertEqual(self.run_line(f"{line} --standard-alloc 0,0,0"), 1)
        self.assertIn("memory 0 of an instance", self.err)

    def test_refused(self) -> None:
        """One line says what is wrong."""
        for line, status, text in (
            ("", 2, "give one of -t FILE, --simulate SPEC and -I FILE"),
            ("-t FILE --simulate p,1,1,1,1", 2, "give one of"),
            ("-t /nowhere", 1, "/nowhere: No such file"),
            ("--simulate p,1", 1, "--simulate: 'p,1' is not POLICY"),
            ("-t FILE --disk-template raid", 2, "'raid' is not one of"),
            ("-t FILE --tiered-alloc 1,2", 2, "'1,2' is not DISK,MEMORY,VCPUS"),
            ("-t FILE --tiered-alloc 1,2k,3", 2, "memory: 'k' is not a unit"),
            ("-t FILE --min-disk 2", 2, "not a number from 0 to 1"),
            ("-t FILE --max-cpu x", 2, "not a number that is not negative"),
            ("-t FILE --max-cpu nan", 2, "not a number that is not negative"),
            ("-t FILE -l x", 2, "'x' is not a whole number"),
            ("-t FILE --machine-readable=maybe", 2, "'maybe' is not one of"),
            ("-t FILE more", 2, "unknown arguments"),
        ):
            with self.subTest(line=line):
                self.assertEqual(self.run_line(f"gnt-capacity {line}"), status)
                self.assertIn(text, self.err)
                self.assertNotIn("Traceback", self.err)
        self.path.write_bytes(b"\xff\xfe")
        self.run_line("gnt-capacity -t FILE")
        self.assertIn("is not UTF-8 text", self.err)

    def test_rounding(self) -> None:
        """Numbers are rounded as Haskell rounds, and quoted for a shell."""
        self.assertEqual(_fixed(21 / 2560), "0.00820312")
        self.assertEqual(_fixed(float("nan")), "NaN")
        self.assertEqual(key_line(("A", "-1")), "HTS_A='-1'")
        self.assertEqual(key_line(("A", "1.5")), "HTS_A=1.5")

    def test_completion(self) -> None:
        """Options, and the words that they take."""
        streams = Streams(io.StringIO(), io.StringIO(), io.StringIO(), {})
        self.assertEqual(
            candidates("gnt-capacity", ["-t", "x", "--ma"], streams).words,
            ["--machine-readable", "--max-cpu", "--max-length"],
        )
        self.assertIn(
            "drbd", candidates("gnt-capacity", ["--disk-template", ""], streams).words
        )
        found = candidates("gnt-capacity", ["-t", ""], streams)
        self.assertEqual(found, Found([], FILE_STATUS))


class AllocatorTests(ProgramTestCase):
    """The built-in allocator as a program."""

    def test_capacity(self) -> None:
        """How many more fit, by group; a closed group counts nothing in the sum."""
        unchecked = {"u2": CapacityOverrides(capacity_checks=False)}
        request = Capacity(parameters=unchecked)
        self.path.write_bytes(request_document(read_text(FILE), request))
        self.assertEqual(self.run_line("ganetix-allocator FILE"), 0)
        answer = json.loads(self.out)
        self.assertTrue(answer["success"])
        result = answer["result"]
        groups = result["node_groups"]
        self.assertEqual(list(groups), ["u1", "u2"])
        self.assertEqual(result["cluster"], groups["u1"]["tspecs"])
        self.assertTrue(groups["u2"]["tspecs"])
        self.assertEqual(groups["u1"]["max_inst_spec"], [32768, 1048576, 8])

    def test_refused(self) -> None:
        """No request: status 1 and a line as hail's."""
        self.path.write_text("hello")
        self.assertEqual(self.run_line("ganetix-allocator FILE"), 1)
        self.assertTrue(self.err.startswith("Error: the input is no request"))
        self.assertEqual(self.out, "")
        self.assertEqual(self.run_line("ganetix-allocator /nowhere"), 1)
        self.assertIn("Error: /nowhere: No such file", self.err)

    def test_unknown_type(self) -> None:
        """A type of request that is not known."""
        data = request_document(read_text(FILE), Capacity())
        self.path.write_bytes(data.replace(b'"type":"capacity"', b'"type":"dance"'))
        self.assertEqual(self.run_line("ganetix-allocator FILE"), 1)
        self.assertIn("dance", self.err)
