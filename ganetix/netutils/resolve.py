"""Names to addresses, with the semantics of ``getaddrinfo``, off the reactor."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from zope.interface import implementer

from ganetix.errors import BadParameter, NotFound
from ganetix.netutils import address
from ganetix.objects import IpVersion

_TYPES = {4: IPv4Address, 6: IPv6Address}


@implementer(IResolutionReceiver)
class _Answers:
    """Collects what the resolver says, and fires ``done`` with all of it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.done: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N802, N803
        pass

    def addressResolved(self, resolved: IAddress) -> None:  # noqa: N802
        if isinstance(resolved, IPv4Address | IPv6Address):
            self.found.append(address.canonical(resolved.host))

    def resolutionComplete(self) -> None:  # noqa: N802
        if not self.done.called:
            self.done.callback(self.found)


def resolve(
    reactor: IReactorPluggableNameResolver, name: str, version: IpVersion | None = None
) -> Deferred[str]:
    """The first address of a name, canonical; an address stands for itself.

    Fails with ``NotFound`` if the name has none of that IP version, ``BadParameter``
    for an address of the other version.
    """
    return Deferred.fromCoroutine(_resolve(reactor, name, version))


async def _resolve(
    reactor: IReactorPluggableNameResolver, name: str, version: IpVersion | None
) -> str:
    if address.is_address(name):
        if version is not None and address.family(name) != version:
            raise BadParameter(f"{name} is not an IPv{version} address")
        return address.canonical(name)
    answers = _Answers()
    reactor.nameResolver.resolveHostName(
        answers, name, 0, [_TYPES[version]] if version else None
    )
    for found in await answers.done:
        if version is None or address.family(found) == version:
            return found
    wanted = f"an IPv{version} address" if version else "an address"
    raise NotFound(f"{name!r} does not resolve to {wanted}")
