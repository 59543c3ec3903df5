"""A fail-over to the node of this process, over its own credentials."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTCP, IReactorTime

from ganetix.bootstrap.failover import Failover, Outcome
from ganetix.config.rows import KINDS
from ganetix.errors import StateFault, WrongState
from ganetix.interfaces import Say
from ganetix.objects.words import some
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
    check_candidate(paths, identity.uuid)
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


def check_candidate(paths: Paths, own: str) -> None:
    """``WrongState`` if this node knows that it is no candidate; its daemon obeys none.

    One that is none any more may still have a copy of the state. Blocking.

    :param own: this node's UUID
    """
    try:
        lines = paths.ssconf("master_candidates_certs").read_text("utf-8").split()
        names = paths.ssconf("master_candidates").read_text("utf-8").split()
    except FileNotFoundError:
        return
    if own not in {line.partition("=")[0] for line in lines}:
        raise WrongState(
            f"this node is no master candidate: run this on one; they are {some(names)}"
        )
