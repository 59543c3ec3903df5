"""A fail-over to the node of this process, over its own credentials."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTCP, IReactorTime

from ganetix.bootstrap.failover import Failover, Outcome
from ganetix.config.rows import KINDS
from ganetix.errors import StateFault
from ganetix.interfaces import Say
from ganetix.paths import Paths
from ganetix.plan.failover import Words
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.identity import peer_identity
from ganetix.rpc.tls import load_credentials
from ganetix.state.sqlite_replica import peek


async def take_over_here(
    reactor: object, paths: Paths, words: Words, *, rehearse: bool, say: Say
) -> Outcome:
    """Make this node the master; ``WrongState`` or ``NotFound`` if that is refused.

    Blocking file reads: for a process that does nothing else.

    :param reactor: provides ``IReactorTCP`` and ``IReactorTime``
    """
    credentials = load_credentials(paths)
    identity = peer_identity(credentials.certificate)
    if identity is None:
        raise StateFault(f"{paths.node_certificate} is no node's certificate")
    rpc = NodeRpc(IReactorTCP(reactor), creators_of(credentials))
    attempt = Failover(
        IReactorTime(reactor),
        rpc,
        identity.uuid,
        lambda: peek(paths.state_db, KINDS),
        say,
    )
    try:
        return await attempt.run(words, rehearse)
    finally:
        await rpc.close()
