"""One simulated node: a made-up host behind the RPC server of a real one."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from ganetix.bootstrap.dirs import make_directories
from ganetix.errors import StateFault, Unavailable
from ganetix.interfaces import Offload
from ganetix.netutils.bind import listen_endpoint
from ganetix.node.obeyed import known_claim
from ganetix.node.service import NodeService
from ganetix.node.sim import SimHost, SimResources, SimRunner
from ganetix.objects.node import Enrolment, EnrolRequest
from ganetix.paths import Paths
from ganetix.process import Runner
from ganetix.rpc.admission import Allegiance, CandidatesFile
from ganetix.rpc.identity import peer_identity
from ganetix.rpc.server import RpcResource, RpcSite
from ganetix.rpc.tls import LiveCredentials, tls_factory
from ganetix.tap.common import STOP_WITHIN_SECONDS, shipped, within


class SimNode:
    """A node that has joined; ``StateFault`` if its files do not say so."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        paths: Paths,
        name: str,
        resources: SimResources,
        offload: Offload,
        runner: Runner,
    ) -> None:
        self._reactor = reactor
        self._name = name
        self._credentials = LiveCredentials(paths)
        identity = peer_identity(self._credentials.current.certificate)
        if identity is None or identity.role != "node":
            raise StateFault(f"{paths.node_certificate} is no node's certificate")
        make_directories(paths)
        host = SimHost(
            paths=paths,
            node_name=name,
            clock=reactor,
            runner=runner,
            resources=resources,
            offload=offload,
            os_search_path=paths.os_search_path(shipped("os")),
        )
        allegiance = Allegiance(known_claim(paths))
        self._service = NodeService(
            reactor=reactor,
            paths=paths,
            node_uuid=identity.uuid,
            hypervisors=host.hypervisors,
            storages=host.storages,
            os_provider=host.os_provider,
            offload=offload,
            runner=SimRunner(refuses=True),
            relay_enrol=_no_master_here,
            on_left=self._leave,
            reload_credentials=lambda: self._credentials.reload(offload),
            read_host=host.read,
            hear=allegiance.hear,
        )
        candidates = CandidatesFile(paths.ssconf("master_candidates_certs"))
        self._rpc = RpcResource(
            reactor, self._service.handlers(), candidates, allegiance=allegiance
        )
        self._listener: IListeningPort | None = None

    async def listen(self, address: str, port: int) -> None:
        """Serve; fails with ``StateFault`` if the address cannot be had."""
        site = RpcSite(self._reactor, self._rpc)
        factory = tls_factory(self._credentials, site, self._reactor)
        endpoint = listen_endpoint(self._reactor, address, port)
        try:
            self._listener = await endpoint.listen(factory)
        except CannotListenError as error:
            raise StateFault(
                f"{self._name}: {address} port {port} cannot be bound:"
                f" {error.socketError}"
            ) from None

    async def stop(self) -> None:
        """Take no more calls, and let those under way end."""
        await self._deafen()
        self._service.close()
        await within(self._reactor, STOP_WITHIN_SECONDS, self._rpc.stop())

    async def _deafen(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await maybeDeferred(listener.stopListening)

    def _leave(self) -> None:
        self._log.info("{node} is no member any more", node=self._name)
        _ = Deferred.fromCoroutine(self._deafen())


def _no_master_here(request: EnrolRequest) -> Deferred[Enrolment]:
    return fail(Unavailable("this is a simulated node: no master runs beside it"))
