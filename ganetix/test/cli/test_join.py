"""``ganetix-node join`` where the host itself can say no."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime

from ganetix.bootstrap import token
from ganetix.cli.joining import start_command
from ganetix.paths import Paths
from ganetix.test.bootstrap.test_token import TOKEN
from ganetix.test.cli.support import CommandTestCase


class JoinTests(CommandTestCase):
    """Tokens that this host cannot use: nobody is asked."""

    async def _refused(self, known: token.Token) -> str:
        status = await self.run_line(f"ganetix-node join {token.encode(known)}")
        self.assertEqual(status, 1)
        self.assertNotIn("asking", self.err)
        self.assertEqual(len(self.err.splitlines()), 1)
        return self.err

    async def test_expired(self) -> None:
        """An expired token."""
        self.assertIn("expired at", await self._refused(replace(TOKEN, expires=1.0)))

    async def test_another_host(self) -> None:
        """A token for another host's address."""
        later = IReactorTime(reactor).seconds() + 600
        for ip in ("198.51.100.7", "2001:db8:ffff::7"):
            refusal = await self._refused(replace(TOKEN, expires=later, bind_ip=ip))
            self.assertIn(f"{ip}, which is not an address of this host", refusal)

    async def test_no_token_file(self) -> None:
        """A file that cannot be read is named, without the number of the error."""
        line = "ganetix-node join --token-file /nowhere"
        self.assertEqual(await self.run_line(line), 2)
        self.assertIn("--token-file: /nowhere: No such file or directory\n", self.err)

    def test_start_command(self) -> None:
        """A daemon beside others is told the token's address, of either version."""
        six = replace(TOKEN, bind_ip="fd00::7", bind_port=1812)
        command = start_command(Paths(Path("/srv/node7")), six)
        self.assertIn("--bind=fd00::7", command)
        self.assertIn("--port=1812", command)
