"""Addresses that users leave to their names."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorPluggableNameResolver

from ganetix.cli.errors import Failure
from ganetix.cli.session import Session
from ganetix.errors import NotFound
from ganetix.netutils.address import is_loopback
from ganetix.netutils.resolve import resolve
from ganetix.objects import IpVersion


async def address_of(session: Session, name: str, version: IpVersion) -> str:
    """The address of that IP version that a name resolves to.

    Many hosts know their own name by a loopback address, which nobody else can use:
    that is not taken for an answer.
    """
    try:
        found = await resolve(
            IReactorPluggableNameResolver(session.reactor), name, version
        )
    except NotFound as error:
        raise Failure(f"{error}; give --primary-ip") from error
    if is_loopback(found):
        raise Failure(
            f"{name!r} resolves to {found}, which only this host reaches; give"
            " --primary-ip"
        )
    return found
