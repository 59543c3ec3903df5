"""``twistd ganetix-node``."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python import usage

import ganetix
from ganetix.api.client import ApiClient, connect
from ganetix.errors import GanetixError, StateFault
from ganetix.hypervisor.fake import FakeHypervisor
from ganetix.hypervisor.kvm import KvmHypervisor
from ganetix.interfaces import IHypervisor
from ganetix.log import LoggedService
from ganetix.netutils.bind import bind_address, listen_endpoint
from ganetix.node.obeyed import known_claim
from ganetix.node.os import OsProvider
from ganetix.node.service import NodeService
from ganetix.objects import GuestInfo
from ganetix.objects.node import DEFAULT_PORT, Enrolment, EnrolRequest
from ganetix.paths import Paths
from ganetix.process import ProcessRunner
from ganetix.rpc.admission import Allegiance, CandidatesFile
from ganetix.rpc.identity import peer_identity
from ganetix.rpc.server import RpcResource, RpcSite
from ganetix.rpc.tls import LiveCredentials, tls_factory
from ganetix.storage.diskless import DisklessStorage
from ganetix.storage.file import FileStorage
from ganetix.tap.common import (
    STOP_WITHIN_SECONDS,
    Pool,
    calm_collector,
    end_with_failure,
    let_threads_in,
    make_missing,
    refuse_to_start,
    shipped,
    start_failed,
    within,
)
from ganetix.tap.options import DaemonOptions

FILE_THREADS = 4

T = TypeVar("T")


class Options(DaemonOptions):
    """Options of the node daemon."""

    longdesc = (
        "Runs this host's guests and keeps its disks, as the cluster's master tells it"
        " to. Guests go on when it stops. It listens on all addresses of the cluster's"
        " primary IP version unless --bind says otherwise."
    )
    optParameters = [
        ["bind", "b", None, "Address to listen on [default: all, by ssconf]"],
        ["port", None, str(DEFAULT_PORT), "TCP port to listen on"],
    ]

    address: str
    port: int

    def postOptions(self) -> None:
        """Check what was given."""
        super().postOptions()
        if not self["port"].isdecimal() or not 1 <= int(self["port"]) <= 65535:
            raise usage.UsageError(
                f"--port: {self['port']!r} is not a number from 1 to 65535"
            )
        self.port = int(self["port"])
        try:
            self.address = bind_address(self.paths, self["bind"])
        except GanetixError as error:
            what = f"--bind: {error}" if self["bind"] else f"{error}; or give --bind"
            raise usage.UsageError(what) from error


class NodeDaemon(LoggedService):
    """The node daemon: everything put together, started and stopped in order."""

    _log = Logger()

    def __init__(self, reactor: Any, options: Options) -> None:
        super().__init__(options.observer)
        self._reactor = reactor
        self._address, self._port = options.address, options.port
        paths = options.paths
        self._paths = paths
        self._credentials = LiveCredentials(paths)
        identity = peer_identity(self._credentials.current.certificate)
        if identity is None or identity.role != "node":
            raise StateFault(f"{paths.node_certificate} is no node's certificate")
        self._uuid = identity.uuid
        make_missing(paths)
        self._pool = Pool(reactor, "files", FILE_THREADS)
        self._replica_pool = Pool(reactor, "replica", 1)
        offload = self._pool.offload
        self._runner = runner = ProcessRunner(reactor)
        self._hypervisors: dict[str, IHypervisor] = {
            "kvm": KvmHypervisor(reactor, runner, paths, offload),
            "fake": FakeHypervisor(paths, reactor),
        }
        allegiance = Allegiance(known_claim(paths))
        self._service = NodeService(
            reactor=reactor,
            paths=paths,
            node_uuid=identity.uuid,
            hypervisors=self._hypervisors,
            storages={
                "file": FileStorage(paths, runner, offload),
                "diskless": DisklessStorage(),
            },
            os_provider=OsProvider(
                paths.os_search_path(shipped("os")),
                runner,
                offload,
                node_name(paths, identity.uuid),
            ),
            offload=offload,
            runner=runner,
            relay_enrol=self._relay_enrol,
            relay_stand_down=self._relay_stand_down,
            on_left=lambda: self._leave(),
            reload_credentials=lambda: self._credentials.reload(offload),
            replica_offload=self._replica_pool.offload,
            hear=allegiance.hear,
        )
        candidates = CandidatesFile(paths.ssconf("master_candidates_certs"))
        self._rpc = RpcResource(
            reactor, self._service.handlers(), candidates, allegiance=allegiance
        )
        self._listener: IListeningPort | None = None

    def startService(self) -> None:
        """Take over running guests, and listen."""
        super().startService()
        self._pool.start()
        self._replica_pool.start()
        _ = Deferred.fromCoroutine(self._start()).addErrback(
            lambda failure: start_failed(self._reactor, self._log, failure)
        )

    async def _start(self) -> None:
        for hypervisor in self._hypervisors.values():
            hypervisor.on_event(self._tell)
            await hypervisor.resume()
        calm_collector()
        let_threads_in()
        site = RpcSite(self._reactor, self._rpc)
        factory = tls_factory(self._credentials, site, self._reactor)
        endpoint = listen_endpoint(self._reactor, self._address, self._port)
        try:
            self._listener = await endpoint.listen(factory)
        except CannotListenError as error:
            end_with_failure(
                self._reactor,
                self._log,
                f"{self._address} port {self._port} cannot be bound:"
                f" {error.socketError}",
            )
            return
        self._log.info(
            "ganetix-node {version}: node {node} serves at {address} port {port}",
            version=ganetix.__version__,
            node=self._uuid,
            address=self._address,
            port=self._port,
        )

    def stopService(self) -> Deferred[None]:
        """Take no more calls, let those under way end, leave guests alone."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._listener is not None:
            await maybeDeferred(self._listener.stopListening)
        self._service.close()
        if not await within(self._reactor, STOP_WITHIN_SECONDS, self._rpc.stop()):
            self._log.warn(
                "stopping while {rpc} runs", rpc=", ".join(self._rpc.running)
            )
        for hypervisor in self._hypervisors.values():
            await hypervisor.close()
        await self._runner.close()
        await self._service.finish()
        self._replica_pool.stop()
        self._pool.stop()
        await super().stopService()

    def _tell(self, guest: GuestInfo) -> None:
        self._log.info(
            "instance {instance} is {state}{detail}",
            instance=guest.name,
            state=guest.state,
            detail=f": {guest.detail}" if guest.detail else "",
        )

    def _relay_enrol(self, request: EnrolRequest) -> Deferred[Enrolment]:
        return Deferred.fromCoroutine(self._ask(lambda master: master.enrol(request)))

    def _relay_stand_down(self, successor: str) -> Deferred[None]:
        asking = self._ask(lambda master: master.stand_down(successor))
        return Deferred.fromCoroutine(asking)

    async def _ask(self, ask: Callable[[ApiClient], Deferred[T]]) -> T:
        """Ask something of the master on this host."""
        master = await connect(self._reactor, self._paths.master_socket)
        try:
            return await ask(master)
        finally:
            master.close()

    def _leave(self) -> None:
        self._log.info("this node is no member any more: the daemon ends")
        self._reactor.callLater(0.5, self._reactor.stop)


def node_name(paths: Paths, node_uuid: str) -> str:
    """This node's name by ssconf, else the host's."""
    try:
        lines = paths.ssconf("node_uuids").read_text("utf-8").splitlines()
    except OSError:
        return socket.gethostname()
    names = (line.partition(" ") for line in lines)
    return next(
        (name for uuid, _, name in names if uuid == node_uuid), socket.gethostname()
    )


def makeService(options: Options) -> IService:
    """Called by twistd."""
    from twisted.internet import reactor

    try:
        service: IService = NodeDaemon(reactor, options)
    except GanetixError as error:
        refuse_to_start(error)
    return service
