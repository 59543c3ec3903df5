"""A request to the node: whose it is, and whether it is short enough."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Request

from ganetix.errors import BadParameter, GanetixError
from ganetix.rpc import wire
from ganetix.rpc.identity import PeerIdentity, peer_identity

MOST_STRANGER_BYTES = 64 * 1024


class RpcRequest(Request):
    """A request whose body is refused early if it is too long."""

    _refused: GanetixError | None = None
    peer: PeerIdentity | None = None

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Called by Twisted when the headers are there, before the body."""
        most = wire.MOST_REQUEST_BYTES
        channel: Any = self.channel
        self.peer = _peer_on(channel)
        if not channel.site.rpc.is_candidate(self.peer):
            most = MOST_STRANGER_BYTES
        if length is None:
            self._refused = BadParameter("a request needs a Content-Length")
        elif length > most:
            self._refused = BadParameter(f"a request may have {most} bytes at most")
        Request.gotLength(self, 0 if self._refused else length)
        if self._refused:
            body = wire.error_line(self._refused)
            channel.transport.write(
                b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
                b"Content-Type: %b\r\n%b: %b\r\nContent-Length: %d\r\n\r\n%b"
                % (
                    wire.CONTENT_TYPE,
                    wire.VERSION_HEADER,
                    channel.site.rpc.dialect.header,
                    len(body),
                    body,
                )
            )
            channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Called by Twisted with a part of the body."""
        if not self._refused:
            Request.handleContentChunk(self, data)

    def process(self) -> None:
        """Called by Twisted when the request is complete."""
        if not self._refused:
            Request.process(self)


def _peer_on(channel: Any) -> PeerIdentity | None:
    """Who is at the other end of a connection; found out at its first request."""
    known: tuple[PeerIdentity | None] | None = getattr(channel, "ganetix_peer", None)
    if known is None:
        known = channel.ganetix_peer = (_peer_by_certificate(channel),)
    return known[0]


def peer_of(request: Request) -> PeerIdentity | None:
    """Whom the certificate speaks for that the request's sender proved to hold."""
    if isinstance(request, RpcRequest) and request.peer is not None:
        return request.peer
    return _peer_by_certificate(request.channel)


def _peer_by_certificate(channel: object) -> PeerIdentity | None:
    transport: Any = getattr(channel, "transport", None)
    if not hasattr(transport, "getPeerCertificate"):
        return None
    certificate = transport.getPeerCertificate()
    if certificate is None:
        return None
    return peer_identity(certificate.to_cryptography())
