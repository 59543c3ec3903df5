"""``gnt-cluster master-failover``: a master candidate takes the role over.

No master is needed; the node daemons do what is to be done. The steps are in such an
order that whatever is cut short can be run again: promises first, which end the old
master's power; then the newest state, the new epoch in it, and at last ssconf.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from ganetix.bootstrap.failover_calls import NodeCalls
from ganetix.config.apply import applied
from ganetix.config.rows import snapshot_of
from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import GanetixError, NotFound, WrongState
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.replica import Claim, Epoch
from ganetix.objects.replica_calls import ReplicaStatus
from ganetix.plan.failover import (
    NO_VOTING,
    Words,
    check_loss,
    check_votes,
    loss,
    members_of,
    newest_of,
    next_members,
    next_number,
    state_line,
)
from ganetix.state.replicate_rows import epochs_row, group_of, members_row
from ganetix.state.rows import Batch, Row


class Seen(Protocol):
    """A store as it was at one moment; see ``ganetix.state.sqlite_replica.Peeked``."""

    revision: int
    rows: Sequence[Row]


Look = Callable[[], "Seen | None"]
"""What the state store of this node holds, of the configuration's kinds."""


class Outcome(Value, frozen=True, kw_only=True):
    """Who is master now, and in which epoch; ``behind`` lacks the new ssconf."""

    master: str
    epoch: int
    revision: int
    behind: tuple[str, ...] = ()
    is_rehearsal: bool = False


class View:
    """What there is at the moment; ``newest`` is the UUID of who holds the newest."""

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        own: ReplicaStatus,
        answering: Mapping[str, ReplicaStatus],
        known_epoch: int,
        newest: str,
    ) -> None:
        self.snapshot = snapshot
        self.own = own
        self.answering = answering
        self.known_epoch = known_epoch
        self.newest = newest
        self.names = {uuid: node.name for uuid, node in snapshot.nodes.items()}
        self.serving = [uuid for uuid, s in answering.items() if s.is_serving]


class Failover:
    """One attempt of a node to become master.

    :param own: this node's UUID
    :param look: reads this node's state store
    :param say: takes lines for the administrator
    """

    def __init__(
        self, clock: IReactorTime, rpc: INodeRpc, own: str, look: Look, say: Say
    ) -> None:
        self._clock = clock
        self._calls = NodeCalls(clock, rpc, own, say)
        self._own = own
        self._look = look
        self._say = say
        self._accepted = ""

    async def run(self, words: Words, rehearse: bool = False) -> Outcome:
        """Become master, or say what would be done; ``WrongState`` if that is refused.

        A master daemon that runs where it can be asked is ended in order first.

        :param rehearse: change nothing anywhere
        """
        if words.no_voting:
            self._say(NO_VOTING)
        view = await self._look_around(words)
        ended = tuple(view.names[uuid] for uuid in view.serving)
        if not ended or rehearse:
            return await self._go_on(view, words, rehearse)
        for uuid in view.serving:
            self._say(f"the master daemon of {view.names[uuid]} is asked to end")
            node = view.snapshot.nodes[uuid]
            await self._calls.end_master(node, view.names[self._own])
        try:
            view = await self._look_around(words)
            if view.serving:
                again = ", ".join(view.names[uuid] for uuid in view.serving)
                raise WrongState(f"the master daemon of {again} was started again")
            return await self._go_on(view, words, rehearse)
        except GanetixError:
            self._say(
                f"nobody is master now: run this again, or start ganetix-master on"
                f" {', '.join(ended)} to leave all as it was"
            )
            raise

    async def _look_around(self, words: Words) -> View:
        """Ask everybody, and refuse what has no prospects; nothing is changed."""
        snapshot = self._snapshot()
        names = {uuid: node.name for uuid, node in snapshot.nodes.items()}
        online = {u: node for u, node in snapshot.nodes.items() if not node.offline}
        own = (await self._calls.ask(online, self._calls.status, [self._own])).get(
            self._own
        )
        if own is None:
            why = self._calls.problems.get(self._own, "it is marked offline")
            raise WrongState(f"the node daemon of this node does not answer: {why}")
        if not own.history:
            raise WrongState("this node's state has no epoch: it was never replicated")
        if own.is_serving:
            raise WrongState("this node is the master, and its master daemon runs")
        votes = await self._calls.ask(online, self._calls.vote)
        statuses = await self._calls.ask(
            online, self._calls.status, self._due(snapshot, own)
        )
        for uuid in sorted(statuses, key=lambda u: names[u]):
            problem = self._calls.problems.get(uuid, "no answer")
            self._say(state_line(names[uuid], statuses[uuid], problem))
        check_votes(votes, self._own, own.history[-1], names, words)
        answering = {u: status for u, status in statuses.items() if status is not None}
        known_epoch = max((v.epoch for v in votes.values() if v is not None), default=0)
        return View(
            snapshot=snapshot,
            own=own,
            answering=answering,
            known_epoch=known_epoch,
            newest=self._weigh(answering, names, words, known_epoch),
        )

    async def _go_on(self, view: View, words: Words, rehearse: bool) -> Outcome:
        number = next_number([*view.answering.values()], view.known_epoch)
        last = view.own.history[-1]
        # Nobody has heard of anything later than this node's own epoch.
        is_master = last.master == self._own and number == last.number + 1
        if is_master and not words.accept_loss:
            return await self._finish(view.snapshot, view.own, rehearse)
        if rehearse:
            position = view.answering[view.newest].position
            return Outcome(
                master=view.names[self._own],
                epoch=number,
                revision=position.revision + 1,
                is_rehearsal=True,
            )
        return await self._take_over(view.own, number, words, view.known_epoch)

    def _snapshot(self) -> Snapshot:
        seen = self._look()
        snapshot = snapshot_of(seen.rows, seen.revision) if seen else None
        if snapshot is None:
            raise NotFound(
                "this node holds no state of the cluster: it is no master candidate, or"
                " has not had the time to become one"
            )
        if self._own not in snapshot.nodes:
            raise WrongState("this node is no member of the cluster by its own state")
        return snapshot

    def _due(self, snapshot: Snapshot, status: ReplicaStatus) -> frozenset[str]:
        """Who may hold state: candidates by the configuration and by the record."""
        named = (uuid for uuid, n in snapshot.nodes.items() if n.master_candidate)
        return frozenset((*named, *members_of(status).members, self._own))

    async def _finish(
        self, snapshot: Snapshot, own: ReplicaStatus, rehearse: bool
    ) -> Outcome:
        """Do again what follows the new epoch: an earlier attempt came as far as that.

        The store is released, and ssconf is told to all nodes that answer.
        """
        last = own.history[-1]
        name = snapshot.nodes[self._own].name
        self._say(f"{name} is the master since epoch {last.number} by its own state")
        behind: tuple[str, ...] = ()
        if not rehearse:
            claim = Claim(number=last.number, master=self._own, since=last.since)
            await self._calls.release(snapshot.nodes[self._own], claim)
            behind = await self._calls.distribute(snapshot)
        return Outcome(
            master=name,
            epoch=last.number,
            revision=own.position.revision,
            behind=behind,
            is_rehearsal=rehearse,
        )

    def _weigh(
        self,
        answering: Mapping[str, ReplicaStatus],
        names: Mapping[str, str],
        words: Words,
        known_epoch: int,
    ) -> str:
        """Who of those has the newest state, if nothing is lost that may not be."""
        newest = newest_of(answering, self._own)
        record = members_of(answering[newest])
        if self._own not in record.members:
            known = ", ".join(sorted(names.get(uuid, uuid) for uuid in record.members))
            raise WrongState(
                f"this node is no master candidate whose state counts: {known}"
                f" {'are' if len(record.members) > 1 else 'is'}"
            )
        found = loss(answering, newest, names, known_epoch)
        check_loss(found, len(record.members), words)
        if found.kind != "none" and found.text != self._accepted:
            self._accepted = found.text
            self._say(f"{found.text}; that is accepted")
        return newest

    async def _take_over(
        self,
        own: ReplicaStatus,
        number: int,
        words: Words,
        known_epoch: int,
    ) -> Outcome:
        since = self._clock.seconds()
        claim = Claim(number=number, master=self._own, since=since)
        snapshot = self._snapshot()
        obeying: dict[str, ReplicaStatus] = {}
        online: dict[str, Node] = {}
        while True:
            # A newer state may name candidates that ours does not know.
            known = obeying.get(self._own, own)
            due = self._due(snapshot, known) - obeying.keys()
            online = {u: n for u, n in snapshot.nodes.items() if not n.offline}
            promised = await self._calls.promises(online, claim, due)
            obeying |= promised
            newest = newest_of(obeying, self._own)
            if obeying[newest].position == obeying[self._own].position:
                break
            self._say(f"taking the newer state from {online[newest].name}")
            await self._calls.fetch(
                online[newest], online[self._own], claim, obeying[newest]
            )
            obeying[self._own] = obeying[newest]
            snapshot = self._snapshot()
        names = {uuid: node.name for uuid, node in snapshot.nodes.items()}
        self._weigh(obeying, names, words, known_epoch)
        return await self._begin(snapshot, claim, obeying, obeying[self._own])

    async def _begin(
        self,
        snapshot: Snapshot,
        claim: Claim,
        obeying: Mapping[str, ReplicaStatus],
        own: ReplicaStatus,
    ) -> Outcome:
        """Write the new epoch, hand the store to the master daemon, tell all nodes."""
        position = own.position
        epoch = Epoch(
            number=claim.number,
            master=self._own,
            since=claim.since,
            base=position.revision,
        )
        record = next_members(members_of(own), self._own, obeying)
        edits = self._edits(snapshot, claim, members_of(own).members, record.members)
        after, rows = applied(snapshot, edits, claim.since)
        batch = Batch(
            rows=(*rows, epochs_row((*own.history, epoch)), members_row(record))
        )
        revision = position.revision + 1
        group = group_of(claim.number, revision, [batch])
        nodes = after.nodes
        await self._calls.append(nodes[self._own], claim, position, group)
        for uuid, status in obeying.items():
            if uuid != self._own and status.position == position:
                # The others get it from the new master.
                await self._calls.quietly(
                    self._calls.append(nodes[uuid], claim, position, group)
                )
        await self._calls.release(nodes[self._own], claim)
        after = after.changed(revision=revision)
        await self._calls.release_address(snapshot)
        behind = await self._calls.distribute(after)
        return Outcome(
            master=nodes[self._own].name,
            epoch=claim.number,
            revision=revision,
            behind=behind,
        )

    def _edits(
        self,
        snapshot: Snapshot,
        claim: Claim,
        before: Collection[str],
        members: Collection[str],
    ) -> Edits:
        cluster = replace(snapshot.cluster, master_node=self._own, epoch=claim.number)
        nodes = []
        for uuid, node in snapshot.nodes.items():
            is_candidate = node.master_candidate
            if uuid == self._own:
                is_candidate = True
            elif uuid in before and uuid not in members:
                is_candidate = False
                self._say(f"{node.name} is no master candidate any more")
            if is_candidate != node.master_candidate:
                nodes.append(replace(node, master_candidate=is_candidate))
        return Edits(put=(cluster, *nodes))
