"""What a worker process computes: requests and their results as values. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from ganetix.errors import GanetixError, WireError
from ganetix.objects.base import Value
from ganetix.plan.capacity.model import CapCluster, TieredRequest, TieredResult
from ganetix.plan.capacity.requests import Allocate, Answer, AnyRequest, Comparison


class Work(Value, frozen=True, kw_only=True, tag_field="work"):
    """Base of all that can be computed."""

    cluster: CapCluster


class TieredWork(Work, frozen=True, kw_only=True, tag="tiered"):
    """What fits: a ``TieredResult``."""

    request: TieredRequest


class AllocateWork(Work, frozen=True, kw_only=True, tag="allocate"):
    """What the built-in allocator answers: an ``Answer``."""

    request: AnyRequest


class CompareWork(Work, frozen=True, kw_only=True, tag="compare"):
    """How the built-in allocator decides on one instance: an ``Comparison``."""

    request: Allocate


class ExplainWork(Work, frozen=True, kw_only=True, tag="explain"):
    """Why no more fit, and what changes would bring: printable lines.

    Changes are ``more=NODE`` (one more like it), ``without=NODE``, ``cpu-ratio=N``.
    """

    request: TieredRequest
    changes: tuple[str, ...] = ()


class BalanceWork(Work, frozen=True, kw_only=True, tag="balance"):
    """How to balance: a ``BalancePlan`` as JSON values."""

    max_moves: int | None = None


AnyWork = TieredWork | AllocateWork | CompareWork | ExplainWork | BalanceWork
RESULTS: dict[type[Work], Any] = {
    TieredWork: TieredResult,
    AllocateWork: Answer,
    CompareWork: Comparison,
    ExplainWork: tuple[str, ...],
    BalanceWork: dict[str, object],
}


class Reply(msgspec.Struct, frozen=True):
    """A result as JSON, or why there is none."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    error: WireError | None = None


_decoder: msgspec.json.Decoder[AnyWork] = msgspec.json.Decoder(AnyWork)
_replies = msgspec.json.Decoder(Reply)


def encode_work(work: AnyWork) -> bytes:
    """As it goes to a worker."""
    return msgspec.json.encode(work)


def perform(data: bytes) -> bytes:
    """Do what ``encode_work`` wrote; the reply."""
    try:
        result = _compute(_decoder.decode(data))
        reply = Reply(result=msgspec.Raw(msgspec.json.encode(result)))
    except GanetixError as error:
        reply = Reply(error=error.to_wire())
    return msgspec.json.encode(reply)


def decode_reply(work: AnyWork, data: bytes) -> Any:
    """The result of ``work`` out of a reply; raises the error that it holds."""
    reply = _replies.decode(data)
    if reply.error is not None:
        raise GanetixError.from_wire(reply.error)
    return msgspec.json.decode(reply.result, type=RESULTS[type(work)])


def _compute(work: AnyWork) -> object:
    # What computes takes long to import, and only the worker needs it.
    match work:
        case TieredWork():
            from ganetix.plan.capacity.tiered import tiered

            return tiered(work.cluster, work.request)
        case ExplainWork():
            from ganetix.plan.capacity.in_words import explained

            return explained(work.cluster, work.request, work.changes)
        case BalanceWork():
            from ganetix.plan.allocate.balance import balance

            return balance(work.cluster, max_moves=work.max_moves)
        case CompareWork():
            from ganetix.plan.allocate import compared

            return compared(work.cluster, work.request)
        case AllocateWork():
            from ganetix.plan.allocate import answer

            return answer(work.cluster, work.request)
