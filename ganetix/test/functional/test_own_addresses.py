"""Own addresses, on hosts whose addresses and sysctls can be changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ganetix
from ganetix.testing.netns import NetLab, missing_for_netlab

_ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ganetix.netutils.interfaces import interface_of, is_own_address, own_addresses
first = interface_of(sys.argv[2])
print(json.dumps({
    "all": own_addresses(),
    "own": [ip for ip in sys.argv[2:] if is_own_address(ip)],
    "interface": [first.name, first.is_up, first.has_carrier] if first else None,
}))
"""


class OwnAddressTests(SynchronousTestCase):
    """One host of two."""

    def setUp(self) -> None:
        """Make them, if this machine can."""
        if missing := missing_for_netlab():
            raise SkipTest(f"no network laboratory here: {missing}")
        self.lab = NetLab(["node1", "node2"])
        self.addCleanup(self.lab.unmake)
        self.lab.make()
        self.six, self.four = self.lab.ipv6("node1"), self.lab.ipv4("node1")
        self.others = (self.lab.ipv6("node2"), self.lab.ipv4("node2"))

    def _ask(self, *addresses: str) -> dict[str, list[object]]:
        checkout = str(Path(ganetix.__file__).parents[1])
        text = self.lab.run("node1", sys.executable, "-c", _ASK, checkout, *addresses)
        told: dict[str, list[object]] = json.loads(text)
        return told

    def test_own(self) -> None:
        """The host's own are told from those of its network, with their interface."""
        told = self._ask(self.six, self.four, *self.others)
        self.assertEqual(told["own"], [self.six, self.four])
        self.assertEqual(told["interface"], ["eth0", True, True])
        self.assertEqual(told["all"][:4], ["127.0.0.1", self.four, "::1", self.six])

    def test_bind_to_anything(self) -> None:
        """Where the kernel lets one bind any address, others' are still others'."""
        for version in ("ipv4", "ipv6"):
            path = f"/proc/sys/net/{version}/ip_nonlocal_bind"
            self.lab.run("node1", "/bin/sh", "-c", f"echo 1 >{path}")
        told = self._ask(self.six, self.four, *self.others)
        self.assertEqual(told["own"], [self.six, self.four])

    def test_changes(self) -> None:
        """An address that comes or goes is known at once."""
        self.lab.ip("node1", "addr", "add", "10.67.0.100/32", "dev", "eth0")
        self.assertEqual(self._ask("10.67.0.100")["own"], ["10.67.0.100"])
        self.lab.ip("node1", "addr", "del", "10.67.0.100/32", "dev", "eth0")
        self.assertEqual(self._ask("10.67.0.100")["own"], [])

    def test_no_carrier(self) -> None:
        """An address stays the host's when the cable is pulled."""
        self.lab.unplug("node1")
        told = self._ask(self.six, self.four)
        self.assertEqual(told["own"], [self.six, self.four])
        self.assertEqual(told["interface"], ["eth0", True, False])

    def test_interface_down(self) -> None:
        """An interface that was taken down is told as such, with its address."""
        self.lab.ip("node1", "link", "set", "eth0", "down")
        told = self._ask(self.four)
        self.assertEqual(told["interface"], ["eth0", False, False])
