"""Join tokens as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap import token
from ganetix.errors import BadParameter
from ganetix.testing.pki import authority, join_identity, node_uuid

JOINER = join_identity(7)
TOKEN = token.Token(
    master_ip="192.0.2.11",
    master_port=1811,
    master_uuid=node_uuid(1),
    ca_fingerprint=authority().fingerprint,
    node_uuid=JOINER.uuid,
    node_name="a-node-with-a-rather-long-name.rack12.berlin.example.org",
    bind_ip="192.0.2.17",
    bind_port=1811,
    expires=1_800_000_000.0,
    secret=token.secret_of(JOINER.key),
    certificate=token.der(JOINER.certificate),
)
WORD = token.encode(TOKEN)
PORTS = st.integers(1, 65535)
IPS = st.ip_addresses().map(str)


class TokenTests(SynchronousTestCase):
    """A token survives being carried, or says what went wrong."""

    @given(IPS, PORTS, st.uuids().map(str), st.text(), st.floats(0, 1e11))
    def test_round_trip(
        self, ip: str, port: int, uuid: str, name: str, expires: float
    ) -> None:
        """What was put in comes out."""
        put_in = replace(
            TOKEN,
            master_ip=ip,
            bind_port=port,
            node_uuid=uuid,
            node_name=name,
            expires=expires,
        )
        self.assertEqual(token.decode(token.encode(put_in)), put_in)

    def test_made_up(self) -> None:
        """A token that somebody made up is refused before it is used."""
        for wrong in (
            replace(TOKEN, master_ip="master.example"),
            replace(TOKEN, bind_ip=""),
            replace(TOKEN, master_uuid="../x"),
            replace(TOKEN, node_uuid=JOINER.uuid + "\n"),
            replace(TOKEN, expires=float("nan")),
            replace(TOKEN, expires=-1e300),
            replace(TOKEN, secret=bytes(31) + b"\1"),
            replace(TOKEN, secret=bytes(32)),
        ):
            self.assertRaises(BadParameter, token.decode, token.encode(wrong))

    def test_key(self) -> None:
        """Key and certificate come out as they were made."""
        decoded = token.decode(WORD)
        self.assertEqual(decoded.join_certificate, JOINER.certificate)
        self.assertEqual(
            decoded.join_key.private_numbers(), JOINER.key.private_numbers()
        )

    def test_short(self) -> None:
        """A token is short enough to paste, and one word."""
        self.assertLess(len(WORD), 900)
        self.assertEqual(WORD.split(), [WORD])

    def test_secret_is_not_shown(self) -> None:
        """The secret stays out of what logs might show."""
        self.assertNotIn(TOKEN.secret.hex(), repr(TOKEN))
        self.assertNotIn(repr(TOKEN.secret)[2:-1], repr(TOKEN))

    def test_wrapped_paste(self) -> None:
        """Line breaks and blanks that a paste put into it do not matter."""
        lines = [WORD[start : start + 70] for start in range(0, len(WORD), 70)]
        self.assertEqual(token.decode("\r\n  ".join(lines) + "\n"), TOKEN)

    def test_truncated(self) -> None:
        """A paste that lost characters is told apart from a wrong token."""
        for cut in (WORD[:-1], WORD[:100], "gnx1.", WORD[:50] + WORD[51:]):
            error = self.assertRaises(BadParameter, token.decode, cut)
            self.assertIn("damaged or incomplete", str(error))

    def test_something_else(self) -> None:
        """What is no token at all is told so, without showing it."""
        for text in ("secret-password", WORD[5:], "gnx2." + WORD[5:]):
            error = self.assertRaises(BadParameter, token.decode, text)
            self.assertIn("not a join token", str(error))
            self.assertNotIn(text, str(error))

    def test_empty(self) -> None:
        """Nothing is told as nothing."""
        error = self.assertRaises(BadParameter, token.decode, " \n")
        self.assertIn("no join token", str(error))

    @given(st.integers(0, len(WORD) - 1), st.characters())
    def test_changed(self, at: int, character: str) -> None:
        """One character that differs is found out, wherever it is."""
        word = WORD[:at] + character + WORD[at + 1 :]
        try:
            decoded = token.decode(word)
        except BadParameter as error:
            self.assertNotIn("\n", str(error))
        else:
            self.assertEqual(decoded, TOKEN)

    @given(st.text(), st.sampled_from(["", "gnx1."]))
    def test_any_text(self, text: str, prefix: str) -> None:
        """Whatever is pasted is a token or refused, never worse."""
        try:
            token.decode(prefix + text)
        except BadParameter:
            return
        self.fail("nonsense is no token")

    @given(st.binary())
    def test_any_payload(self, payload: bytes) -> None:
        """A good checksum over nonsense is still no token."""
        word = token.PREFIX + token._to_text(token._checksum(payload) + payload)
        self.assertRaises(BadParameter, token.decode, word)
