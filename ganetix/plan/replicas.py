"""Decisions about replicas: what may be acknowledged, and who counts. Pure.

Between two sets of members that follow each other there is always somebody who
belongs to the majority of both, because only one member comes or goes at a time and
the change itself is acknowledged by the rules of both. That is what makes a fail-over
find all that was acknowledged, whichever of the two sets it knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ganetix.objects.base import Value
from ganetix.objects.replica import Epoch, Members, Position

FEW = 2
"""With so many candidates or fewer, all that are in step must have a batch."""


class Ledger(Value, frozen=True, kw_only=True):
    """Up to where was acknowledged, and the record of members that is in force.

    ``recorded_at`` is the record's revision.
    """

    acknowledged: int
    record: Members
    recorded_at: int = 0


def majority(count: int) -> int:
    """How many of so many are more than half."""
    return count // 2 + 1


def held_by_enough(
    members: Sequence[str], in_step: Collection[str], held: Mapping[str, int]
) -> int:
    """The last revision that is durable on as many members as the rule asks for.

    With three or more that is a majority; with fewer, all that are in step.
    """
    if len(members) > FEW:
        revisions = sorted((held.get(uuid, 0) for uuid in members), reverse=True)
        return revisions[majority(len(members)) - 1]
    return min(held.get(uuid, 0) for uuid in members if uuid in in_step)


def acknowledged(
    ledger: Ledger, held: Mapping[str, int], overdue: Collection[str]
) -> int:
    """Up to which revision writers may be told now.

    Nothing more while a member stands as in step that does not answer, nor until the
    last record of members is on all whom it calls in step.

    :param held: the last revision that each member is known to have, durably
    :param overdue: who has not answered in time
    """
    record, at = ledger.record, ledger.recorded_at
    if any(uuid in record.in_step for uuid in overdue):
        return ledger.acknowledged
    if ledger.acknowledged < at:
        if min(held.get(uuid, 0) for uuid in record.in_step) < at:
            return ledger.acknowledged
        if record.before and held_by_enough(record.before, record.in_step, held) < at:
            return ledger.acknowledged
    enough = held_by_enough(record.members, record.in_step, held)
    return max(ledger.acknowledged, enough)


def next_record(
    ledger: Ledger,
    own: str,
    wanted: Collection[str],
    caught_up: Collection[str],
    overdue: Collection[str],
    holding: Collection[str],
    base: int,
) -> Members | None:
    """The record of members that should be written next; None if it is right as it is.

    Who is in step follows the facts at once. A member comes or goes only when the last
    record is acknowledged, in this epoch, and comes only when it is in step.

    :param wanted: the candidates of the configuration, without this node
    :param caught_up: those who have all that was acknowledged, and answer
    :param holding: those who may have a replica, be they members or not
    :param base: the last revision before this epoch
    """

    def made(
        members: Sequence[str], in_step: Sequence[str], before: Sequence[str]
    ) -> Members:
        return Members(
            members=tuple(sorted(members)),
            in_step=tuple(sorted(in_step)),
            before=tuple(before),
            holders=tuple(sorted({*holding, *record.members} - {*members})),
        )

    record = ledger.record
    is_known = ledger.acknowledged >= ledger.recorded_at
    in_step = tuple(
        uuid
        for uuid in record.members
        if uuid == own
        or uuid in caught_up
        or (uuid in record.in_step and uuid not in overdue)
    )
    before = () if is_known else record.before
    same_members = made(record.members, in_step, before)
    if same_members != record:
        return same_members
    if not is_known or ledger.acknowledged <= base:
        return None
    for uuid in record.members:
        if uuid != own and uuid not in wanted:
            left = _without(record.members, uuid)
            return made(left, _without(in_step, uuid), record.members)
    for uuid in sorted(wanted):
        if uuid not in record.members and uuid in caught_up:
            return made((*record.members, uuid), (*in_step, uuid), record.members)
    return None


def missing_majority(
    members: Sequence[str], answering: Collection[str]
) -> tuple[str, ...]:
    """The members that do not answer, if those that do are too few; else nobody."""
    silent = tuple(uuid for uuid in members if uuid not in answering)
    if len(members) <= FEW or len(members) - len(silent) >= majority(len(members)):
        return ()
    return silent


def epoch_of(history: Iterable[Epoch], revision: int) -> int:
    """The number of the epoch in which a revision was written; 0 before all."""
    return max((each.number for each in history if each.base < revision), default=0)


def is_prefix(history: Sequence[Epoch], head: int, position: Position) -> bool:
    """Whether a store at that position holds nothing but what this history holds.

    :param head: the last revision of this history
    """
    for each, after in zip(history, (*history[1:], None), strict=True):
        if each.number == position.epoch:
            end = head if after is None else after.base
            return each.base < position.revision <= end
    return False


def _without(uuids: tuple[str, ...], gone: str) -> tuple[str, ...]:
    return tuple(uuid for uuid in uuids if uuid != gone)
