"""Names to addresses, with the semantics of ``getaddrinfo``, off the reactor."""

from __future__ import annotations

import re

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTime,
    IResolutionReceiver,
)
from zope.interface import implementer

from ganetix.errors import BadParameter, NotFound
from ganetix.netutils import address
from ganetix.objects import IpVersion

RESOLVE_SECONDS = 20.0

_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z", re.IGNORECASE)
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

    Fails with ``NotFound`` if the name has none of that IP version, or there is no
    answer in ``RESOLVE_SECONDS``; with ``BadParameter`` for an address of the other
    version.

    :param reactor: provides ``IReactorPluggableNameResolver`` and ``IReactorTime``
    """
    return Deferred.fromCoroutine(_resolve(reactor, name, version))


def resolve_all(
    reactor: IReactorPluggableNameResolver, name: str, prefer: IpVersion | None = None
) -> Deferred[tuple[str, ...]]:
    """All addresses of a name, each once, those of the preferred IP version first.

    Otherwise they are in the resolver's order. Fails as ``resolve`` does.
    """
    return Deferred.fromCoroutine(_resolve_all(reactor, name, prefer))


async def _resolve(
    reactor: IReactorPluggableNameResolver, name: str, version: IpVersion | None
) -> str:
    if address.is_address(name):
        if version is not None and address.family(name) != version:
            raise BadParameter(f"{name} is not an IPv{version} address")
        return address.canonical(name)
    for found in await _ask(reactor, name, version):
        if version is None or address.family(found) == version:
            return found
    raise _nothing(name, version)


async def _resolve_all(
    reactor: IReactorPluggableNameResolver, name: str, prefer: IpVersion | None
) -> tuple[str, ...]:
    if address.is_address(name):
        return (address.canonical(name),)
    found = dict.fromkeys(await _ask(reactor, name, None))
    if not found:
        raise _nothing(name, None)
    return tuple(sorted(found, key=lambda each: address.family(each) != prefer))


async def _ask(
    reactor: IReactorPluggableNameResolver, name: str, version: IpVersion | None
) -> list[str]:
    _check_name(name)
    answers = _Answers()
    _ = answers.done.addTimeout(RESOLVE_SECONDS, IReactorTime(reactor))
    reactor.nameResolver.resolveHostName(
        answers, name, 0, [_TYPES[version]] if version else None
    )
    try:
        return await answers.done
    except TimeoutError:
        raise NotFound(
            f"{name!r} cannot be resolved: no answer in {RESOLVE_SECONDS:g} s"
        ) from None


def _check_name(name: str) -> None:
    """Keep from the resolver what it takes for something else than a name.

    It knows ``127.1`` and ``0x7f000001`` as addresses, and no name at all as this host;
    what cannot be encoded it never answers.
    """
    last = name.removesuffix(".").rpartition(".")[2]
    try:
        encoded = name.encode("idna")
    except UnicodeError:
        encoded = b""
    if not encoded or not name.isprintable() or " " in name or _NUMBER.match(last):
        raise BadParameter(f"{name!r} is neither a name nor an IP address")


def _nothing(name: str, version: IpVersion | None) -> NotFound:
    wanted = f"an IPv{version} address" if version else "an address"
    return NotFound(f"{name!r} does not resolve to {wanted}")
