"""A CA and node identities for tests, made once per process."""

from __future__ import annotations

import functools
import time
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ganetix.bootstrap import pki
from ganetix.rpc.tls import Credentials


class Identity(NamedTuple):
    """A key with a certificate; ``fingerprint`` as it stands in ssconf."""

    uuid: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate."""
        return pki.fingerprint(self.certificate)

    def credentials(self, ca: pki.Authority | None = None) -> Credentials:
        """What a party with this identity shows; it believes this CA."""
        return Credentials(self.key, self.certificate, (ca or authority()).certificate)


def node_uuid(number: int) -> str:
    """The UUID of the test node of that number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def authority(name: str = "first") -> pki.Authority:
    """A CA; each name has its own."""
    return _authority(name)


def node_identity(number: int, ca_name: str = "first") -> Identity:
    """The certificate of the test node of that number."""
    return _node_identity(number, ca_name)


def join_identity(number: int, ca_name: str = "first") -> Identity:
    """A join certificate of the test node of that number, good for an hour."""
    return _join_identity(number, ca_name)


# The caches are of all arguments by position: a default left out is another key.
@functools.cache
def _authority(name: str) -> pki.Authority:
    return pki.make_ca(node_uuid(sum(name.encode())), time.time())


@functools.cache
def _node_identity(number: int, ca_name: str) -> Identity:
    uuid, key = node_uuid(number), pki.make_key()
    request = pki.signing_request(key, uuid)
    certificate = pki.sign_node(authority(ca_name), request, uuid, time.time())
    return Identity(uuid, key, certificate)


@functools.cache
def _join_identity(number: int, ca_name: str) -> Identity:
    uuid = node_uuid(number)
    ca = authority(ca_name)
    key, certificate = pki.make_join_certificate(ca, uuid, time.time(), 3600.0)
    return Identity(uuid, key, certificate)
