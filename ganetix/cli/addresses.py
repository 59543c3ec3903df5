"""Addresses that users leave to their names."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorPluggableNameResolver

from ganetix.cli.errors import Failure
from ganetix.cli.session import Session
from ganetix.errors import NotFound
from ganetix.netutils.resolve import resolve
from ganetix.objects import IpVersion


async def address_of(session: Session, name: str, version: IpVersion) -> str:
    """The address of that IP version that a name resolves to."""
    try:
        return await resolve(
            IReactorPluggableNameResolver(session.reactor), name, version
        )
    except NotFound as error:
        raise Failure(f"{error}; give --primary-ip") from error
