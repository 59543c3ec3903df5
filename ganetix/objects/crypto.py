"""The renewal of certificates: what is recorded of it, and what nodes are told."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import Value

CaStep = Literal["trust", "certificates", "drop"]


class CaRenewal(Value, frozen=True, kw_only=True):
    """A new CA that comes into use step by step.

    First all nodes are to ``trust`` it beside the old one, then get ``certificates`` of
    it, then ``drop`` the old one. ``certificate`` is the new CA's (PEM), ``since`` in
    seconds since the epoch.
    """

    since: float
    certificate: str
    fingerprint: str
    old: str
    step: CaStep = "trust"


class CryptoState(Value, frozen=True, kw_only=True):
    """Fingerprints of a node's certificate, its issuer, and the CAs that it trusts.

    ``issuer`` is empty if it is none of these CAs. ``expires`` in seconds since the
    epoch.
    """

    certificate: str
    issuer: str
    expires: float
    authorities: tuple[str, ...]


class SigningRequest(Value, frozen=True, kw_only=True):
    """A request (PEM) for a certificate of a new key, which stays on the node."""

    text: str


class CertificateInstall(Value, frozen=True, kw_only=True):
    """A certificate (PEM) of the key that the last signing request was for."""

    certificate: str


class TrustWrite(Value, frozen=True, kw_only=True):
    """The CAs to trust from now on, these and no others: PEM texts in a row."""

    authorities: str


class Signed(Value, frozen=True, kw_only=True):
    """A node's new certificate (PEM), and its fingerprint."""

    text: str
    fingerprint: str
