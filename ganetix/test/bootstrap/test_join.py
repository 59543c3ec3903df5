"""What a host checks by itself before it asks a master for anything."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap import token
from ganetix.bootstrap.join import usable_token
from ganetix.errors import BadParameter, GanetixError, NotAllowed, WrongState
from ganetix.paths import Paths
from ganetix.test.bootstrap.test_token import TOKEN

NOW = TOKEN.expires - 60


class UsableTokenTests(SynchronousTestCase):
    """A token at the host that it was carried to."""

    def setUp(self) -> None:
        """A host that is no node, and has the token's address."""
        self.paths = Paths(Path(self.mktemp()).absolute())
        self.paths.lib.mkdir(parents=True)

    def _refused(
        self,
        kind: type[GanetixError],
        known: token.Token = TOKEN,
        now: float = NOW,
        own: str = TOKEN.bind_ip,
    ) -> str:
        error = self.assertRaises(
            kind,
            usable_token,
            self.paths,
            token.encode(known),
            now,
            is_own=own.__eq__,
        )
        return str(error)

    def test_usable(self) -> None:
        """A good token comes out decoded."""
        found = usable_token(
            self.paths, token.encode(TOKEN), NOW, is_own=TOKEN.bind_ip.__eq__
        )
        self.assertEqual(found, TOKEN)

    def test_ipv6(self) -> None:
        """So does one of an IPv6 cluster."""
        six = replace(TOKEN, master_ip="fd00::1", bind_ip="fd00::7")
        found = usable_token(
            self.paths, token.encode(six), NOW, is_own="fd00::7".__eq__
        )
        self.assertEqual(found, six)

    def test_nonsense(self) -> None:
        """What is no token is told so."""
        error = self.assertRaises(BadParameter, usable_token, self.paths, "secret", NOW)
        self.assertIn("not a join token", str(error))

    def test_member(self) -> None:
        """A host that is a node, or a master, names the file that says so."""
        for path in (
            self.paths.node_certificate,
            self.paths.ca_key,
            self.paths.state_db,
        ):
            path.touch()
            self.assertIn(str(path), self._refused(WrongState))
            self.assertIn(
                f"move {self.paths.lib} away first", self._refused(WrongState)
            )
            path.unlink()

    def test_expired(self) -> None:
        """An expired token says since when, and how to get another."""
        text = self._refused(NotAllowed, now=TOKEN.expires)
        self.assertIn("2027-01-15 08:00 UTC", text)
        self.assertIn("--replace", text)

    def test_another_host(self) -> None:
        """A token for another host's address names it, and those that this one has."""
        text = self._refused(WrongState, own="192.0.2.99")
        self.assertIn("for node a-node-with-a-rather-long-name", text)
        self.assertIn("192.0.2.17, which is not an address of this host", text)
        self.assertIn("127.0.0.1", text)
