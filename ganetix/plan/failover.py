"""Decisions of a fail-over: who is master by belief, what would be lost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from ganetix.errors import WrongState
from ganetix.objects.base import Value
from ganetix.objects.replica import Epoch, Members, Position
from ganetix.objects.replica_calls import MasterBelief, ReplicaStatus
from ganetix.plan.replicas import FEW, majority

NO_VOTING = (
    "--no-voting: nobody is asked whether the old master is really down. If it still"
    " runs, there are two masters now, and what one of them does is lost"
)


class Words(Value, frozen=True, kw_only=True):
    """What the administrator takes upon himself."""

    no_voting: bool = False
    accept_loss: bool = False


class Loss(Value, frozen=True, kw_only=True):
    """What may be missing: nothing, possibly something, or something for certain."""

    kind: Literal["none", "possible", "known"] = "none"
    text: str = ""


def members_of(status: ReplicaStatus) -> Members:
    """The record of members; that of a master without replicas names it alone."""
    if status.record.members:
        return status.record
    alone = tuple(each.master for each in status.history[-1:])
    return Members(members=alone, in_step=alone)


def check_votes(
    votes: Mapping[str, MasterBelief | None],
    own: str,
    believed: Epoch,
    names: Mapping[str, str],
    words: Words,
) -> None:
    """Refuse with ``WrongState`` unless most nodes take the same node for the master.

    Those that know of an older epoch only have not been told yet: their answer counts,
    their opinion does not.

    :param votes: by the UUID of each node that is not offline; None: no answer
    :param believed: the present epoch by this node's own state
    """
    answers = {uuid: vote for uuid, vote in votes.items() if vote is not None}
    counted = Counter(
        vote.master
        for vote in answers.values()
        if vote.master and vote.epoch >= believed.number
    )
    for master, count in counted.most_common(1):
        known = believed.master
        if master not in (own, known) and count >= majority(len(answers)):
            raise WrongState(
                f"{count} of {len(answers)} nodes that answer take"
                f" {names.get(master, master)} for the master, this node's state says"
                f" {names.get(known, known)}: it is not up to date"
            )
    needed = majority(len(votes))
    if len(answers) >= needed or words.no_voting:
        return
    silent = _named(votes.keys() - answers.keys(), names)
    raise WrongState(
        f"{len(answers)} of {len(votes)} nodes answer, {needed} are needed to be sure"
        f" that there is no other master; no answer from {silent}. In a cluster of two"
        " nodes, --no-voting stands for your word that the other one is down"
    )


def newest_of(statuses: Mapping[str, ReplicaStatus], own: str) -> str:
    """Who holds the newest state: this node, if no other has a newer one."""
    return max(statuses, key=lambda uuid: (statuses[uuid].position, uuid == own))


def loss(
    statuses: Mapping[str, ReplicaStatus],
    newest: str,
    names: Mapping[str, str],
    known_epoch: int = 0,
) -> Loss:
    """What would be lost if the newest of these states were taken for the cluster's.

    :param statuses: of the candidates that obey, or would obey, the new master
    :param known_epoch: the newest epoch that any node has heard of
    """
    position = statuses[newest].position
    record = members_of(statuses[newest])
    there = [uuid for uuid in record.members if uuid in statuses]
    away = [uuid for uuid in record.members if uuid not in statuses]
    at = f"revision {position.revision} of epoch {position.epoch}"
    if known_epoch > position.epoch:
        return Loss(
            kind="known",
            text=f"epoch {known_epoch} has begun, and nobody who answers holds more"
            f" than {at}; {_named(away, names)} may",
        )
    if len(there) >= majority(len(record.members)):
        return Loss()
    in_step = [uuid for uuid in away if uuid in record.in_step] or away
    if not any(uuid in record.in_step for uuid in there):
        return Loss(
            kind="known",
            text=f"what was acknowledged after {at} is not here: those who answer were"
            f" out of step; {_named(in_step, names)} held it",
        )
    return Loss(
        kind="possible",
        text=f"what may have been acknowledged after {at} is not here:"
        f" {_named(away, names)}, of whom nothing is heard, may hold it",
    )


def check_loss(found: Loss, members: int, words: Words) -> None:
    """Refuse with ``WrongState`` to lose what the administrator has not given up.

    :param members: how many candidates count
    """
    if found.kind == "none" or words.accept_loss:
        return
    if found.kind == "possible" and words.no_voting and members <= FEW:
        return
    raise WrongState(
        f"{found.text}. Bring these nodes up, or give --accept-loss to go on without"
    )


def next_members(record: Members, own: str, obeying: Collection[str]) -> Members:
    """The record with which the new master begins.

    Those of whom nothing is heard count no longer if they are too many; two candidates
    need no majority. Replicas of those are left alone: what is lost here may be there.
    """
    there = tuple(uuid for uuid in record.members if uuid in obeying or uuid == own)
    is_enough = len(there) >= majority(len(record.members))
    keeps_all = own in record.members and (is_enough or len(record.members) <= FEW)
    members = record.members if keeps_all else tuple(sorted({*there, own}))
    holders = {*record.holders} - {*members}
    return Members(members=members, in_step=(own,), holders=tuple(sorted(holders)))


def next_number(statuses: Sequence[ReplicaStatus], known_epoch: int) -> int:
    """The number of the next epoch: above all that were ever heard of."""
    heard = [known_epoch]
    for status in statuses:
        heard += [status.promise.number, status.position.epoch]
    return max(heard) + 1


def state_line(name: str, status: ReplicaStatus | None, problem: str) -> str:
    """How one candidate stands, for people."""
    if status is None:
        return f"{name}: {problem}"
    at: Position = status.position
    promised = (
        f", has promised epoch {status.promise.number}"
        if status.promise.number > at.epoch
        else ""
    )
    if status.is_serving:
        promised += ", its master daemon runs"
    return f"{name}: revision {at.revision} of epoch {at.epoch}{promised}"


def _named(uuids: Collection[str], names: Mapping[str, str]) -> str:
    return ", ".join(sorted(names.get(uuid, uuid) for uuid in uuids)) or "nobody"
