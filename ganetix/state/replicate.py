"""Replication of the store to the other master candidates: the master's side.

Batches that are durable here go to every candidate in order. ``plan.replicas`` decides
up to where writers may be told, and what is recorded about who is in step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import ClassVar, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ganetix.errors import StaleEpoch, StateFault
from ganetix.flow.tasks import TaskSet
from ganetix.interfaces import IStateEngine
from ganetix.objects.base import Value
from ganetix.objects.replica import Claim, Epoch, Members, Position, obeyed
from ganetix.plan.replicas import (
    FEW,
    Ledger,
    acknowledged,
    majority,
    missing_majority,
    next_record,
)
from ganetix.state.replicas import Writer
from ganetix.state.replicate_follower import Follower, FollowerLinks
from ganetix.state.replicate_forget import Removal, RemovalLinks
from ganetix.state.replicate_log import RecentLog, journaled
from ganetix.state.replicate_rows import (
    EPOCHS,
    MEMBERS,
    PROMISE,
    RECENT,
    epochs_in,
    epochs_row,
    group_of,
    members_in,
    members_row,
    promise_in,
    promise_row,
)
from ganetix.state.rows import Batch

GREETING_PAUSE_SECONDS = 0.02


class CandidateState(Value, frozen=True, kw_only=True):
    """One candidate at a glance; ``problem`` is why it does not follow."""

    uuid: str
    revision: int
    is_member: bool
    is_in_step: bool
    problem: str = ""


class Links(FollowerLinks, RemovalLinks, Protocol):
    """Calls to those who have replicas; see ``ganetix.config.replicate``."""


class Replicator:
    """Keeps candidates in step with the store that it is attached to.

    :param own: this node's UUID
    :param on_deposed: called once, with a line for the log, when this node turns out
        not to be the master any more
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        own: str,
        links: Links,
        on_deposed: Callable[[Claim, str], None],
    ) -> None:
        self._clock = clock
        self._own = own
        self._links = links
        self._on_deposed = on_deposed
        self.head = 0
        self.history: tuple[Epoch, ...] = ()
        self.log = RecentLog()
        self.engine: IStateEngine
        self._writer: Writer
        self._ledger = Ledger(
            acknowledged=0, record=Members(members=(own,), in_step=(own,))
        )
        self._followers: dict[str, Follower] = {}
        # Who may have a replica, beside those of whom the record says so.
        self._served: set[str] = set()
        self._removal = Removal(clock, links, lambda: self.claim, self._removed)
        self._removed_since: set[str] = set()
        self._wanted: frozenset[str] = frozenset()
        self._proposed: Members | None = None
        self._has_started = False
        self._why_deposed: str | None = None
        self.obstacle: str | None = None
        """Why nothing may be written now; None if it may."""
        self._tasks = TaskSet()
        self._is_logged = False
        self._is_reviewing = False
        self._must_review = False

    @property
    def claim(self) -> Claim:
        """Who commands: this node, in its epoch."""
        epoch = self.history[-1]
        return Claim(number=epoch.number, master=epoch.master, since=epoch.since)

    @property
    def epoch(self) -> int:
        """The number of the epoch in which this node commands; 0 if it does not."""
        commands = self.history and self._why_deposed is None
        return self.history[-1].number if commands else 0

    @property
    def position(self) -> Position:
        """How far the store here has come."""
        return Position(epoch=self.history[-1].number, revision=self.head)

    @property
    def is_deposed(self) -> bool:
        """Whether somebody else commands."""
        return self._why_deposed is not None

    @property
    def members(self) -> tuple[str, ...]:
        """Those whose word counts, by the last record."""
        return self._ledger.record.members

    def _find_obstacle(self) -> str | None:
        members = self._ledger.record.members
        if len(members) <= FEW:
            return None
        answering = {f.uuid for f in self._followers.values() if f.answers}
        silent = missing_majority(members, answering | {self._own})
        if not silent:
            return None
        names = ", ".join(sorted(map(self._links.name_of, silent)))
        return (
            f"no majority of the master candidates follows: {names} do not;"
            f" {majority(len(members))} of {len(members)} are needed"
        )

    def attach(self, writer: Writer) -> None:
        """Serve this store."""
        self._writer = writer

    async def open(self, engine: IStateEngine, revision: int) -> int:
        """Find out where the store stands; its last revision.

        The first master's epoch is begun here. Fails with ``StateFault`` if this node
        is not the master by its own store.
        """
        self.engine = engine
        self.head = revision
        rows = await engine.get([EPOCHS, MEMBERS, PROMISE])
        self.history = epochs_in(rows) or ()
        if not self.history:
            first = Epoch(number=1, master=self._own, since=self._clock.seconds())
            self.history = (first,)
            row = epochs_row(self.history)
            self.head = await engine.commit([Batch(rows=(row,))])
        promise = promise_in(rows) or Claim()
        if self.claim.master != self._own or not self.claim.is_obeyed_after(promise):
            raise StateFault(
                "the state store is a replica: this node is not the master"
            )
        record = members_in(rows)
        if record is not None:
            self._ledger = Ledger(acknowledged=0, record=record, recorded_at=self.head)
        self.obstacle = self._find_obstacle()
        useless = self.log.load(await engine.load([RECENT]), self.head)
        if useless:
            await engine.note(useless)
        return self.head

    def start(self, wanted: Collection[str]) -> None:
        """Begin to send, to the configuration's candidates and those of the record."""
        self._has_started = True
        self.set_candidates(wanted)
        self.changed()

    def earlier_masters(self) -> tuple[str, ...]:
        """The UUIDs of those who commanded before this node, each once."""
        masters = dict.fromkeys(each.master for each in self.history)
        return tuple(uuid for uuid in masters if uuid != self._own)

    async def greet(self, seconds: float) -> None:
        """Wait until each candidate has answered or is known not to, or so long."""
        until = self._clock.seconds() + seconds
        while self._clock.seconds() < until and self._why_deposed is None:
            if all(follower.was_asked for follower in self._followers.values()):
                return
            await deferLater(self._clock, GREETING_PAUSE_SECONDS)

    def meet_again(self) -> None:
        """Ask the candidates anew what they have: the secrets have changed."""
        for follower in self._followers.values():
            follower.meet_again()

    def set_candidates(self, wanted: Collection[str]) -> None:
        """These are the configuration's candidates now, with or without this node."""
        self._wanted = frozenset(wanted) - {self._own}
        if self._has_started and self._why_deposed is None:
            self._fit_followers()
            self.changed()

    async def stop(self) -> None:
        """Send no more."""
        self._has_started = False
        self._stop_calls()
        await self._tasks.stop()

    def candidates(self) -> tuple[CandidateState, ...]:
        """How the other candidates stand, in the order of their UUIDs."""
        record = self._ledger.record
        return tuple(
            CandidateState(
                uuid=uuid,
                revision=follower.held,
                is_member=uuid in record.members,
                is_in_step=uuid in record.in_step,
                problem=follower.problem,
            )
            for uuid, follower in sorted(self._followers.items())
        )

    def prepared(self, batches: Sequence[Batch], last: int) -> Sequence[Batch]:
        """What is to be written so that these batches, up to ``last``, can be sent."""
        self._is_logged = bool(self._followers)
        if self._is_logged:
            group = group_of(self.claim.number, last, batches)
            return journaled(batches, self.log.add(group, self._keep_after()))
        # A log with a gap would be of no use later.
        return journaled(batches, self.log.clear()) if len(self.log) else batches

    def written(self, last: int, is_record: bool) -> None:
        """What was prepared is durable here."""
        self.head = last
        if is_record and self._proposed is not None:
            self._ledger = Ledger(
                acknowledged=self._ledger.acknowledged,
                record=self._proposed,
                recorded_at=last,
            )
            self._proposed = None
        for follower in self._followers.values():
            follower.nudge()
        self.changed()

    def not_written(self, is_record: bool) -> None:
        """What was prepared is not in the store."""
        if self._is_logged:
            self.log.take_back()
        if is_record:
            self._proposed = None

    def changed(self) -> None:
        """See what follows from what is known now."""
        self._must_review = True
        if self._is_reviewing:
            return
        self._is_reviewing = True
        try:
            while self._must_review and self._why_deposed is None:
                self._must_review = False
                self._review()
        finally:
            self._is_reviewing = False

    def refused(self, uuid: str, error: StaleEpoch) -> None:
        """A node that was called obeys another master: stand down."""
        claim = obeyed(error)
        if self.claim.is_obeyed_after(claim):
            # It has nothing against this master that it could name.
            return
        self.deposed(claim, "", is_binding=uuid in self._followers)

    def deposed(self, claim: Claim, why: str, is_binding: bool = True) -> None:
        """Stand down: confirm nothing more, and say so.

        :param is_binding: the claim is kept as a promise, so that this node stays down;
            the word of a node that is no candidate must not bind it for good
        """
        if self._why_deposed is not None:
            return
        self._why_deposed = why or f"epoch {claim.number} has begun elsewhere"
        self.obstacle = self._why_deposed
        self._stop_calls()
        self._writer.give_up(self._why_deposed)
        if claim.number and is_binding:
            # So that it stays down, should the others be out of reach next time.
            self._tasks.spawn("promise", self._note_promise(claim))
        self._on_deposed(claim, why)

    async def _note_promise(self, claim: Claim) -> None:
        await self.engine.note([promise_row(claim)])

    def _review(self) -> None:
        self.obstacle = self._find_obstacle()
        held = {uuid: follower.held for uuid, follower in self._followers.items()}
        held[self._own] = self.head
        overdue = [f.uuid for f in self._followers.values() if f.is_overdue]
        before = self._ledger.acknowledged
        now = acknowledged(self._ledger, held, overdue)
        if now != before:
            self._ledger = Ledger(
                acknowledged=now,
                record=self._ledger.record,
                recorded_at=self._ledger.recorded_at,
            )
        if self._has_started and self._proposed is None:
            self._propose(held, overdue)
            self._fit_followers()
        if now != before:
            self._writer.confirm(now)
        self._writer.go_on()

    def _propose(self, held: Mapping[str, int], overdue: Collection[str]) -> None:
        caught_up = [
            f.uuid
            for f in self._followers.values()
            if f.answers and f.held >= self._ledger.acknowledged
        ]
        base = self.history[-1].base
        record = next_record(
            self._ledger,
            self._own,
            self._wanted,
            caught_up,
            overdue,
            self._holding(),
            base,
        )
        if record is None:
            return
        for uuid in sorted({*record.in_step} ^ {*self._ledger.record.in_step}):
            self._log.info(
                "node {node} is {what}",
                node=self._links.name_of(uuid),
                what="in step" if uuid in record.in_step else "out of step",
            )
        self._proposed = record
        self._writer.record([members_row(record)])

    def _fit_followers(self) -> None:
        """Follow those who are wanted, and members until they are released."""
        record = self._ledger.record
        due = self._wanted | {*record.members} | {*record.before}
        for uuid in due - self._followers.keys() - {self._own}:
            name = self._links.name_of(uuid)
            follower = Follower(self._clock, uuid, name, self, self._links)
            self._followers[uuid] = follower
            self._served.add(uuid)
            follower.start()
        for uuid in self._followers.keys() - due:
            self._followers.pop(uuid).stop()
            self._log.info(
                "node {node} follows no more", node=self._links.name_of(uuid)
            )
        self._removed_since -= due
        self._removal.only_from(self._holding() - due - {self._own})

    def _holding(self) -> set[str]:
        """Who may have a replica."""
        return {*self._ledger.record.holders, *self._served} - self._removed_since

    def _removed(self, uuid: str) -> None:
        self._served.discard(uuid)
        self._removed_since.add(uuid)
        self.changed()

    def _stop_calls(self) -> None:
        for follower in self._followers.values():
            follower.stop()
        self._removal.only_from(())

    def _keep_after(self) -> int | None:
        starts = (f.snapshot_from for f in self._followers.values())
        return min((at for at in starts if at is not None), default=None)
