"""Tests of new certificates and CAs on a node."""

from __future__ import annotations

from ganetix.bootstrap.dirs import write_file, write_secret
from ganetix.bootstrap.pki import (
    Authority,
    bundle_pem,
    fingerprint,
    key_pem,
    make_ca,
    make_key,
    pem,
    sign_node,
    signing_request,
)
from ganetix.errors import BadParameter, StateFault, WrongState
from ganetix.flow.offload import inline_offload
from ganetix.node.crypto import CryptoCalls
from ganetix.objects.crypto import CertificateInstall, CryptoState, TrustWrite
from ganetix.rpc.methods import (
    CERTIFICATE_INSTALL,
    CERTIFICATE_REQUEST,
    CRYPTO_STATE,
    TRUST_WRITE,
    Nothing,
)
from ganetix.rpc.tls import LiveCredentials, load_credentials
from ganetix.test.node.support import NODE_UUID, NodeCase

NOW = 1_800_000_000.0
OTHER_UUID = "00000000-0000-4000-8000-000000000077"


class CryptoTests(NodeCase):
    """The methods about certificates."""

    def setUp(self) -> None:
        """Make the node a member."""
        super().setUp()
        self.ca, self.new_ca = make_ca("c1", NOW), make_ca("c1", NOW)
        key = make_key()
        request = signing_request(key, NODE_UUID)
        self.certificate = sign_node(self.ca, request, NODE_UUID, NOW)
        write_secret(self.paths.node_key, key_pem(key))
        write_file(self.paths.node_certificate, pem(self.certificate))
        write_file(self.paths.ca_certificate, self.ca.certificate_pem)

    def signed(self, ca: Authority | None = None) -> str:
        """A certificate for what the node asks for."""
        request = self.ask(CERTIFICATE_REQUEST, Nothing())
        made = sign_node(ca or self.ca, request.text.encode(), NODE_UUID, NOW)
        return pem(made).decode()

    def install(self, text: str) -> CryptoState:
        """Have the node take a certificate."""
        return self.ask(CERTIFICATE_INSTALL, CertificateInstall(certificate=text))

    def trust(self, *authorities: Authority) -> CryptoState:
        """Have the node trust these CAs."""
        text = bundle_pem(ca.certificate for ca in authorities).decode()
        return self.ask(TRUST_WRITE, TrustWrite(authorities=text))

    def refused(self, text: str, kind: type[Exception] = BadParameter) -> str:
        """Why a certificate is not taken; the old one is in use then."""
        attempt = self.attempt(
            CERTIFICATE_INSTALL, CertificateInstall(certificate=text)
        )
        failure = self.failureResultOf(attempt.result, kind)
        used = load_credentials(self.paths).certificate
        self.assertEqual(fingerprint(used), fingerprint(self.certificate))
        return str(failure.value)

    def test_state(self) -> None:
        """A node tells its certificate, the issuer and whom it trusts."""
        state = self.ask(CRYPTO_STATE, Nothing())
        self.assertEqual(state.certificate, fingerprint(self.certificate))
        self.assertEqual(state.issuer, self.ca.fingerprint)
        self.assertEqual(state.authorities, (self.ca.fingerprint,))

    def test_new_certificate(self) -> None:
        """The new key is made here; it and the certificate are used together."""
        before = self.paths.node_key.read_bytes()
        text = self.signed()
        self.assertEqual(self.paths.node_key.read_bytes(), before)
        state = self.install(text)
        self.assertNotEqual(state.certificate, fingerprint(self.certificate))
        self.assertNotEqual(self.paths.node_key.read_bytes(), before)
        self.assertEqual(
            fingerprint(load_credentials(self.paths).certificate), state.certificate
        )
        self.assertEqual(self.paths.node_key.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.install(text), state)

    def test_cut_short(self) -> None:
        """Died between certificate and key, the daemon starts with both."""
        text = self.signed()
        write_file(self.paths.node_certificate, text.encode())
        used = load_credentials(self.paths).certificate
        self.assertEqual(pem(used).decode(), text)
        self.assertFalse(self.paths.next_node_key.exists())

    def test_died_before(self) -> None:
        """Died before that, it starts with the old ones."""
        self.signed()
        used = load_credentials(self.paths).certificate
        self.assertEqual(fingerprint(used), fingerprint(self.certificate))

    def test_refusals(self) -> None:
        """What is not this node's, or not for its key, is refused."""
        self.assertIn("cannot be read", self.refused("nonsense"))
        other = sign_node(
            self.ca, signing_request(make_key(), OTHER_UUID), OTHER_UUID, NOW
        )
        self.assertIn("not this node's", self.refused(pem(other).decode()))
        self.assertIn("no CA that is trusted", self.refused(self.signed(self.new_ca)))
        old = self.signed()
        self.signed()
        self.assertIn("not for the key", self.refused(old, WrongState))
        self.paths.next_node_key.unlink()
        self.assertIn("asked for no", self.refused(old, WrongState))

    def test_two_authorities(self) -> None:
        """During a renewal both CAs are trusted, then the new one alone."""
        both = self.trust(self.ca, self.new_ca)
        self.assertEqual(
            both.authorities, (self.ca.fingerprint, self.new_ca.fingerprint)
        )
        state = self.install(self.signed(self.new_ca))
        self.assertEqual(state.issuer, self.new_ca.fingerprint)
        self.assertEqual(
            self.trust(self.new_ca).authorities, (self.new_ca.fingerprint,)
        )

    def test_too_early(self) -> None:
        """A node does not forget the CA that its own certificate is of."""
        request = TrustWrite(authorities=self.new_ca.certificate_pem.decode())
        why = self.refusal(TRUST_WRITE, request, WrongState)
        self.assertIn("of none of the CAs", why)
        nothing = TrustWrite(authorities="nonsense")
        self.refusal(TRUST_WRITE, nothing, StateFault)
        self.assertEqual(
            self.ask(CRYPTO_STATE, Nothing()).authorities, (self.ca.fingerprint,)
        )

    def test_reload(self) -> None:
        """The daemon uses the new certificate for connections from then on."""
        live = LiveCredentials(self.paths)
        calls = CryptoCalls(
            self.paths, NODE_UUID, inline_offload, lambda: live.reload(inline_offload)
        )
        self.node.handlers = lambda: dict(calls.handlers())  # type: ignore[method-assign]
        state = self.install(self.signed())
        self.assertEqual(fingerprint(live.current.certificate), state.certificate)

    def test_reload_fails(self) -> None:
        """Files that cannot be used leave the daemon with what it had."""
        live = LiveCredentials(self.paths)
        self.paths.node_key.write_text("nonsense")
        done = live.reload(inline_offload)
        self.failureResultOf(done, StateFault)
        self.assertEqual(
            fingerprint(live.current.certificate), fingerprint(self.certificate)
        )
