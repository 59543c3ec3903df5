"""Finding again what was begun: it submits the jobs that bring it to an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ganetix.config.snapshot import Snapshot
from ganetix.errors import GanetixError
from ganetix.objects import Node
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.node_calls import NodeInfoRequest
from ganetix.opcodes import OpInstanceCleanup, OpNodeEnrol
from ganetix.plan.instance_move import asked_node
from ganetix.rpc.methods import NODE_INFO
from ganetix.units.base import Services

INTERVAL_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 600.0

Recoverable = OpInstanceCleanup | OpNodeEnrol


class Recovery:
    """Looks every few seconds for work cut short on instances, nodes not yet admitted.

    A job is submitted only once the node concerned answers, and after a failure only
    after a pause that grows.
    """

    _log = Logger()

    def __init__(
        self, services: Services, submit: Callable[[Recoverable], Deferred[int]]
    ) -> None:
        self._services = services
        self._submit = submit
        self._jobs: dict[str, int] = {}
        self._pauses: dict[str, tuple[float, float]] = {}
        self._loop = LoopingCall(lambda: Deferred.fromCoroutine(self.look()))
        self._loop.clock = services.clock
        self._running: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Look now, and then at intervals."""
        self._running = self._loop.start(INTERVAL_SECONDS)

    def began(self, uuid: str, job_id: int) -> None:
        """Leave this one to a job that somebody else submitted."""
        self._jobs[uuid] = job_id

    def stop(self) -> None:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()

    async def look(self) -> None:
        """One look at everything."""
        snapshot = self._services.config.snapshot()
        wanted = {uuid: (node, op) for uuid, node, op in self._unfinished(snapshot)}
        self._pauses = {u: p for u, p in self._pauses.items() if u in wanted}
        self._jobs = {u: j for u, j in self._jobs.items() if u in wanted}
        for uuid, (node, op) in wanted.items():
            try:
                await self._recover(uuid, node, op)
            except CancelledError:
                raise
            except GanetixError as error:
                self._log.debug("{op} not yet: {error}", op=op, error=error)
            except Exception:  # noqa: BLE001 - the next look must come all the same
                self._log.failure("cannot finish {op}", op=op)

    def _unfinished(
        self, snapshot: Snapshot
    ) -> Iterator[tuple[str, Node, Recoverable]]:
        for uuid, intent in snapshot.intents.items():
            node = _asked(intent, snapshot)
            if node is None or self._is_active(uuid, intent.job_id):
                continue
            name = intent.instance.name
            yield uuid, node, OpInstanceCleanup(instance_uuid=uuid, name=name)
        for uuid, token in snapshot.tokens.items():
            if token.used and token.node.certificate and not self._is_active(uuid, 0):
                op = OpNodeEnrol(node_uuid=uuid, name=token.node.name)
                yield uuid, token.node, op

    def _is_active(self, uuid: str, job_id: int) -> bool:
        is_active = self._services.is_active
        return is_active(job_id) or is_active(self._jobs.get(uuid, 0))

    async def _recover(self, uuid: str, node: Node, op: Recoverable) -> None:
        now = self._services.clock.seconds()
        not_before, pause = self._pauses.get(uuid, (0.0, FIRST_PAUSE_SECONDS))
        if now < not_before:
            return
        await self._services.rpc.call(node, NODE_INFO, NodeInfoRequest())
        self._jobs[uuid] = await self._submit(op)
        self._pauses[uuid] = (now + pause, min(2 * pause, LONGEST_PAUSE_SECONDS))
        self._log.info(
            "job {job} finishes what was begun: {op}", job=self._jobs[uuid], op=op
        )


def _asked(intent: InstanceIntent, snapshot: Snapshot) -> Node | None:
    """The node that must answer before anything can be done; None: nothing can be."""
    if intent.is_move:
        master = snapshot.nodes[snapshot.cluster.master_node]
        return asked_node(intent, snapshot) or master
    node = snapshot.nodes.get(intent.instance.primary_node)
    return None if node is None or node.offline else node
