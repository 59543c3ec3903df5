"""What failures of connections mean, as errors that name the node and its address."""

from __future__ import annotations

from collections.abc import Iterator

from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionRefusedError,
    TimeoutError,
)
from twisted.web._newclient import ParseError, RequestNotSent
from twisted.web.client import (
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
)

from ganetix.errors import AuthenticationFailed, NodeUnreachable, RemoteFailure
from ganetix.objects import Node

_WRAPPERS = (RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed)


class ConnectionBroke(Exception):
    """The connection ended before the answer did; the request may have run."""


class Silence(Exception):
    """Nothing came for too long, not even a sign of life."""


class HungUp(ConnectionRefusedError):
    """The other end took the connection, and ended it before TLS was in place."""


class NoSignOfLife(TimeoutError):
    """The other end took a request, and did not even show that it is alive."""


def where(node: Node) -> str:
    """The node and its address, for messages."""
    ip = f"[{node.primary_ip}]" if ":" in node.primary_ip else node.primary_ip
    return f"node {node.name} ({ip}:{node.port})"


def fault_of(error: Exception, node: Node, problem: str) -> Exception:
    """The error to raise for one that Twisted's HTTP client gave.

    :param problem: why we refused the node's certificate, empty if we did not
    :return: ``ConnectionBroke`` if the request may be sent again
    """
    if problem:
        return AuthenticationFailed(f"{where(node)}: {problem}", node=node.uuid)
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, CancelledError | ConnectingCancelledError):
            return CancelledError()
        if isinstance(cause, SSL.Error):
            return _tls_fault(cause, node)
        if isinstance(cause, ParseError):
            return RemoteFailure(
                f"{where(node)}: it does not speak ganetix's RPC", node=node.uuid
            )
        if isinstance(cause, ConnectError):
            return NodeUnreachable(
                f"{where(node)} is not reachable: {why_not_connected(cause)}",
                node=node.uuid,
            )
    if isinstance(error, (*_WRAPPERS, RequestNotSent)):
        return ConnectionBroke(str(causes[-1]) if causes else str(error))
    return error


def connect_error_of(error: Exception) -> ConnectError | None:
    """Why the node could not be reached, if that is what Twisted's error means."""
    return next((x for x in _causes(error) if isinstance(x, ConnectError)), None)


def _causes(error: Exception) -> Iterator[BaseException]:
    if isinstance(error, _WRAPPERS):
        for failure in error.reasons:
            if isinstance(failure.value, Exception):
                yield from _causes(failure.value)
    else:
        yield error


def _tls_fault(error: SSL.Error, node: Node) -> Exception:
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    text = ", ".join(str(reason[-1]) for reason in reasons) or "no reason given"
    if "eof" in text:
        return ConnectionBroke(text)
    if "alert" in text:
        said = text.removeprefix("tlsv13 alert ").removeprefix("tlsv1 alert ")
        said = said.removeprefix("ssl/tls alert ").removeprefix("sslv3 alert ")
        text = f"it refuses our certificate or TLS version ({said})"
    else:
        text = f"TLS fails ({text})"
    return AuthenticationFailed(f"{where(node)}: {text}", node=node.uuid)


def why_not_connected(error: ConnectError) -> str:
    """The reason in a few words."""
    if isinstance(error, NoSignOfLife):
        return "its daemon gives no sign of life"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, HungUp):
        return "it hangs up before the connection is secure"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return str(error).rstrip(".") or type(error).__name__
