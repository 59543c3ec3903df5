"""The laboratory itself: namespaces that can be cut off, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ganetix.testing.netns import NETNS, NetLab, missing_for_netlab

# Nothing listens there: a host that is reached refuses, others let us wait.
_KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), 0.5)
except ConnectionRefusedError:
    print("reached")
except OSError:
    print("silence")
"""


class NetLabTests(SynchronousTestCase):
    """Two hosts."""

    def setUp(self) -> None:
        """Make them, if this machine can."""
        if missing := missing_for_netlab():
            raise SkipTest(f"no network laboratory here: {missing}")
        self.lab = NetLab(["node1", "node2"])
        self.addCleanup(self.lab.unmake)
        self.lab.make()

    def _knock(self, host: str, address: str) -> str:
        return self.lab.run(host, sys.executable, "-c", _KNOCK, address).strip()

    def test_reach_each_other(self) -> None:
        """Hosts reach each other by IPv4 and IPv6 at once."""
        self.assertEqual(self._knock("node1", self.lab.ipv6("node2")), "reached")
        self.assertEqual(self._knock("node2", self.lab.ipv4("node1")), "reached")

    def test_cut_and_heal(self) -> None:
        """A host that is cut off reaches nobody but itself, until it is healed."""
        node1, node2 = self.lab.ipv6("node1"), self.lab.ipv6("node2")
        self.lab.cut("node2")
        self.assertEqual(self._knock("node1", node2), "silence")
        self.assertEqual(self._knock("node2", node1), "silence")
        self.assertEqual(self._knock("node2", node2), "reached")
        self.lab.heal("node2")
        self.assertEqual(self._knock("node1", node2), "reached")

    def test_unplug_and_plug(self) -> None:
        """A pulled cable is noticed by the interface, and keeps its addresses."""
        self.lab.unplug("node2")
        self.assertIn("NO-CARRIER", self.lab.ip("node2", "link", "show", "eth0"))
        self.assertEqual(self._knock("node1", self.lab.ipv4("node2")), "silence")
        self.lab.plug("node2")
        self.assertEqual(self._knock("node1", self.lab.ipv6("node2")), "reached")

    def test_unmake(self) -> None:
        """What still runs on a host is ended, and nothing is left, twice over."""
        argv = self.lab.argv("node1", ["/bin/sleep", "600"])
        with subprocess.Popen(argv) as left:  # noqa: S603
            path = NETNS / self.lab.namespace("node1")
            self.assertTrue(path.exists())
            self._wait_inside(left.pid)
            self.lab.unmake()
            self.assertLess(left.wait(10), 0)
        self.assertFalse(path.exists())
        self.lab.unmake()

    def _wait_inside(self, pid: int) -> None:
        inside = self.lab.run("node1", "/bin/readlink", "/proc/self/ns/net").strip()
        while os.readlink(f"/proc/{pid}/ns/net") != inside:
            os.sched_yield()

    def test_two_at_once(self) -> None:
        """Two laboratories have the same addresses and do not meet."""
        with NetLab(["node1", "node2"]) as other:
            other.unplug("node2")
            self.assertEqual(self._knock("node1", self.lab.ipv6("node2")), "reached")

    def test_half_made(self) -> None:
        """What cannot be made is told by the command, and leaves nothing behind."""
        lab = NetLab(["node1", "a name too long for an interface"])
        error = self.assertRaises(OSError, lab.make)
        self.assertIn("failed", str(error))
        self.assertFalse((NETNS / lab.namespace("node1")).exists())

    def test_of_the_dead(self) -> None:
        """Namespaces of a process that died are cleared away by the next one."""
        code = "from ganetix.testing.netns import *; NetLab(['node1']).make()"
        with subprocess.Popen([sys.executable, "-c", code]) as gone:  # noqa: S603
            self.assertEqual(gone.wait(60), 0)
        self.assertTrue(list(NETNS.glob(f"gnx-{gone.pid}-*")))
        with NetLab(["node1"]):
            self.assertEqual(list(NETNS.glob(f"gnx-{gone.pid}-*")), [])
