"""Who a certificate speaks for. Pure.

A certificate names a node, not an address: readdressing a node needs no new one. The
name says what the certificate is for, too: ``UUID.node.ganetix`` is a member's,
``UUID.join.ganetix`` lets one node enrol once.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256

from ganetix.objects import Value

Role = Literal["node", "join"]
_SUFFIXES: dict[str, Role] = {".node.ganetix": "node", ".join.ganetix": "join"}


class PeerIdentity(Value, frozen=True, kw_only=True):
    """The node a certificate speaks for; ``fingerprint`` as in ssconf."""

    uuid: str
    role: Role
    fingerprint: str


def node_dns_name(node_uuid: str) -> str:
    """The name in a member's certificate, which its peers check."""
    return f"{node_uuid}.node.ganetix"


def join_dns_name(node_uuid: str) -> str:
    """The name in a one-time join certificate."""
    return f"{node_uuid}.join.ganetix"


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER form, in lower-case hex."""
    return certificate.fingerprint(SHA256()).hex()


def issuer_of(
    certificate: x509.Certificate, authorities: Iterable[x509.Certificate]
) -> x509.Certificate | None:
    """The CA that issued a certificate; None if it is none of these."""
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return authority
    return None


# The same ones are shown again and again: a master to each node, each node to it.
@functools.lru_cache(maxsize=2048)
def peer_identity(certificate: x509.Certificate) -> PeerIdentity | None:
    """Whom the certificate speaks for; None unless it is one of a cluster's own."""
    try:
        extension = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (x509.ExtensionNotFound, ValueError):
        return None
    names = extension.value.get_values_for_type(x509.DNSName)
    if len(names) != 1:
        return None
    for suffix, role in _SUFFIXES.items():
        node_uuid = names[0].removesuffix(suffix)
        if node_uuid != names[0] and _is_uuid(node_uuid):
            return PeerIdentity(
                uuid=node_uuid, role=role, fingerprint=fingerprint(certificate)
            )
    return None


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
