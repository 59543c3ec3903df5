"""The address of the master's role: on the master's node, and on no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ganetix.config.snapshot import Snapshot
from ganetix.config.store import ConfigStore
from ganetix.errors import GanetixError
from ganetix.interfaces import INodeRpc
from ganetix.objects import Cluster, Node
from ganetix.objects.replica_calls import MasterAddress
from ganetix.rpc.methods import MASTER_IP_DOWN, MASTER_IP_UP

RETRY_SECONDS = 5.0


def master_address(cluster: Cluster) -> MasterAddress | None:
    """The address of the role, if the cluster has one."""
    if not cluster.master_ip or not cluster.master_netdev:
        return None
    full = 128 if ":" in cluster.master_ip else 32
    return MasterAddress(
        ip=cluster.master_ip,
        netmask=cluster.master_netmask or full,
        netdev=cluster.master_netdev,
    )


class AddressKeeper:
    """Has the address brought up here, and taken down where an earlier master was.

    What does not succeed is tried again, until it does or is wanted no more.

    :param before: UUIDs of earlier masters
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        config: ConfigStore,
        rpc: INodeRpc,
        before: Callable[[], tuple[str, ...]],
    ) -> None:
        self._clock = clock
        self._config = config
        self._rpc = rpc
        self._before = before
        self._todo: dict[tuple[str, MasterAddress], bool] = {}
        self._working: Deferred[None] | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Bring it up, and follow the configuration."""
        self._config.on_change(self._on_change)
        snapshot = self._config.snapshot()
        address = master_address(snapshot.cluster)
        if address is not None:
            own = snapshot.cluster.master_node
            for uuid in self._before():
                if uuid != own:
                    self._todo[uuid, address] = False
            self._todo[own, address] = True
            self._work()

    def stop(self) -> None:
        """Try no more; what is up stays up."""
        self._is_stopped = True
        if self._working is not None:
            self._working.cancel()

    def give_up(self) -> Deferred[object]:
        """Take it down: this node is not the master any more."""
        self.stop()
        snapshot = self._config.snapshot()
        address = master_address(snapshot.cluster)
        down: Deferred[object] = Deferred()
        if address is None:
            down.callback(None)
            return down
        own = snapshot.nodes[snapshot.cluster.master_node]
        return self._rpc.call(own, MASTER_IP_DOWN, address).addErrback(
            lambda failure: self._log.warn(
                "the master address stays up: {error}", error=failure.value
            )
        )

    def _on_change(self, old: Snapshot, new: Snapshot) -> None:
        before, after = master_address(old.cluster), master_address(new.cluster)
        if before == after or self._is_stopped:
            return
        own = new.cluster.master_node
        if before is not None:
            self._todo.pop((own, before), None)
            self._todo[own, before] = False
        if after is not None:
            self._todo.pop((own, after), None)
            self._todo[own, after] = True
        self._work()

    def _work(self) -> None:
        if self._working is None and not self._is_stopped:
            working = Deferred.fromCoroutine(self._run())
            _ = working.addErrback(lambda failure: failure.trap(CancelledError))
            self._working = None if working.called else working

    async def _run(self) -> None:
        told: set[object] = set()
        while self._todo:
            for task, is_up in tuple(self._todo.items()):
                uuid, address = task
                node = self._config.snapshot().nodes.get(uuid)
                if node is None or node.offline:
                    del self._todo[task]
                elif await self._do(node, address, is_up, task not in told):
                    if self._todo.get(task) == is_up:
                        del self._todo[task]
                else:
                    told.add(task)
            if self._todo:
                await deferLater(self._clock, RETRY_SECONDS)
        self._working = None

    async def _do(
        self, node: Node, address: MasterAddress, is_up: bool, must_tell: bool
    ) -> bool:
        method = MASTER_IP_UP if is_up else MASTER_IP_DOWN
        try:
            await self._rpc.call(node, method, address)
        except GanetixError as error:
            if must_tell:
                self._log.warn(
                    "master address {address} cannot be {what} yet: {error}",
                    address=address.ip,
                    what="brought up" if is_up else "taken down",
                    error=error.message,
                )
            return False
        return True
