"""Names to addresses."""

# ruff: noqa: N803 - the resolver's argument names are Twisted's

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from ganetix.errors import BadParameter, NotFound
from ganetix.netutils.resolve import RESOLVE_SECONDS, resolve, resolve_all
from ganetix.objects import IpVersion

NAMES = {
    "both.example": ("192.0.2.1", "2001:db8::1"),
    "four.example": ("192.0.2.2",),
    "six.example": ("2001:DB8:0::6",),
}


@implementer(IHostnameResolver, IHostResolution, IReactorPluggableNameResolver)
class FakeNames(Clock):
    """A reactor that knows a few names; the resolver of one of them is gone."""

    name = ""

    @property
    def nameResolver(self) -> IHostnameResolver:
        """The resolver."""
        return self

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[Any]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Answer at once."""
        resolutionReceiver.resolutionBegan(self)
        for text in NAMES.get(hostName, ()):
            kind = IPv6Address if ":" in text else IPv4Address
            if addressTypes is None or kind in addressTypes:
                resolutionReceiver.addressResolved(kind("TCP", text, portNumber))
        if hostName != "slow.example":
            resolutionReceiver.resolutionComplete()
        return self

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Not needed."""
        return resolver

    def cancel(self) -> None:
        """Not needed."""


class ResolveTests(SynchronousTestCase):
    """A name has an address of the wanted version, or a clear line says not."""

    def test_version(self) -> None:
        """The address is of the version asked for."""
        cases: tuple[tuple[str, IpVersion | None, str], ...] = (
            ("both.example", 4, "192.0.2.1"),
            ("both.example", 6, "2001:db8::1"),
            ("both.example", None, "192.0.2.1"),
            ("six.example", 6, "2001:db8::6"),
        )
        for name, version, wanted in cases:
            found = self.successResultOf(resolve(FakeNames(), name, version))
            self.assertEqual(found, wanted)

    def test_none(self) -> None:
        """A name without such an address is told with the version."""
        failure = self.failureResultOf(resolve(FakeNames(), "six.example", 4), NotFound)
        self.assertEqual(
            failure.getErrorMessage(),
            "'six.example' does not resolve to an IPv4 address",
        )

    def test_unknown(self) -> None:
        """A name that nobody knows is told."""
        self.failureResultOf(resolve(FakeNames(), "nowhere.example"), NotFound)

    def test_address(self) -> None:
        """An address stands for itself, in canonical form."""
        found = self.successResultOf(resolve(FakeNames(), "2001:DB8::7", 6))
        self.assertEqual(found, "2001:db8::7")

    def test_wrong_address(self) -> None:
        """An address of the other version is refused."""
        failure = self.failureResultOf(resolve(FakeNames(), "::1", 4), BadParameter)
        self.assertEqual(failure.getErrorMessage(), "::1 is not an IPv4 address")

    def test_no_answer(self) -> None:
        """A resolver that does not answer is given up after a while."""
        names = FakeNames()
        found = resolve(names, "slow.example")
        names.advance(RESOLVE_SECONDS)
        failure = self.failureResultOf(found, NotFound)
        self.assertIn("no answer in 20 s", failure.getErrorMessage())

    def test_no_names(self) -> None:
        """What a resolver would take for an address, or for this host, is no name."""
        for text in (
            "",
            "127.1",
            "0x7f000001",
            "1",
            "a b",
            "a\0",
            ".",
            "a..b",
            64 * "x",
        ):
            failure = self.failureResultOf(resolve(FakeNames(), text), BadParameter)
            self.assertIn(repr(text), failure.getErrorMessage())

    def test_all(self) -> None:
        """All addresses come, each once, those of the preferred version first."""
        found = self.successResultOf(resolve_all(FakeNames(), "both.example", 6))
        self.assertEqual(found, ("2001:db8::1", "192.0.2.1"))
        found = self.successResultOf(resolve_all(FakeNames(), "both.example"))
        self.assertEqual(found, ("192.0.2.1", "2001:db8::1"))
        found = self.successResultOf(resolve_all(FakeNames(), "[::1]", 4))
        self.assertEqual(found, ("::1",))
        self.failureResultOf(resolve_all(FakeNames(), "nowhere.example"), NotFound)
