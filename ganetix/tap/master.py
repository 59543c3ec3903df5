"""``twistd ganetix-master``."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

import ganetix
from ganetix.allocators.external import ExternalAllocators
from ganetix.allocators.pool import WorkerPool
from ganetix.allocators.service import Allocators
from ganetix.api.door import Door
from ganetix.api.server import ApiFactory
from ganetix.bootstrap.authorities import CertificateAuthorities
from ganetix.cache.capacity import CapacityBook
from ganetix.config.distribute import SsconfDistributor
from ganetix.errors import GanetixError, WrongState
from ganetix.hypervisor.params import HV_PARAMETERS, effective_hvparams
from ganetix.interfaces import IStateEngine
from ganetix.jobs.archive import AutoArchive
from ganetix.jobs.queue import JobQueue
from ganetix.jobs.slots import follow_slots
from ganetix.jobs.values import SubmitRequest
from ganetix.locking.manager import LockManager
from ganetix.log import LoggedService
from ganetix.netutils.resolve import resolve_all
from ganetix.node.files import LocalFiles
from ganetix.objects import Node, new_uuid
from ganetix.opcodes import AnyOpcode, OpNodeEnrol
from ganetix.plan.crypto import accepted_certificates
from ganetix.process import ProcessRunner
from ganetix.query.service import QueryService
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.tls import LiveCredentials
from ganetix.scheduler.scheduler import Scheduler
from ganetix.state.sqlite import SqliteEngine
from ganetix.tap.common import (
    NOT_MASTER_STATUS,
    STOP_WITHIN_SECONDS,
    Pool,
    calm_collector,
    let_threads_in,
    make_missing,
    raise_file_limit,
    refuse_to_start,
    start_failed,
    within,
)
from ganetix.tap.destroyed import was_destroyed, wipe
from ganetix.tap.enrolment import Enrolments
from ganetix.tap.master_options import Options
from ganetix.tap.mastership import Mastership, NotMaster, own_uuid
from ganetix.units.base import Services
from ganetix.units.recovery import Recovery
from ganetix.units.worker import LogicalUnits

SOCKET_MODE = 0o660
FILE_THREADS = 2
WORKERS = 2
URGENT_SLOTS = 16
WIPE_AFTER_SECONDS = 1.0

WrapEngine = Callable[[IStateEngine], IStateEngine]


class MasterDaemon(LoggedService):
    """The master: everything put together, started and stopped in order.

    :param wrap_engine: stands between the store and its engine, for crash tests
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        options: Options,
        wrap_engine: WrapEngine = lambda engine: engine,
    ) -> None:
        super().__init__(options.observer)
        self._reactor = reactor
        self._paths = paths = options.paths
        if not paths.state_db.exists():
            raise WrongState(
                f"there is no cluster here: {paths.state_db} does not exist;"
                " 'gnt-cluster init' makes one"
            )
        if was_destroyed(paths):
            wipe(paths)
            raise WrongState("the cluster that was here is destroyed; its files too")
        self._credentials = LiveCredentials(paths)
        own = own_uuid(paths, self._credentials)
        make_missing(paths)
        self._pool = Pool(reactor, "state", 1)
        self._files = Pool(reactor, "files", FILE_THREADS)
        self._workers = WorkerPool(reactor, os.environ, WORKERS)
        self._runner = ProcessRunner(reactor)
        self._authorities = CertificateAuthorities(
            reactor,
            paths,
            self._files.offload,
            on_new_credentials=lambda: self._reload(),
            share=lambda: role.share(),
            secrets=lambda: role.secrets().digest,
        )
        creators = creators_of(
            self._credentials,
            lambda uuid: accepted_certificates(role.config.snapshot(), uuid),
        )
        self._rpc = NodeRpc(
            reactor,
            creators,
            self._is_wanted,
            master_epoch=lambda: role.replicator.epoch,
            on_stale=lambda node, error: role.replicator.refused(node.uuid, error),
        )
        engine = wrap_engine(SqliteEngine(paths.state_db, self._pool.offload))
        self._role = role = Mastership(reactor, paths, own, self._rpc, engine)
        self._distributor = SsconfDistributor(role.config, role.rpc, reactor)
        self._rpc.reachability.on_return(self._distributor.hasten)
        services = Services(
            config=role.config,
            rpc=role.rpc,
            clock=reactor,
            distribution=self._distributor,
            allocation=Allocators(
                self._workers,
                ExternalAllocators(
                    self._runner,
                    self._files.offload,
                    paths,
                    limits=options.allocator_limits,
                ),
            ),
            capacities=CapacityBook(),
            files=LocalFiles(paths, self._files.offload),
            version=ganetix.__version__,
            authorities=self._authorities,
            resolve=lambda name: resolve_all(reactor, name),
            new_uuid=new_uuid,
            random_byte=lambda: random.getrandbits(8),
            is_active=lambda job_id: self._queue.is_active(job_id),
            farewell=self._end_for_good,
        )
        self._scheduler = Scheduler(reactor, urgent_slots=URGENT_SLOTS)
        self._queue = JobQueue(
            reactor,
            role.store,
            role.config,
            LogicalUnits(services),
            LockManager(reactor),
            self._scheduler,
            random.Random(),  # noqa: S311 - jitter
        )
        self._archiving = AutoArchive(
            reactor, self._queue.archive_older, options.archive_age_seconds
        )
        self._recovery = Recovery(services, self._submit_own)
        enrolments = Enrolments(
            reactor,
            role.config,
            self._authorities,
            self._credentials,
            self._submit_enrolment,
        )
        self._door = Door(
            clock=reactor,
            config=role.config,
            store=role.store,
            queue=self._queue,
            queries=QueryService(
                reactor,
                role.config,
                role.rpc,
                self._queue,
                {name: effective_hvparams(name) for name in HV_PARAMETERS},
            ),
            rpc=role.rpc,
            replicator=role.replicator,
            issue_token=enrolments.issue_token,
            enrol=enrolments.enrol,
            stand_down=role.stand_down,
            ca_expires=lambda: self._authorities.expires(
                role.config.snapshot().cluster.ca_renewal
            ),
        )
        self._factory = ApiFactory(self._door)
        self._listener: IListeningPort | None = None
        self._starting: Deferred[None] | None = None
        self._is_destroyed = False

    def startService(self) -> None:
        """Load the state, go on with queued jobs, and listen."""
        super().startService()
        raise_file_limit()
        self._pool.start()
        self._files.start()
        self._starting = Deferred.fromCoroutine(self._start())
        _ = self._starting.addErrback(self._failed)

    async def _start(self) -> None:
        await self._role.take_up()
        follow_slots(self._role.config, self._scheduler)
        await self._queue.load()
        calm_collector()
        let_threads_in()
        path = str(self._paths.master_socket)
        # The store's lock is ours, so a socket that is there is nobody's any more. A
        # process id beside it, as Twisted writes one, may be another's by now.
        endpoint = UNIXServerEndpoint(self._reactor, path, mode=SOCKET_MODE)
        try:
            self._paths.master_socket.unlink(missing_ok=True)
            self._listener = await endpoint.listen(self._factory)
        except (CannotListenError, OSError) as error:
            raise WrongState(f"{path} cannot be listened on: {error}") from error
        self._queue.start()
        self._distributor.start()
        self._recovery.start()
        self._archiving.start()
        self._role.address.start()
        self._log.info(
            "ganetix-master {version}: cluster {cluster} at revision {revision}",
            version=ganetix.__version__,
            cluster=self._role.config.snapshot().cluster.name,
            revision=self._role.store.revision,
        )

    def _reload(self) -> Deferred[None]:
        """Show the node's new certificate, or trust other CAs, from now on."""
        reloaded = self._credentials.reload(self._files.offload)
        return reloaded.addCallback(lambda _: self._rpc.renew_connections())

    def _failed(self, failure: Failure) -> None:
        start_failed(self._reactor, self._log, failure, self._role.is_lost)

    def stopService(self) -> Deferred[None]:
        """Take no more jobs; what runs is found again at the next start."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        if self._listener is not None:
            await maybeDeferred(self._listener.stopListening)
        self._recovery.stop()
        await self._archiving.stop()
        self._distributor.stop()
        self._role.address.stop()
        stopping = Deferred.fromCoroutine(self._queue.stop())
        if not await within(self._reactor, STOP_WITHIN_SECONDS, stopping):
            self._log.warn("stopping while jobs run")
        self._factory.hang_up()
        await self._role.lay_down()
        await self._rpc.close()
        await self._workers.stop()
        await self._runner.close()
        self._pool.stop()
        self._files.stop()
        if self._is_destroyed:
            wipe(self._paths)
        await super().stopService()

    def _end_for_good(self) -> None:
        self._is_destroyed = True
        self._reactor.callLater(WIPE_AFTER_SECONDS, self._reactor.stop)

    def _is_wanted(self, node: Node) -> bool:
        """Whether a node is to be probed that could not be reached."""
        snapshot = self._role.config.snapshot()
        if node.uuid in snapshot.tokens:
            return True
        known = snapshot.nodes.get(node.uuid)
        if known is None or known.offline:
            return False
        return (known.primary_ip, known.port) == (node.primary_ip, node.port)

    def _submit_enrolment(self, op: OpNodeEnrol) -> Deferred[int]:
        def submitted(job_ids: Sequence[int]) -> int:
            self._recovery.began(op.node_uuid, job_ids[0])
            return job_ids[0]

        return self._queue.submit([SubmitRequest(ops=(op,))]).addCallback(submitted)

    def _submit_own(self, op: AnyOpcode) -> Deferred[int]:
        submitted = self._queue.submit([SubmitRequest(ops=(op,))], internal=True)
        return submitted.addCallback(lambda job_ids: job_ids[0])


def makeService(options: Options) -> IService:
    """Called by twistd."""
    from twisted.internet import reactor

    try:
        service: IService = MasterDaemon(reactor, options)
    except NotMaster as error:
        refuse_to_start(error, NOT_MASTER_STATUS)
    except GanetixError as error:
        refuse_to_start(error)
    return service
