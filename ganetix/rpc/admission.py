"""Whom a node obeys: the certificates of the current master candidates, no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ganetix.errors import AuthenticationFailed
from ganetix.objects.replica import Claim, stale_epoch
from ganetix.rpc.identity import PeerIdentity
from ganetix.rpc.methods import ENROL

Candidates = Callable[[], Mapping[str, tuple[str, ...]]]
"""Fingerprints of the master candidates' certificates, by node UUID, as of now.

There are two while a certificate is being renewed.
"""


def admit(
    peer: PeerIdentity | None, method: str, candidates: Mapping[str, tuple[str, ...]]
) -> PeerIdentity:
    """The peer, if it may call the method; fails with ``AuthenticationFailed``.

    That its certificate is of the cluster's CA was checked before, by TLS.
    """
    if peer is None:
        raise AuthenticationFailed("the certificate is not one of a node")
    if peer.role == "join":
        if method != ENROL.name:
            raise AuthenticationFailed(
                f"a join certificate permits {ENROL.name} only", node=peer.uuid
            )
    elif method == ENROL.name:
        raise AuthenticationFailed(
            f"node {peer.uuid} is a member already", node=peer.uuid
        )
    elif peer.fingerprint not in candidates.get(peer.uuid, ()):
        raise AuthenticationFailed(
            f"the certificate of node {peer.uuid} is not that of a master candidate",
            node=peer.uuid,
        )
    return peer


def parse_candidates(text: str) -> dict[str, tuple[str, ...]]:
    """The contents of ``master_candidates_certs``; lines that are not so are left out.

    A file that is damaged must not open a door: what cannot be read admits nobody.
    """
    known: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        uuid, sign, digest = line.strip().partition("=")
        if uuid and sign and digest:
            known[uuid] = (*known.get(uuid, ()), digest)
    return known


class Allegiance:
    """Whom this node obeys: the master of the newest epoch that it has heard of.

    Who has heard of none obeys everybody. This is only memory; ssconf and promises, by
    which a daemon begins, are what lasts.
    """

    def __init__(self, obeyed: Claim = Claim()) -> None:  # noqa: B008 - a value
        self.obeyed = obeyed

    def hear(self, claim: Claim) -> None:
        """Somebody commands in an epoch, or is to."""
        if claim.is_obeyed_after(self.obeyed) and (
            claim.number > self.obeyed.number or claim.since
        ):
            self.obeyed = claim

    def check(self, claim: Claim) -> None:
        """Somebody would command; fails with ``StaleEpoch`` if that is over."""
        if not claim.is_obeyed_after(self.obeyed):
            raise stale_epoch(self.obeyed)

    def obey(self, claim: Claim) -> None:
        """Somebody who may commands; fails with ``StaleEpoch`` if that is over."""
        self.check(claim)
        self.hear(claim)


class CandidatesFile:
    """The candidates by an ssconf file, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._known: Mapping[str, tuple[str, ...]] = {}

    def __call__(self) -> Mapping[str, tuple[str, ...]]:
        """The fingerprints as of now; none if the file cannot be read."""
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if version != self._version:
                self._known = parse_candidates(self._path.read_text("ascii"))
                self._version = version
        except (OSError, UnicodeDecodeError):
            self._version, self._known = None, {}
        return self._known
