"""The address of the master's role on a node."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ganetix
from ganetix.errors import BadParameter
from ganetix.netutils.announce import advertisement, gratuitous_arp
from ganetix.objects.replica_calls import MasterAddress
from ganetix.rpc.methods import MASTER_IP_DOWN, MASTER_IP_UP
from ganetix.test.node.support import NodeCase
from ganetix.testing.netns import NetLab, missing_for_netlab

ADDRESS = MasterAddress(ip="192.0.2.9", netmask=24, netdev="no-such-dev0")


class AddressTests(NodeCase):
    """``master_ip_up`` and ``master_ip_down``."""

    def commands(self) -> list[list[str]]:
        """What was run."""
        return [list(call.argv) for call in self.runner.calls]

    def test_up(self) -> None:
        """It is added to the interface."""
        self.runner.on("ip")
        self.ask(MASTER_IP_UP, ADDRESS)
        self.assertEqual(
            self.commands(),
            [["ip", "address", "add", "192.0.2.9/24", "dev", "no-such-dev0"]],
        )

    def test_up_ipv6(self) -> None:
        """An IPv6 address serves at once, and never as the source of what is sent."""
        self.runner.on("ip")
        self.ask(
            MASTER_IP_UP, MasterAddress(ip="2001:db8::9", netmask=64, netdev="nodev0")
        )
        ((*_, nodad, lifetime, seconds),) = self.commands()
        self.assertEqual((nodad, lifetime, seconds), ("nodad", "preferred_lft", "0"))

    def test_up_again(self) -> None:
        """An address that is there stays as it is."""
        self.addresses.add(ADDRESS.ip)
        self.ask(MASTER_IP_UP, ADDRESS)
        self.assertEqual(self.commands(), [])

    def test_down(self) -> None:
        """It is removed, if it is there."""
        self.runner.on("ip")
        self.ask(MASTER_IP_DOWN, ADDRESS)
        self.assertEqual(self.commands(), [])
        self.addresses.add(ADDRESS.ip)
        self.ask(MASTER_IP_DOWN, ADDRESS)
        self.assertEqual(
            self.commands(),
            [["ip", "address", "del", "192.0.2.9/24", "dev", "no-such-dev0"]],
        )

    def test_bad_values(self) -> None:
        """What is no address, netmask or interface is refused, and nothing is run."""
        for bad in (
            MasterAddress(ip="-4", netmask=24, netdev="eth0"),
            MasterAddress(ip="192.0.2.9", netmask=33, netdev="eth0"),
            MasterAddress(ip="192.0.2.9", netmask=24, netdev="--help"),
        ):
            attempt = self.attempt(MASTER_IP_UP, bad)
            self.failureResultOf(attempt.result, BadParameter)
        self.assertEqual(self.commands(), [])


class AnnounceTests(SynchronousTestCase):
    """What neighbours are told."""

    hardware = bytes.fromhex("aabbccddeeff")

    def test_arp(self) -> None:
        """The frame goes to all, and names the address twice, as is the way."""
        frame = gratuitous_arp(self.hardware, IPv4Address("192.0.2.9"))
        self.assertEqual(len(frame), 42)
        self.assertEqual(frame[:6], b"\xff" * 6)
        self.assertEqual(frame.count(bytes((192, 0, 2, 9))), 2)

    def test_advertisement(self) -> None:
        """The message overrides what neighbours knew."""
        message = advertisement(self.hardware, IPv6Address("2001:db8::9"))
        self.assertEqual((message[0], len(message)), (136, 32))
        self.assertEqual(message[4], 0x20)
        self.assertTrue(message.endswith(self.hardware))

    def test_neighbours_learn(self) -> None:
        """A neighbour that knew the address elsewhere finds it at its new place."""
        if missing := missing_for_netlab():
            raise SkipTest(f"no network laboratory here: {missing}")
        with NetLab(["node1", "node2", "node3"]) as lab:
            for address, bits in (("10.67.0.99", 24), ("fd67:6e78::99", 64)):
                self.place(lab, "node1", address, bits)
                self.reach(lab, address)
                lab.ip("node1", "address", "del", f"{address}/{bits}", "dev", "eth0")
                self.place(lab, "node2", address, bits)
                self.announce(lab, "node2", address)
                self.reach(lab, address)

    def place(self, lab: NetLab, host: str, address: str, bits: int) -> None:
        """Add an address to a host."""
        nodad = ["nodad", "preferred_lft", "0"] if ":" in address else []
        place = f"{address}/{bits}"
        lab.ip(host, "address", "add", place, "dev", "eth0", *nodad)

    def announce(self, lab: NetLab, host: str, address: str) -> None:
        """Announce it from there, in a process of that network."""
        checkout = str(Path(ganetix.__file__).parents[1])
        code = (
            f"import sys; sys.path.insert(0, {checkout!r})\n"
            "from ganetix.netutils.announce import announce\n"
            f"announce('eth0', {address!r})"
        )
        lab.run(host, sys.executable, "-c", code)

    def reach(self, lab: NetLab, address: str) -> None:
        """Have the third host find whoever has the address: nobody listens there."""
        code = (
            "import contextlib, socket\n"
            "with contextlib.suppress(ConnectionRefusedError):\n"
            f"    socket.create_connection(({address!r}, 9), 2)"
        )
        lab.run("node3", sys.executable, "-c", code)
