"""The text of a join token: one word that an administrator carries to a new node. Pure.

``gnx1.`` and base64url of: four bytes of checksum, then compressed MessagePack. The
checksum tells a paste that lost characters from a token that is merely refused. The
token is a secret until it is used or expired: it holds the private key of the
certificate with which the node enrols.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Meta

from ganetix.errors import BadParameter
from ganetix.netutils.address import is_address

PREFIX = "gnx1."
_CHECKSUM_BYTES = 4
_MOST_BYTES = 4096

_LAST_SECOND = 1e11

Port = Annotated[int, Meta(ge=1, le=65535)]
Uuid = Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\Z")]


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What a new node must know to join. ``expires`` in seconds since the epoch.

    ``secret`` is the scalar of the P-256 key that ``certificate`` (DER) is for; it
    stays out of ``repr``.
    """

    master_ip: str
    master_port: Port
    master_uuid: Uuid
    ca_fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]
    node_uuid: Uuid
    node_name: str
    bind_ip: str
    bind_port: Port
    expires: float
    secret: Annotated[bytes, Meta(min_length=32, max_length=32)]
    certificate: bytes

    def __repr__(self) -> str:
        return f"<Token for {self.node_name} of {self.master_ip}:{self.master_port}>"

    @property
    def join_key(self) -> ec.EllipticCurvePrivateKey:
        """The private key of the join certificate."""
        return ec.derive_private_key(int.from_bytes(self.secret), ec.SECP256R1())

    @property
    def join_certificate(self) -> x509.Certificate:
        """The certificate that lets the node enrol."""
        return x509.load_der_x509_certificate(self.certificate)


def secret_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A P-256 private key as 32 bytes."""
    return key.private_numbers().private_value.to_bytes(32)


def der(certificate: x509.Certificate) -> bytes:
    """A certificate as a token carries it."""
    return certificate.public_bytes(Encoding.DER)


def encode(token: Token) -> str:
    """The token as one word."""
    payload = zlib.compress(msgspec.msgpack.encode(token), 9)
    return PREFIX + _to_text(_checksum(payload) + payload)


def decode(text: str) -> Token:
    """The token of a word; white space that a paste put into it does not matter."""
    word = "".join(text.split())
    if not word:
        raise BadParameter("no join token was given")
    if not word.startswith(PREFIX):
        raise BadParameter(
            f"this is not a join token: one begins with {PREFIX!r} and comes from"
            " 'gnt-node add'"
        )
    data = _from_text(word.removeprefix(PREFIX))
    if data is None or len(data) <= _CHECKSUM_BYTES:
        raise _damaged()
    checksum, payload = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if checksum != _checksum(payload):
        raise _damaged()
    try:
        opener = zlib.decompressobj()
        packed = opener.decompress(payload, _MOST_BYTES)
        token = msgspec.msgpack.decode(packed, type=Token)
        _check(token)
    except (zlib.error, msgspec.DecodeError, ValueError):
        raise BadParameter(
            "the join token is whole, but not one this version understands"
        ) from None
    return token


def _check(token: Token) -> None:
    """Fail with ``ValueError`` unless what the types do not say is so, too."""
    if (
        not is_address(token.master_ip)
        or not is_address(token.bind_ip)
        or not 0 <= token.expires <= _LAST_SECOND
        or token.join_certificate.public_key() != token.join_key.public_key()
    ):
        raise ValueError


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()[:_CHECKSUM_BYTES]


def _damaged() -> BadParameter:
    return BadParameter(
        "the join token is damaged or incomplete: copy all of it, from"
        f" {PREFIX!r} to its end"
    )


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _from_text(text: str) -> bytes | None:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
