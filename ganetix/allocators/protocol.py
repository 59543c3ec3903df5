"""The allocators' protocol: one JSON document asks, one JSON object answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from ganetix.allocators.answer_checks import Checks, Unacceptable
from ganetix.allocators.wire_cluster import (
    WireInstance,
    WireNode,
    read_instance,
    read_node,
    require_whole,
    wire_instance,
    wire_node,
)
from ganetix.allocators.wire_group import (
    WireGroup,
    WirePolicy,
    read_group,
    read_policy,
    wire_group,
    wire_policy,
)
from ganetix.allocators.wire_request import WireRequest, read_request, wire_request
from ganetix.allocators.wire_result import read_result, wire_result
from ganetix.errors import BadParameter, RemoteFailure
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import AllocateSecondary, Answer, AnyRequest, Nodes

SHOWN = 200
"""How much of an answer is shown that cannot be read."""


class _WireAnswer(msgspec.Struct):
    success: bool
    info: str
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    nodes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Document(msgspec.Struct):
    nodegroups: dict[str, WireGroup]
    nodes: dict[str, WireNode]
    instances: dict[str, WireInstance]
    request: WireRequest
    version: Literal[2] = 2
    cluster_name: str = ""
    cluster_tags: list[str] = []
    enabled_hypervisors: list[str] = []
    ipolicy: WirePolicy | None = None


_DOCUMENT = msgspec.json.Decoder(_Document)
_ANSWER = msgspec.json.Decoder(_WireAnswer)


def request_document(
    cluster: CapCluster,
    request: AnyRequest,
    *,
    cluster_name: str = "",
    enabled_hypervisors: Sequence[str] = (),
) -> bytes:
    """The document to give to an allocator.

    :param enabled_hypervisors: ``hail`` sets the memory that hosts need for themselves
        to 4096 MiB, whatever the nodes say, if the first of these is ``kvm``
    :raises BadParameter: the request is about an instance that is not there
    """
    return msgspec.json.encode(
        _Document(
            version=2,
            cluster_name=cluster_name,
            cluster_tags=list(cluster.tags),
            enabled_hypervisors=list(enabled_hypervisors),
            ipolicy=wire_policy(cluster.policy),
            nodegroups={group.uuid: wire_group(group) for group in cluster.groups},
            nodes={node.name: wire_node(node) for node in cluster.nodes},
            instances={one.name: wire_instance(one) for one in cluster.instances},
            request=wire_request(cluster, request),
        )
    )


def read_document(data: bytes) -> tuple[CapCluster, AnyRequest]:
    """The cluster and the request of a document; ``BadParameter`` if it is none."""
    try:
        document = _DOCUMENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadParameter(
            f"the input is no request to an allocator: {error}"
        ) from None
    cluster = CapCluster(
        groups=tuple(read_group(*item) for item in document.nodegroups.items()),
        nodes=tuple(read_node(*item) for item in document.nodes.items()),
        instances=tuple(read_instance(*item) for item in document.instances.items()),
        tags=tuple(document.cluster_tags),
        policy=read_policy("the cluster", document.ipolicy),
    )
    return require_whole(cluster), read_request(document.request)


def read_answer(
    allocator: str, data: bytes, cluster: CapCluster, request: AnyRequest
) -> Answer:
    """What an allocator said, if it is an answer to this request.

    ``RemoteFailure`` shows what was said: no JSON, no solution and yet a result, a
    node that is not in the cluster or offline, a wrong number of nodes, one twice, an
    instance that nobody asked about, or one that is left out.
    """
    try:
        wire = _ANSWER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteFailure(
            f"allocator {allocator}: its answer is none: {error}: {_cut(data)}",
            allocator=allocator,
        ) from error
    raw = wire.nodes if wire.result is msgspec.UNSET else wire.result
    try:
        if raw is msgspec.UNSET:
            raise Unacceptable("it has no result")
        if not wire.success:
            if msgspec.json.decode(raw) != []:
                raise Unacceptable(f"no success, and yet the result is {_cut(raw)}")
            return Answer(info=wire.info)
        result = read_result(raw, Checks(cluster), request)
    except (msgspec.DecodeError, Unacceptable) as error:
        said = f"; it said: {wire.info}" if wire.info else ""
        raise RemoteFailure(
            f"allocator {allocator}: its answer is refused: {error}{said}",
            allocator=allocator,
        ) from error
    return Answer(info=wire.info, result=result)


def write_answer(answer: Answer, request: AnyRequest) -> bytes:
    """The JSON object that stands for an answer to a request."""
    result = answer.result
    value = [] if result is None else wire_result(result)
    if isinstance(result, Nodes) and isinstance(request, AllocateSecondary):
        value = result.nodes[0]
    return msgspec.json.encode(
        {"success": result is not None, "info": answer.info, "result": value}
    )


def _cut(data: bytes | msgspec.Raw) -> str:
    text = bytes(data).decode(errors="replace").strip()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
