"""Tests of htools' text format."""

from __future__ import annotations

import contextlib

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ganetix.allocators.columns import shown
from ganetix.allocators.htools_policy import BUILT_IN
from ganetix.allocators.htools_text import read_text, write_text
from ganetix.errors import BadParameter
from ganetix.plan.capacity.model import CapCluster, CapGroup, CapInstance, CapNode
from ganetix.test.allocators.support import clusters, vectors

GROUPS = "g1|u1|preferred|a,b|net1\ng2|u2|unallocable|\n"
NODES = (
    "n1|16384|512|12000|204800|100000|8|M|u1\n"
    "n2|16384|512|-5|204800|100000|8|Y|u2|3|x|Y|2|0|1.5\n"
    "n3|16384|512|?|204800|100000|8|N|u1|7||N|0|0|1.0\n"
)
INSTANCES = (
    "i1|1024|10240|2|running|Y|n1|n3|drbd|t\ni2|1|2|3|ADMIN_down|N|n3||plain||0|4|Y\n"
)
POLICY = "1,2,3,4,5,6|1,1,1,1,1,1;9,9,9,9,9,9;0,0,0,0,0,0;1,2,3,4,5,6|drbd,plain|2.5|1"
TEXT = f"{GROUPS}\n{NODES}\n{INSTANCES}\nt1\nt2\n\n|{POLICY}\ng1|{POLICY}\n"


class ReadTests(SynchronousTestCase):
    """Reading."""

    def test_defaults_of_columns(self) -> None:
        """Columns that are missing have htools' defaults: a CPU is the node's own."""
        node = read_text(TEXT).nodes[0]
        self.assertEqual(
            node,
            CapNode(
                name="n1",
                group="u1",
                total_memory=16384,
                node_memory=512,
                free_memory=12000,
                total_disk=204800,
                free_disk=100000,
                total_cpus=8,
                master=True,
                spindles=1,
                free_spindles=0,
                node_cpus=1,
                cpu_speed=1.0,
            ),
        )
        instance = read_text(TEXT).instances[0]
        self.assertEqual((instance.spindle_use, instance.disk_spindles), (1, None))
        self.assertFalse(instance.forthcoming)

    def test_all_columns(self) -> None:
        """Columns that are there are read."""
        cluster = read_text(TEXT)
        node = cluster.nodes[1]
        self.assertTrue(node.offline)
        self.assertTrue(node.exclusive_storage)
        self.assertEqual(
            (node.free_memory, node.spindles, node.free_spindles, node.node_cpus),
            (-5, 3, 2, 0),
        )
        self.assertEqual((node.cpu_speed, node.tags), (1.5, ("x",)))
        instance = cluster.instances[1]
        self.assertEqual((instance.spindle_use, instance.disk_spindles), (0, 4))
        self.assertTrue(instance.forthcoming)
        self.assertFalse(instance.auto_balance)
        self.assertEqual(cluster.groups[0].networks, ("net1",))
        self.assertEqual(cluster.groups[0].tags, ("a", "b"))
        self.assertEqual(cluster.tags, ("t1", "t2"))

    def test_unknown_figures(self) -> None:
        """A node with a ``?`` is offline, and all its figures are nothing."""
        node = read_text(TEXT).nodes[2]
        self.assertEqual(node, CapNode(name="n3", group="u1", offline=True, spindles=0))

    def test_policies_do_not_inherit(self) -> None:
        """A group without a line of its own has the built-in policy."""
        cluster = read_text(TEXT)
        self.assertEqual(cluster.policy.vcpu_ratio, 2.5)
        self.assertEqual(cluster.groups[0].policy, cluster.policy)
        self.assertEqual(cluster.groups[1].policy, BUILT_IN)
        self.assertEqual(BUILT_IN.templates[0], "diskless")

    def test_policy(self) -> None:
        """Specs are memory, vcpus, disk, disks, NICs, spindle use; bounds are pairs."""
        policy = read_text(TEXT).policy
        std = policy.std
        self.assertEqual(
            (std.memory, std.vcpus, std.disk, std.disk_count), (1, 2, 3, 4)
        )
        self.assertEqual((std.nic_count, std.spindle_use), (5, 6))
        self.assertEqual([pair.max.memory for pair in policy.ranges], [9, 1])
        self.assertEqual(policy.templates, ("drbd", "plain"))

    def test_policy_by_uuid(self) -> None:
        """A policy may name its group by UUID; the last of several counts."""
        other = POLICY.replace("2.5", "7")
        cluster = read_text(f"{TEXT}u1|{other}\n")
        self.assertEqual(cluster.groups[0].policy.vcpu_ratio, 7.0)

    def test_without_policies(self) -> None:
        """Four sections will do; all policies are the built-in ones then."""
        cluster = read_text(f"{GROUPS}\n{NODES}\n{INSTANCES}\n")
        self.assertEqual(cluster.policy, BUILT_IN)
        self.assertEqual(cluster.tags, ())

    def test_later_sections(self) -> None:
        """What follows the policies is ignored, as are line ends of other systems."""
        self.assertEqual(read_text(f"{TEXT}\nwhat|ever\n"), read_text(TEXT))
        self.assertEqual(read_text(TEXT.replace("\n", "\r\n")), read_text(TEXT))

    def test_reference_vectors(self) -> None:
        """The reference clusters are read, and are the same after writing."""
        count = 0
        for path in vectors():
            cluster = read_text(path.read_text("utf-8"))
            self.assertTrue(cluster.nodes, path.name)
            self.assertEqual(read_text(write_text(cluster)), cluster, path.name)
            count += 1
        if not count:
            raise SkipTest("the reference vectors are not here")


class RefuseTests(SynchronousTestCase):
    """What cannot be read."""

    def refused(self, old: str, new: str) -> str:
        """The message after a change of the text."""
        self.assertIn(old, TEXT)
        error = self.assertRaises(BadParameter, read_text, TEXT.replace(old, new, 1))
        return str(error)

    def test_number(self) -> None:
        """Numbers are plain digits; line, column and value are named."""
        for value in ("12x", "+5", "0x10", "1.5", " 7", "٣", "1e3", "", "9" * 30):
            message = self.refused("|12000|", f"|{value}|")
            self.assertEqual(
                message, f"line 4, node's free memory: {value!r} is not a whole number"
            )

    def test_negative(self) -> None:
        """Only what is free can be negative."""
        message = self.refused("|16384|", "|-1|")
        self.assertEqual(message, "line 4, node's total memory: -1 is negative")

    def test_sections(self) -> None:
        """A text that is no cluster says which sections it lacks."""
        for text in ("", "hello", f"{GROUPS}\n{NODES}"):
            error = self.assertRaises(BadParameter, read_text, text)
            self.assertIn("instances, cluster tags", str(error))

    def test_columns(self) -> None:
        """Too few columns."""
        self.assertIn("line 4: a node has at least 9", self.refused("|M|u1", "|M"))
        self.assertIn(
            "line 8: an instance",
            self.refused("i1|1024|10240|2|running|Y|n1|n3|drbd|t", "i1|1024"),
        )

    def test_words(self) -> None:
        """Words that must be of a list."""
        self.assertIn("'p' is not one of preferred", self.refused("preferred", "p"))
        self.assertIn("'up' is not one of running", self.refused("running", "up"))
        self.assertIn("template: 'raid'", self.refused("drbd|t", "raid|t"))
        self.assertIn("'X' is not Y (offline)", self.refused("|M|", "|X|"))
        self.assertIn("auto balance: 'y'", self.refused("|Y|n1", "|y|n1"))

    def test_references(self) -> None:
        """Groups and nodes that are not there."""
        self.assertEqual(
            self.refused("|M|u1", "|M|g1"),
            "line 4, node's group: there is no group with the uuid 'g1'",
        )
        self.assertEqual(
            self.refused("|n1|n3|", "|n1|n9|"),
            "line 8, instance's secondary node: there is no node 'n9'",
        )
        self.assertIn("primary node, too", self.refused("|n1|n3|", "|n1|n1|"))
        self.assertIn("there is no group 'g9'", self.refused("\ng1|1,", "\ng9|1,"))

    def test_twice(self) -> None:
        """The same name twice."""
        self.assertEqual(
            self.refused("\nn2|", "\nn1|"), "line 5: 'n1' was there before"
        )
        self.assertIn("same uuid", self.refused("|u2|", "|u1|"))

    def test_policy(self) -> None:
        """Specs that are none."""
        self.assertIn("not six whole numbers", self.refused("|1,2,3", "|x,2,3"))
        self.assertIn("not pairs", self.refused(";9,9,9,9,9,9", ""))
        self.assertIn("'z' is not a number", self.refused("|2.5|", "|z|"))

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_any_damage(self, data: st.DataObject) -> None:
        """Whatever is changed, it is a cluster or a refusal."""
        start = data.draw(st.integers(0, len(TEXT) - 1))
        length = data.draw(st.integers(0, 30))
        put = data.draw(st.text("|\n,;?YN-0é\x00", max_size=5))
        with contextlib.suppress(BadParameter):
            read_text(TEXT[:start] + put + TEXT[start + length :])


class WriteTests(SynchronousTestCase):
    """Writing."""

    @given(clusters())
    @settings(max_examples=80, deadline=None)
    def test_round_trip(self, cluster: CapCluster) -> None:
        """What is written reads the same."""
        self.assertEqual(read_text(write_text(cluster)), cluster)

    def test_bytes(self) -> None:
        """Lines are as hspace writes them."""
        lines = write_text(read_text(TEXT)).split("\n")
        self.assertEqual(lines[0], "g1|u1|preferred|a,b|net1")
        self.assertEqual(
            lines[3], "n1|16384|512|12000|204800|100000|8|M|u1|1||N|0|1|1.0"
        )
        self.assertEqual(lines[5], "n3|0|0|0|0|0|0|Y|u1|0||N|0|0|1.0")
        self.assertEqual(lines[7], "i1|1024|10240|2|running|Y|n1|n3|drbd|t|1|-|N")
        self.assertEqual(lines[-2][:3], "g2|")

    def test_empty_sections(self) -> None:
        """A section without lines is an empty line."""
        group = CapGroup(name="g", uuid="u")
        text = write_text(CapCluster(groups=(group,), nodes=()))
        self.assertTrue(text.startswith("g|u|preferred||\n\n\n\n\n|128,1,"))

    def test_mirror(self) -> None:
        """htools counts our mirrors as it counts DRBD."""
        cluster = read_text(TEXT)
        policy = msgspec.structs.replace(cluster.policy, templates=("mirror", "drbd"))
        instance = CapInstance(
            name="m",
            memory=1,
            disk=1,
            vcpus=1,
            primary="n1",
            secondary="n2",
            template="mirror",
        )
        ours = msgspec.structs.replace(cluster, policy=policy, instances=(instance,))
        back = read_text(write_text(ours))
        self.assertEqual(back.instances[0].template, "drbd")
        self.assertEqual(back.policy.templates, ("drbd",))

    def test_separators(self) -> None:
        """A name that the format cannot hold is refused."""
        for name in ("a|b", "a\nb"):
            cluster = CapCluster(groups=(CapGroup(name=name, uuid="u"),), nodes=())
            self.assertRaises(BadParameter, write_text, cluster)
        cluster = CapCluster(
            groups=(CapGroup(name="g", uuid="u", tags=("a,b",)),), nodes=()
        )
        self.assertRaises(BadParameter, write_text, cluster)

    def test_numbers(self) -> None:
        """Numbers look as Haskell's do."""
        for value, text in (
            (0.0, "0.0"),
            (7.25, "7.25"),
            (0.1, "0.1"),
            (0.05, "5.0e-2"),
            (1.5e-7, "1.5e-7"),
            (0.0123, "1.23e-2"),
            (9999999.0, "9999999.0"),
            (12345678.5, "1.23456785e7"),
            (1e22, "1.0e22"),
            (-0.05, "-5.0e-2"),
            (float("nan"), "NaN"),
            (float("inf"), "Infinity"),
        ):
            self.assertEqual(shown(value), text)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_numbers_read_back(self, value: float) -> None:
        """No digit is lost."""
        self.assertEqual(float(shown(value)), value)
