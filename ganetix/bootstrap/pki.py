"""The cluster CA, and the certificates of nodes. Pure, but for random keys.

ECDSA P-256 throughout. All certificates do for QEMU as well (GnuTLS): the CA has
``CA:TRUE`` and may sign, nodes are both servers and clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ganetix.errors import BadParameter, StateFault
from ganetix.rpc.identity import (
    PeerIdentity,
    fingerprint,
    issuer_of,
    join_dns_name,
    node_dns_name,
    peer_identity,
)

__all__ = [
    "Authority",
    "PeerIdentity",
    "bundle_pem",
    "expiry",
    "fingerprint",
    "issuer_of",
    "key_pem",
    "load_bundle",
    "load_key",
    "make_ca",
    "make_join_certificate",
    "make_key",
    "peer_identity",
    "pem",
    "sign_node",
    "signing_request",
]

ORGANISATION = "ganetix"
CA_YEARS = 20
NODE_YEARS = 5
YEAR_SECONDS = 365.25 * 86400
CLOCK_SKEW_SECONDS = 3600.0
MOST_NAME = 64


class Authority:
    """The cluster CA: its key and its self-signed certificate."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        self.key = key
        self.certificate = certificate

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as every node keeps it."""
        return pem(self.certificate)

    @property
    def fingerprint(self) -> str:
        """The certificate's fingerprint, which join tokens carry."""
        return fingerprint(self.certificate)


def make_key() -> ec.EllipticCurvePrivateKey:
    """A fresh private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private key, unencrypted: only for ``write_secret``."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as files hold it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def load_key(data: bytes, source: str) -> ec.EllipticCurvePrivateKey:
    """A private key; ``source`` names the file in the error."""
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError):
        raise StateFault(f"{source} does not hold a private key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StateFault(f"{source} does not hold an ECDSA key")
    return key


def load_bundle(data: bytes, source: str) -> tuple[x509.Certificate, ...]:
    """All certificates in a file; ``source`` names it in the error."""
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError:
        raise StateFault(f"{source} holds no certificate") from None


def bundle_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Certificates as one file holds them."""
    return b"".join(map(pem, certificates))


def make_ca(cluster_uuid: str, now: float) -> Authority:
    """A new CA for a cluster.

    Its name is like no other's, so that two that are trusted at once are told apart.
    """
    key = make_key()
    name = _name(f"{cluster_uuid} {x509.random_serial_number():x}"[:MOST_NAME])
    builder = (
        _builder(now, CA_YEARS * YEAR_SECONDS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
    )
    return Authority(key, builder.sign(key, SHA256()))


def signing_request(key: ec.EllipticCurvePrivateKey, node_uuid: str) -> bytes:
    """A request (PEM) for the node's certificate, proving that the key is its own."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(node_uuid))
    return builder.sign(key, SHA256()).public_bytes(serialization.Encoding.PEM)


def sign_node(
    ca: Authority, request_pem: bytes, node_uuid: str, now: float
) -> x509.Certificate:
    """A node's certificate; of the request only the public key is taken."""
    try:
        request = x509.load_pem_x509_csr(request_pem)
        public_key = request.public_key()
        genuine = request.is_signature_valid
    except (ValueError, InvalidSignature):
        raise BadParameter("the signing request cannot be read") from None
    if not genuine:
        raise BadParameter("the signing request is not signed by its own key")
    if request.subject != _name(node_uuid):
        raise BadParameter(f"the signing request is not one of node {node_uuid}")
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(
        public_key.curve, ec.SECP256R1
    ):
        raise BadParameter("the signing request's key is not an ECDSA key on P-256")
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    lifetime = NODE_YEARS * YEAR_SECONDS
    builder = _leaf(ca, node_uuid, node_dns_name(node_uuid), usages, now, lifetime)
    return builder.public_key(public_key).sign(ca.key, SHA256())


def make_join_certificate(
    ca: Authority, node_uuid: str, now: float, lifetime_seconds: float
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A key and the certificate that lets this node enrol, once."""
    key = make_key()
    name = join_dns_name(node_uuid)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _leaf(ca, node_uuid, name, usages, now, lifetime_seconds)
    return key, builder.public_key(key.public_key()).sign(ca.key, SHA256())


def expiry(certificate: x509.Certificate) -> float:
    """When the certificate ends, in seconds since the epoch."""
    return certificate.not_valid_after_utc.timestamp()


def _leaf(
    ca: Authority,
    node_uuid: str,
    dns_name: str,
    usages: list[x509.ObjectIdentifier],
    now: float,
    lifetime_seconds: float,
) -> x509.CertificateBuilder:
    return (
        _builder(now, lifetime_seconds)
        .subject_name(_name(node_uuid))
        .issuer_name(ca.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(dns_name)]), critical=False
        )
    )


def _builder(now: float, lifetime_seconds: float) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now - CLOCK_SKEW_SECONDS))
        .not_valid_after(_time(now + lifetime_seconds))
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=0)
