"""The role of the master: who may take it, the state it owns, and how it ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ganetix.config.master_address import AddressKeeper
from ganetix.config.replicate import (
    Fence,
    RpcLinks,
    Secrets,
    candidates_of,
    not_master,
    why_not_master,
)
from ganetix.config.snapshot import Snapshot
from ganetix.config.store import ConfigStore
from ganetix.errors import GanetixError, StateFault, WrongState
from ganetix.interfaces import INodeRpc, IStateEngine
from ganetix.node.replica import read_secrets, secrets_digest
from ganetix.objects.replica import Claim
from ganetix.paths import Paths
from ganetix.rpc.identity import peer_identity
from ganetix.rpc.tls import LiveCredentials
from ganetix.state.replicate import Replicator
from ganetix.state.store import StateStore
from ganetix.tap.common import NOT_MASTER_STATUS, end_with_failure

GREETING_SECONDS = 3.0
FAREWELL_SECONDS = 0.5
STAND_DOWN_AFTER_SECONDS = 0.1


class NotMaster(WrongState):
    """This node is not the cluster's master."""


def own_uuid(paths: Paths, credentials: LiveCredentials) -> str:
    """The UUID of this node, which may be the master; ``NotMaster`` if it may not."""
    identity = peer_identity(credentials.current.certificate)
    if identity is None:
        raise StateFault(f"{paths.node_certificate} is no node's certificate")
    if why := why_not_master(paths.state_db, identity.uuid):
        raise NotMaster(why)
    return identity.uuid


class Mastership:
    """This node's hold on the cluster: its state, its followers and its address.

    When another node takes over, nobody is called any more through ``rpc``, and the
    daemon ends.

    :param own: this node's UUID
    :param rpc: calls nodes, whether this one is the master or not
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, paths: Paths, own: str, rpc: INodeRpc, engine: IStateEngine
    ) -> None:
        self._reactor = reactor
        self._paths = paths
        self.rpc = Fence(rpc)
        self._links = RpcLinks(rpc, self.secrets)
        self.replicator = Replicator(reactor, own, self._links, self._deposed)
        self.store = StateStore(engine, reactor, self.replicator)
        self.config = ConfigStore(self.store, reactor)
        self.address = AddressKeeper(
            reactor, self.config, rpc, self.replicator.earlier_masters
        )
        self._is_standing_down = False
        self._why_deposed = ""

    @property
    def is_lost(self) -> bool:
        """Whether another node has taken over: the daemon is about to end."""
        return bool(self._why_deposed)

    async def take_up(self) -> None:
        """Load the state and find followers; ``WrongState`` if one obeys another."""
        await self.store.open()
        await self.config.load()
        snapshot = self.config.snapshot()
        self._links.know(snapshot)
        self.config.on_change(self._on_change)
        self.replicator.start(candidates_of(snapshot))
        await self.replicator.greet(GREETING_SECONDS)
        if self.replicator.is_deposed:
            raise WrongState(self._why_deposed)

    async def lay_down(self) -> None:
        """Write what is to be written, and let the followers go."""
        await self.store.close()
        if self._is_standing_down:
            await self._release_address()
        await self.replicator.stop()

    def secrets(self) -> Secrets:
        """The files that a candidate needs to become master, as they are now."""
        files = read_secrets(self._paths)
        return Secrets(files, secrets_digest(files))

    def share(self) -> Deferred[tuple[str, ...]]:
        """Bring the secrets to all candidates; names of those without them."""
        return Deferred.fromCoroutine(self._share())

    def stand_down(self, successor: str) -> None:
        """End, as at every stop, and let the role's address go with it."""
        if self._is_standing_down:
            return
        self._is_standing_down = True
        self._log.info("{node} takes over: this master ends", node=successor)
        self._reactor.callLater(STAND_DOWN_AFTER_SECONDS, self._reactor.stop)

    async def _share(self) -> tuple[str, ...]:
        missing = []
        for uuid in candidates_of(self.config.snapshot()):
            try:
                await self._links.status(uuid, self.replicator.claim)
            except GanetixError:
                missing.append(self._links.name_of(uuid))
        return tuple(missing)

    def _on_change(self, old: Snapshot, new: Snapshot) -> None:
        if old.nodes is not new.nodes:
            self._links.know(new)
            self.replicator.set_candidates(candidates_of(new))

    def _deposed(self, claim: Claim, why: str) -> None:
        """Command nobody any more, and end as soon as those who wait are told."""
        if claim.master:
            name = self._links.name_of(claim.master)
            self._why_deposed = not_master(name, claim.since)
        else:
            self._why_deposed = f"{why}: run 'gnt-cluster master-failover' there"
        self.rpc.close(self._why_deposed)
        _ = Deferred.fromCoroutine(self._end_deposed())

    async def _end_deposed(self) -> None:
        await self._release_address()
        end_with_failure(self._reactor, self._log, self._why_deposed, NOT_MASTER_STATUS)

    async def _release_address(self) -> None:
        down = self.address.give_up()
        await down.addTimeout(FAREWELL_SECONDS, self._reactor)
