"""``gnt-cluster init`` at work: it needs no daemon."""

from __future__ import annotations

import time

from ganetix.bootstrap.init import InitRequest, check_vacant, initialise
from ganetix.cli.addresses import address_of
from ganetix.cli.cluster_options import cluster_fields
from ganetix.cli.errors import Failure, checked
from ganetix.cli.parser import Options
from ganetix.cli.session import Session
from ganetix.flow.offload import inline_offload
from ganetix.netutils.address import is_loopback
from ganetix.netutils.hostname import own_name
from ganetix.objects import IpVersion
from ganetix.opcodes import OpClusterModify
from ganetix.state.sqlite import SqliteEngine


async def initialise_here(session: Session, options: Options) -> None:
    """Make a cluster of this host."""
    # Nothing else runs in this process: the store may work in the reactor's thread.
    await check_vacant(
        session.paths, SqliteEngine(session.paths.state_db, inline_offload)
    )
    node_name = options.node_name or await own_name(inline_offload)
    version = options.primary_ip_version
    address = options.primary_ip or await _address_of_name(session, node_name, version)
    request = InitRequest(
        name=options.name,
        node_name=node_name,
        primary_ip=address,
        secondary_ip=options.secondary_ip,
        port=options.port,
        primary_ip_version=version,
        ipv6_secondary=options.allow_ipv6_secondary,
        parameters=checked(_parameters, options),
    )
    engine = SqliteEngine(session.paths.state_db, inline_offload)
    await initialise(session.paths, request, time.time(), engine)
    session.streams.note(
        f"cluster {options.name} is made, with {node_name} ({address}) as its master;"
        " now start ganetix-node and ganetix-master"
    )


async def _address_of_name(session: Session, name: str, version: IpVersion) -> str:
    """What the name resolves to, unless nobody else can use that.

    Many hosts know their own name by a loopback address.
    """
    found = await address_of(session, name, version)
    if is_loopback(found):
        raise Failure(
            f"{name!r} resolves to {found}, which only this host reaches; give"
            " --primary-ip"
        )
    return found


def _parameters(options: Options) -> OpClusterModify:
    return OpClusterModify(**cluster_fields(options))
