"""New certificates of this node, and the CAs that it trusts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ganetix.bootstrap import pki
from ganetix.bootstrap.dirs import write_file, write_secret
from ganetix.errors import BadParameter, StateFault, WrongState
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.node.turns import Turns
from ganetix.objects.crypto import (
    CertificateInstall,
    CryptoState,
    SigningRequest,
    TrustWrite,
)
from ganetix.paths import Paths
from ganetix.rpc.methods import (
    CERTIFICATE_INSTALL,
    CERTIFICATE_REQUEST,
    CRYPTO_STATE,
    TRUST_WRITE,
    Nothing,
)

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

T = TypeVar("T")

_TURN = "crypto"


class CryptoCalls:
    """Does ``crypto_state``, ``certificate_…`` and ``trust_write``.

    A new certificate is in use once its file is written: its key, which lies beside the
    old one until then, takes the old one's place next, or when the daemon starts again.
    Guests, and calls that are under way, notice nothing.

    :param reload_credentials: has the daemon use what the files hold now
    """

    _log = Logger()

    def __init__(
        self,
        paths: Paths,
        own: str,
        offload: Offload,
        reload_credentials: Callable[[], Deferred[None]],
    ) -> None:
        self._paths = paths
        self._own = own
        self._offload = offload
        self._reload = reload_credentials
        self._turns = Turns()

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(CRYPTO_STATE, self._state)
        yield handler(CERTIFICATE_REQUEST, self._request)
        yield handler(CERTIFICATE_INSTALL, self._install)
        yield handler(TRUST_WRITE, self._trust)

    async def _state(self, request: Nothing, call: Call) -> CryptoState:
        return await self._turns.run(_TURN, lambda: self._offload(self._look))

    async def _request(self, request: Nothing, call: Call) -> SigningRequest:
        def make() -> str:
            key = pki.make_key()
            _guarded(lambda: write_secret(self._paths.next_node_key, pki.key_pem(key)))
            return pki.signing_request(key, self._own).decode("ascii")

        text = await self._turns.run(_TURN, lambda: self._offload(make))
        return SigningRequest(text=text)

    async def _install(self, request: CertificateInstall, call: Call) -> CryptoState:
        state = await self._change(lambda: self._keep(request.certificate))
        self._log.info("this node has a new certificate")
        return state

    async def _trust(self, request: TrustWrite, call: Call) -> CryptoState:
        state = await self._change(lambda: self._believe(request.authorities))
        self._log.info("this node trusts {count} CAs now", count=len(state.authorities))
        return state

    async def _change(self, work: Callable[[], None]) -> CryptoState:
        async def change() -> CryptoState:
            await self._offload(work)
            await self._reload()
            return await self._offload(self._look)

        return await self._turns.run(_TURN, lambda: Deferred.fromCoroutine(change()))

    def _look(self) -> CryptoState:
        certificate = self._certificate()
        authorities = self._authorities()
        issuer = pki.issuer_of(certificate, authorities)
        return CryptoState(
            certificate=pki.fingerprint(certificate),
            issuer=pki.fingerprint(issuer) if issuer else "",
            expires=pki.expiry(certificate),
            authorities=tuple(map(pki.fingerprint, authorities)),
        )

    def _keep(self, text: str) -> None:
        try:
            certificate = x509.load_pem_x509_certificate(text.encode())
        except ValueError:
            raise BadParameter("the new certificate cannot be read") from None
        identity = pki.peer_identity(certificate)
        if identity is None or (identity.role, identity.uuid) != ("node", self._own):
            raise BadParameter("the new certificate is not this node's")
        if pki.issuer_of(certificate, self._authorities()) is None:
            raise BadParameter("the new certificate is of no CA that is trusted here")
        if certificate == self._certificate():
            return
        pending = self._paths.next_node_key
        if not pending.exists():
            raise WrongState("this node has asked for no certificate")
        key = pki.load_key(self._read(pending), str(pending))
        if key.public_key() != certificate.public_key():
            raise WrongState("the new certificate is not for the key it was asked for")
        _guarded(lambda: write_file(self._paths.node_certificate, pki.pem(certificate)))
        _guarded(lambda: pending.replace(self._paths.node_key))

    def _believe(self, text: str) -> None:
        authorities = pki.load_bundle(text.encode(), "what was sent")
        if pki.issuer_of(self._certificate(), authorities) is None:
            raise WrongState(
                "the certificate of this node is of none of the CAs that it is to trust"
            )
        data = pki.bundle_pem(authorities)
        _guarded(lambda: write_file(self._paths.ca_certificate, data))

    def _certificate(self) -> x509.Certificate:
        path = self._paths.node_certificate
        return pki.load_bundle(self._read(path), str(path))[0]

    def _authorities(self) -> tuple[x509.Certificate, ...]:
        path = self._paths.ca_certificate
        return pki.load_bundle(self._read(path), str(path))

    def _read(self, path: Path) -> bytes:
        return _guarded(path.read_bytes)


def _guarded(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        raise StateFault(f"{error.filename}: {error.strerror}") from error
