"""TLS 1.3 in both directions: what servers and clients of node RPC offer and demand.

OpenSSL contexts are made here rather than by ``CertificateOptions``, because that one
still hands pyOpenSSL objects whose use is deprecated.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from ganetix.errors import StateFault
from ganetix.interfaces import Offload
from ganetix.paths import Paths
from ganetix.rpc.identity import fingerprint, issuer_of, node_dns_name, peer_identity
from ganetix.rpc.newcomers import Newcomers

_DEMAND = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT

# What OpenSSL says of a chain that does not end in a CA it was told to trust.
_UNTRUSTED_ROOT = frozenset({18, 19, 20, 21})
_SELF_SIGNED_IN_CHAIN = 19


class Connects(Protocol):
    """What makes connections that show a certificate and demand one."""

    def connection(self) -> SSL.Connection:
        """A connection that demands a certificate of a CA that is trusted."""


class Credentials:
    """What one party shows, and whom it believes.

    ``issuer`` is the CA that issued its certificate, if that is among those believed.

    :param authorities: CAs whose certificates are believed; none in a party that joins
    """

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        *authorities: x509.Certificate,
    ) -> None:
        self.certificate = certificate
        self.authorities = authorities
        self.issuer = issuer_of(certificate, authorities)
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_options(SSL.OP_NO_TICKET)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_session_id(os.urandom(32))
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.check_privatekey()
        if self.issuer is not None:
            # Sent along, so that a node that joins can check its fingerprint.
            context.add_extra_chain_cert(self.issuer)
        store = context.get_cert_store()
        assert store is not None  # noqa: S101
        for authority in authorities:
            store.add_cert(crypto.X509.from_cryptography(authority))
        context.set_verify(_DEMAND)
        self._context = context

    def connection(self) -> SSL.Connection:
        """A connection that demands a certificate of a CA that is trusted."""
        return SSL.Connection(self._context, None)


class LiveCredentials:
    """A node's credentials, which can be read again when its files have changed.

    Connections that were made before go on as they are. Reads files at once; fails with
    ``StateFault``.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.current = load_credentials(paths)

    def connection(self) -> SSL.Connection:
        """A connection with the credentials of now."""
        return self.current.connection()

    def reload(self, offload: Offload) -> Deferred[None]:
        """Use what the files hold now; what was used stays if they cannot be read."""
        read = offload(lambda: load_credentials(self._paths))
        return read.addCallback(lambda found: setattr(self, "current", found))


def load_credentials(paths: Paths) -> Credentials:
    """The node's own credentials. Blocking; fails with ``StateFault``.

    A change of certificate that was cut short after the new one was written is
    completed.
    """
    current = paths.node_certificate
    try:
        certificate = x509.load_pem_x509_certificate(current.read_bytes())
        current = paths.ca_certificate
        authorities = x509.load_pem_x509_certificates(current.read_bytes())
        current = paths.next_node_key
        if current.exists() and _is_key_of(_key(current.read_bytes()), certificate):
            current.replace(paths.node_key)
        current = paths.node_key
        key = _key(current.read_bytes())
    except OSError as error:
        raise StateFault(f"cannot read {current}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise StateFault(f"{current} holds no readable key or certificate") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StateFault(f"{paths.node_key} does not hold an ECDSA key")
    try:
        return Credentials(key, certificate, *authorities)
    except SSL.Error:
        raise StateFault(
            f"{paths.node_key} is not the key of {paths.node_certificate}"
        ) from None


def _key(data: bytes) -> PrivateKeyTypes:
    return serialization.load_pem_private_key(data, None)


def _is_key_of(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    return key.public_key() == certificate.public_key()


@implementer(IOpenSSLServerConnectionCreator)
class ServerCreator:
    """Makes the server's side; a client without a certificate of the CA gets none."""

    def __init__(self, credentials: Connects) -> None:
        self._credentials = credentials

    def serverConnectionForTLS(  # noqa: N802
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: N803
    ) -> SSL.Connection:
        """Called by Twisted."""
        return self._credentials.connection()


@implementer(IOpenSSLClientConnectionCreator)
class NodeCreator:
    """Makes connections to the node of one UUID, of a CA in the credentials.

    ``problem`` is why the node's certificate was refused, empty if it was not.

    :param accepted: fingerprints of the node's certificates, any if there are none
    """

    def __init__(
        self,
        credentials: Connects,
        node_uuid: str,
        accepted: Collection[str] = (),
    ) -> None:
        self._credentials = credentials
        self._node_uuid = node_uuid
        self._accepted = accepted
        self.problem = ""

    def clientConnectionForTLS(
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: N803
    ) -> SSL.Connection:
        """Called by Twisted."""
        connection = self._credentials.connection()
        connection.set_tlsext_host_name(node_dns_name(self._node_uuid).encode())
        connection.set_verify(_DEMAND, self._verify)
        return connection

    # OpenSSL swallows what a callback raises: answers only, and the reason kept aside.
    def _verify(
        self,
        connection: SSL.Connection,
        certificate: crypto.X509,
        error: int,
        depth: int,
        ok: int,
    ) -> bool:
        if not ok:
            self.problem = self._reason(error)
            return False
        if depth > 0:
            return True
        shown = peer_identity(certificate.to_cryptography())
        if shown is None or (shown.uuid, shown.role) != (self._node_uuid, "node"):
            self.problem = "it presents the certificate of another node"
            return False
        if self._accepted and shown.fingerprint not in self._accepted:
            self.problem = "its certificate is not the one on record"
            return False
        return True

    def _reason(self, error: int) -> str:
        if error in _UNTRUSTED_ROOT:
            return "its certificate is not of the cluster's CA"
        return _error_text(error)


@implementer(IOpenSSLClientConnectionCreator)
class PinnedCreator(NodeCreator):
    """Makes connections to a node whose CA is known by its fingerprint only.

    ``ca`` is that CA's certificate, once a connection was made.
    """

    def __init__(
        self, credentials: Connects, node_uuid: str, ca_fingerprint: str
    ) -> None:
        super().__init__(credentials, node_uuid)
        self._ca_fingerprint = ca_fingerprint
        self.ca: x509.Certificate | None = None

    def _verify(
        self,
        connection: SSL.Connection,
        certificate: crypto.X509,
        error: int,
        depth: int,
        ok: int,
    ) -> bool:
        if not ok and error == _SELF_SIGNED_IN_CHAIN:
            root = certificate.to_cryptography()
            if fingerprint(root) == self._ca_fingerprint:
                self.ca = root
                return True
        if ok and self.ca is None:
            self.problem = self._reason(_SELF_SIGNED_IN_CHAIN)
            return False
        return super()._verify(connection, certificate, error, depth, ok)

    def _reason(self, error: int) -> str:
        if error in _UNTRUSTED_ROOT:
            return (
                "the master's CA is not the one in the token: if it was renewed since,"
                " 'gnt-node add --replace' makes a new token"
            )
        return _error_text(error)


def tls_factory(
    credentials: Connects, site: IProtocolFactory, clock: IReactorTime
) -> TLSMemoryBIOFactory:
    """The factory to listen with: ``site`` behind mutual TLS."""
    guarded = Newcomers(site, clock)
    return TLSMemoryBIOFactory(ServerCreator(credentials), False, guarded, clock)


def _error_text(error: int) -> str:
    """OpenSSL's reason for refusing a certificate, for those that can happen."""
    known = {
        7: "its certificate's signature is wrong",
        9: "its certificate is not valid yet: compare the clocks",
        10: "its certificate has expired",
        26: "its certificate is not one for servers",
    }
    return known.get(error, f"its certificate is refused (OpenSSL reason {error})")
