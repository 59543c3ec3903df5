"""The CA's keys and certificates on the master node, old and new ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.bootstrap import pki
from ganetix.bootstrap.dirs import write_secret
from ganetix.errors import StateFault
from ganetix.interfaces import Offload
from ganetix.objects.crypto import CaRenewal, Signed
from ganetix.paths import Paths
from ganetix.plan.crypto import Trust, trust_in


class CertificateAuthorities:
    """Signs with the CA of the day, and makes a new one.

    While a new CA comes into use its key lies beside the old one's. Reads files at
    once; fails with ``StateFault``.

    :param offload: writes files
    :param on_new_credentials: has this process show the certificate, and trust the CAs,
        that the node's files hold now
    :param share: brings the keys to all other candidates; names of those without them
    :param secrets: a digest of the keys, as candidates tell it of theirs
    """

    def __init__(
        self,
        clock: IReactorTime,
        paths: Paths,
        offload: Offload,
        *,
        on_new_credentials: Callable[[], Deferred[None]],
        share: Callable[[], Deferred[tuple[str, ...]]],
        secrets: Callable[[], str],
    ) -> None:
        self._clock = clock
        self._paths = paths
        self._offload = offload
        self._secrets = secrets
        self.reload = on_new_credentials
        self.share = share
        self._keys = _keys(paths)
        found = _read(paths.ca_certificate)
        self._certificates = pki.load_bundle(found, str(paths.ca_certificate))
        if not any(map(self._key_of, self._certificates)):
            raise StateFault(f"{paths.ca_key} is not the key of {paths.ca_certificate}")

    def trust(self, renewal: CaRenewal | None) -> Trust:
        """Whom nodes must, and may, trust at this step."""
        return trust_in(renewal, "" if renewal else self._only().fingerprint)

    def signing(self, renewal: CaRenewal | None) -> pki.Authority:
        """The CA that signs at this step; ``StateFault`` if its key is not here."""
        if renewal is None:
            return self._only()
        wanted = trust_in(renewal, "").signing
        for certificate in self._all(renewal):
            key = self._key_of(certificate)
            if pki.fingerprint(certificate) == wanted and key is not None:
                return pki.Authority(key, certificate)
        raise StateFault("the key of the CA that signs now is not on this node")

    def expires(self, renewal: CaRenewal | None) -> float:
        """When the CA ends that signs; in seconds since the epoch."""
        return pki.expiry(self.signing(renewal).certificate)

    def sign(self, renewal: CaRenewal | None, node_uuid: str, request: str) -> Signed:
        """A certificate as requested; ``BadParameter`` for a request that is bad."""
        certificate = pki.sign_node(
            self.signing(renewal), request.encode(), node_uuid, self._clock.seconds()
        )
        return Signed(
            text=pki.pem(certificate).decode("ascii"),
            fingerprint=pki.fingerprint(certificate),
        )

    def bundle(self, renewal: CaRenewal | None) -> str:
        """The CAs that nodes are to trust at the end of this step (PEM)."""
        if renewal is None:
            certificates = [self._only().certificate]
        elif renewal.step == "drop":
            certificates = [_certificate(renewal)]
        else:
            certificates = self._all(renewal)
        return pki.bundle_pem(certificates).decode("ascii")

    def has_key(self, renewal: CaRenewal) -> bool:
        """Whether the new CA's key is here."""
        return self._key_of(_certificate(renewal)) is not None

    def secrets(self) -> Deferred[str]:
        """A digest of the keys, as candidates tell it."""
        return self._offload(self._secrets)

    def prepare(self, cluster_uuid: str) -> Deferred[CaRenewal]:
        """Make a new CA; its key is on this node then."""

        def keep() -> CaRenewal:
            now = self._clock.seconds()
            ca = pki.make_ca(cluster_uuid, now)
            _write(self._paths.next_ca_key, pki.key_pem(ca.key))
            self._keys = _keys(self._paths)
            return CaRenewal(
                since=now,
                certificate=ca.certificate_pem.decode("ascii"),
                fingerprint=ca.fingerprint,
                old=self._only().fingerprint,
            )

        return self._offload(keep)

    def finish(self, renewal: CaRenewal) -> Deferred[None]:
        """Forget the old CA's key; the new one takes its place."""

        def replace() -> None:
            new = _certificate(renewal)
            key = self._key_of(new)
            if key is None:
                raise StateFault("the key of the new CA is not on this node")
            _write(self._paths.ca_key, pki.key_pem(key))
            self._paths.next_ca_key.unlink(missing_ok=True)
            self._keys, self._certificates = _keys(self._paths), (new,)

        return self._offload(replace)

    def _only(self) -> pki.Authority:
        """The CA of ``ca.key``."""
        for certificate in self._certificates:
            if self._keys[0].public_key() == certificate.public_key():
                return pki.Authority(self._keys[0], certificate)
        where = self._paths.ca_certificate
        raise StateFault(f"{self._paths.ca_key} is not the key of {where}")

    def _all(self, renewal: CaRenewal) -> list[x509.Certificate]:
        """The old CA and the new one."""
        known = {pki.fingerprint(each): each for each in self._certificates}
        known[renewal.fingerprint] = _certificate(renewal)
        wanted = (renewal.old, renewal.fingerprint)
        return [known[each] for each in wanted if each in known]

    def _key_of(
        self, certificate: x509.Certificate
    ) -> ec.EllipticCurvePrivateKey | None:
        public = certificate.public_key()
        return next((k for k in self._keys if k.public_key() == public), None)


def _certificate(renewal: CaRenewal) -> x509.Certificate:
    return x509.load_pem_x509_certificate(renewal.certificate.encode("ascii"))


def _keys(paths: Paths) -> list[ec.EllipticCurvePrivateKey]:
    found = [pki.load_key(_read(paths.ca_key), str(paths.ca_key))]
    if paths.next_ca_key.exists():
        found.append(pki.load_key(_read(paths.next_ca_key), str(paths.next_ca_key)))
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StateFault(f"cannot read {path}: {error.strerror}") from None


def _write(path: Path, data: bytes) -> None:
    try:
        write_secret(path, data)
    except OSError as error:
        raise StateFault(f"cannot write {path}: {error.strerror}") from None
