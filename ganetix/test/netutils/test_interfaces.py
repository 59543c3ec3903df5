"""Interfaces and addresses of a host: from the kernel's messages, and its own."""

from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.netutils import interfaces, netlink
from ganetix.netutils.address import any_address
from ganetix.netutils.interfaces import Interface, InterfaceAddress

UP, LOOPBACK, CARRIER, TENTATIVE = 1, 8, 0x10000, 0x40


def link(index: int, name: str, flags: int) -> bytes:
    """An interface as the kernel tells it."""
    head = struct.pack("=BxHiII", 0, 1, index, flags, 0)
    mtu = netlink.attribute(4, struct.pack("=I", 1500))
    return head + mtu + netlink.attribute(3, name.encode() + bytes(1))


def addressed(index: int, ip: str, prefix: int, flags: int = 0, far: str = "") -> bytes:
    """An address as the kernel tells it; ``far`` is a point-to-point link's far end."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    head = struct.pack("=BBBBI", family, prefix, flags & 0xFF, 0, index)
    here = socket.inet_pton(family, ip)
    there = socket.inet_pton(family, far or ip)
    told = netlink.attribute(1, there) + netlink.attribute(8, struct.pack("=I", flags))
    return head + told + (netlink.attribute(2, here) if family == 2 else b"")


class DecodedTests(SynchronousTestCase):
    """Messages in, interfaces out."""

    def test_interfaces(self) -> None:
        """Each interface has its addresses; link-local ones carry its name."""
        found = interfaces.decoded(
            (link(1, "lo", UP | LOOPBACK | CARRIER), link(7, "eth0", UP)),
            (
                addressed(1, "127.0.0.1", 8),
                addressed(7, "192.0.2.2", 24),
                addressed(7, "fe80::2", 64),
            ),
        )
        wanted = (
            Interface(
                name="lo",
                index=1,
                is_loopback=True,
                addresses=(InterfaceAddress(ip="127.0.0.1", prefix=8),),
            ),
            Interface(
                name="eth0",
                index=7,
                has_carrier=False,
                addresses=(
                    InterfaceAddress(ip="192.0.2.2", prefix=24),
                    InterfaceAddress(ip="fe80::2%eth0", prefix=64),
                ),
            ),
        )
        self.assertEqual(found, wanted)

    def test_point_to_point(self) -> None:
        """The near end's address counts."""
        (card,) = interfaces.decoded(
            (link(3, "ppp0", UP),), (addressed(3, "10.0.0.1", 32, far="10.0.0.9"),)
        )
        self.assertEqual(card.addresses[0].ip, "10.0.0.1")

    def test_tentative(self) -> None:
        """An address that is still looked for elsewhere cannot be used yet."""
        (card,) = interfaces.decoded(
            (link(3, "eth0", UP),), (addressed(3, "fd00::1", 64, TENTATIVE),)
        )
        self.assertFalse(card.addresses[0].usable)

    @given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40))))
    def test_attributes(self, given: list[tuple[int, bytes]]) -> None:
        """Attributes that were packed come out, the last of each type."""
        packed = b"".join(netlink.attribute(kind, data) for kind, data in given)
        self.assertEqual(netlink.attributes(packed), dict(given))

    @given(st.binary())
    def test_damaged(self, data: bytes) -> None:
        """Whatever bytes come, reading them ends."""
        netlink.attributes(data)
        list(netlink.messages(data))

    @given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40))))
    def test_messages(self, given: list[tuple[int, bytes]]) -> None:
        """Messages that were packed come out in order."""
        packed = b""
        for kind, body in given:
            one = netlink.message(kind, 0, body)
            packed += one + bytes(-len(one) % 4)
        found = [(each.kind, each.body) for each in netlink.messages(packed)]
        self.assertEqual(found, given)


class OwnTests(SynchronousTestCase):
    """This host."""

    def test_loopback(self) -> None:
        """There is a loopback interface, and it is found by its address."""
        card = interfaces.interface_of("127.0.0.1")
        assert card is not None
        self.assertTrue(card.is_loopback)
        self.assertIn(card, interfaces.own_interfaces())
        self.assertIn("127.0.0.1", interfaces.own_addresses())

    def test_nobodys(self) -> None:
        """An address that no interface has is no interface's."""
        self.assertIsNone(interfaces.interface_of("198.51.100.77"))

    def test_own(self) -> None:
        """All of 127.0.0.0/8 is this host's; an address for documentation is not."""
        self.assertTrue(interfaces.is_own_address("127.0.0.13"))
        self.assertTrue(interfaces.is_own_address("::1"))
        for ip in ("198.51.100.77", "2001:db8:ffff::77"):
            self.assertFalse(interfaces.is_own_address(ip))

    def test_addresses_are_own(self) -> None:
        """Every address of an interface that is up is this host's."""
        for card in interfaces.own_interfaces():
            for each in card.addresses if card.is_up else ():
                self.assertTrue(not each.usable or interfaces.is_own_address(each.ip))

    def test_nobody_in_particular(self) -> None:
        """The any-address, multicast, and link-local ones without a scope are not."""
        for ip in (any_address(4), "::", "224.0.0.1", "ff02::1", "fe80::1"):
            self.assertFalse(interfaces.is_own_address(ip))
