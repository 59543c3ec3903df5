"""What a fail-over asks of node daemons, one call or one round at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from itertools import count
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from ganetix.config.edition import Edition
from ganetix.config.master_address import master_address
from ganetix.config.snapshot import Snapshot
from ganetix.config.ssconf import ssconf_files, ssconf_serial
from ganetix.errors import (
    GanetixError,
    NodeUnreachable,
    StaleEpoch,
    StateFault,
    WrongState,
)
from ganetix.flow.settle import settle
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node
from ganetix.objects.replica import Claim, Group, Position
from ganetix.objects.replica_calls import (
    MasterBelief,
    ReplicaAppend,
    ReplicaClaim,
    ReplicaPart,
    ReplicaPromise,
    ReplicaRead,
    ReplicaStatus,
    StandDown,
)
from ganetix.rpc.methods import (
    MASTER_BELIEF,
    MASTER_IP_DOWN,
    MASTER_STAND_DOWN,
    REPLICA_APPEND,
    REPLICA_PART,
    REPLICA_PROMISE,
    REPLICA_READ,
    REPLICA_RELEASE,
    REPLICA_STATUS,
    SSCONF_WRITE,
    Nothing,
)

T = TypeVar("T")

ANSWER_SECONDS = 5.0
FETCH_SECONDS = 60.0
END_SECONDS = 30.0


class NodeCalls:
    """Calls of one node to others; ``problems`` tells why some gave no answer.

    :param own: the calling node's UUID
    :param say: takes lines for the administrator
    """

    def __init__(self, clock: IReactorTime, rpc: INodeRpc, own: str, say: Say) -> None:
        self._clock = clock
        self._rpc = rpc
        self._own = own
        self._say = say
        self.problems: dict[str, str] = {}

    async def ask(
        self,
        nodes: Mapping[str, Node],
        work: Callable[[Node], Coroutine[Deferred[Any], Any, T]],
        only: Collection[str] | None = None,
    ) -> dict[str, T | None]:
        """What each of the nodes answers in time; None if it does not.

        :raises StaleEpoch: another node takes over at this moment
        """
        asked = [node for u, node in nodes.items() if only is None or u in only]

        async def ask(node: Node) -> T | None:
            try:
                answer = Deferred.fromCoroutine(work(node))
                return await self._within(ANSWER_SECONDS, answer)
            except StaleEpoch:
                raise
            except GanetixError as error:
                self.problems[node.uuid] = error.message
                return None

        answers = await settle(Deferred.fromCoroutine(ask(node)) for node in asked)
        return {node.uuid: answer for node, answer in zip(asked, answers, strict=True)}

    async def vote(self, node: Node) -> MasterBelief:
        """Whom a node takes for the master."""
        return await self._rpc.call(node, MASTER_BELIEF, Nothing())

    async def status(self, node: Node) -> ReplicaStatus:
        """What a candidate holds."""
        return await self._rpc.call(node, REPLICA_STATUS, Nothing())

    async def promises(
        self, online: Mapping[str, Node], claim: Claim, due: Collection[str]
    ) -> dict[str, ReplicaStatus]:
        """What those hold who have promised to obey the claim, of those who are due."""

        async def promise(node: Node) -> ReplicaStatus:
            request = ReplicaPromise(claim=claim)
            return await self._rpc.call(node, REPLICA_PROMISE, request)

        if self._own in due:
            # If not even this node obeys, nobody else is disturbed.
            first = await promise(online[self._own])
            others = await self.ask(online, promise, {*due} - {self._own})
            answers: dict[str, ReplicaStatus | None] = {self._own: first, **others}
        else:
            answers = await self.ask(online, promise, due)
        return {uuid: status for uuid, status in answers.items() if status is not None}

    async def fetch(
        self, source: Node, target: Node, claim: Claim, status: ReplicaStatus
    ) -> None:
        """Replace this node's state by another's."""
        kind = key = ""
        for number in count():
            request = ReplicaRead(claim=claim, kind=kind, key=key)
            page = await self._within(
                FETCH_SECONDS, self._rpc.call(source, REPLICA_READ, request)
            )
            adopt = None if page.kind else status.position
            part = ReplicaPart(claim=claim, part=number, rows=page.rows, adopt=adopt)
            await self._within(
                FETCH_SECONDS, self._rpc.call(target, REPLICA_PART, part)
            )
            if adopt is not None:
                return
            kind, key = page.kind, page.key

    async def append(
        self, node: Node, claim: Claim, after: Position, group: Group
    ) -> None:
        """Write batches that follow a position; ``StateFault`` if they do not."""
        request = ReplicaAppend(claim=claim, after=after, groups=(group,))
        taken = await self._within(
            ANSWER_SECONDS, self._rpc.call(node, REPLICA_APPEND, request)
        )
        if not taken.matched:
            raise StateFault(f"the state of {node.name} changed meanwhile; try again")

    async def release(self, node: Node, claim: Claim) -> None:
        """Let go of the store, so that the master daemon can open it."""
        request = ReplicaClaim(claim=claim)
        await self._within(
            ANSWER_SECONDS, self._rpc.call(node, REPLICA_RELEASE, request)
        )

    async def end_master(self, node: Node, successor: str) -> None:
        """Have a node's master daemon end in order; ``WrongState`` if it does not."""
        request = StandDown(successor=successor)
        try:
            await self._within(
                END_SECONDS, self._rpc.call(node, MASTER_STAND_DOWN, request)
            )
        except GanetixError as error:
            raise WrongState(
                f"the master daemon of {node.name} runs, and cannot be asked to end"
                f" ({error.message}): stop it first"
            ) from None

    async def release_address(self, old: Snapshot) -> None:
        """Have the old master's node give up the master's address, if it answers."""
        address = master_address(old.cluster)
        node = old.nodes[old.cluster.master_node]
        if address is not None and node.uuid != self._own and not node.offline:
            await self.quietly(self._rpc.call(node, MASTER_IP_DOWN, address))

    async def distribute(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Give ssconf to all nodes; the names of those that did not take it."""
        serial = ssconf_serial(snapshot)
        request = Edition(1, ssconf_files(snapshot), serial).whole()
        online = {u: node for u, node in snapshot.nodes.items() if not node.offline}

        async def write(node: Node) -> bool:
            await self._rpc.call(node, SSCONF_WRITE, request)
            return True

        written = await self.ask(online, write)
        return tuple(sorted(online[u].name for u, done in written.items() if not done))

    async def quietly(self, d: Deferred[Any] | Coroutine[Any, Any, Any]) -> None:
        """Wait for what need not succeed."""
        if not isinstance(d, Deferred):
            d = Deferred.fromCoroutine(d)
        try:
            await self._within(ANSWER_SECONDS, d)
        except GanetixError as error:
            self._say(f"not done: {error}")

    async def _within(self, seconds: float, d: Deferred[T]) -> T:
        _ = d.addTimeout(seconds, self._clock)
        try:
            return await d
        except TimeoutError:
            raise NodeUnreachable(f"no answer within {seconds:g} s") from None
