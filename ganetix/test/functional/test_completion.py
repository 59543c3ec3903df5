"""Tab completion as people have it: a real shell at a terminal, a real cluster."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest

import ganetix
from ganetix.cli.main import PROGRAMS
from ganetix.test.functional.test_first_light import ClusterCase

CHECKOUT = Path(ganetix.__file__).parents[1]
PROMPT = b"READY>"
WAIT_SECONDS = 60.0
BASH = """
stty columns 500
bind 'set enable-bracketed-paste off'
PS1='READY>'
"""
# Both scripts let ^X insert all matches at once, so that one line shows them.
ZSH = """
stty columns 500
autoload -Uz compinit && compinit -D -u
zle -C all-matches complete-word _generic
bindkey '^X' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
unsetopt prompt_cr prompt_sp
unset zle_bracketed_paste
PS1='READY>'
"""


class Terminal(ProcessProtocol):
    """What a shell shows."""

    def __init__(self) -> None:
        self.shown = b""
        self.ended: Deferred[None] = Deferred()
        self._wanted = re.compile(b"")
        self._found: Deferred[bytes] | None = None

    def until(self, pattern: bytes) -> Deferred[bytes]:
        """The first group of a pattern, when it is shown; what was before is gone."""
        self._wanted = re.compile(pattern, re.MULTILINE)
        found = self._found = Deferred()
        self._look()
        return found.addTimeout(WAIT_SECONDS, IReactorTime(reactor))

    def outReceived(self, data: bytes) -> None:
        """Twisted: it wrote."""
        self.shown += data
        self._look()

    def _look(self) -> None:
        if self._found and (match := self._wanted.search(self.shown)):
            self.shown = self.shown[match.end() :]
            found, self._found = self._found, None
            found.callback(match[1])

    def processEnded(self, reason: Failure) -> None:
        """Twisted: it is gone."""
        self.ended.callback(None)


class ShellCase(ClusterCase):
    """A shell with our completion, on a cluster of one node and one instance."""

    network = 48
    shell = ""

    async def setUp(self) -> None:  # type: ignore[override]
        """Start all."""
        shell = shutil.which(self.shell)
        if shell is None:
            raise SkipTest(f"there is no {self.shell} on this machine")
        await super().setUp()
        programs = self.cluster.base / "bin"
        programs.mkdir()
        for name in PROGRAMS:
            main = name.replace("-", "_")
            code = (
                f"import sys; from ganetix.cli.main import {main}; sys.exit({main}())"
            )
            path = programs / name
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
            path.chmod(0o755)
        self.files = self.cluster.base / "files"
        self.files.mkdir()
        (self.files / "request.json").touch()
        (self.files / "roots").mkdir()
        await self.gnt("gnt-node", "add-tags", "node1", "env:prod", "env:test")
        await self.add_instance("web1.example", "--no-start")
        self.terminal = Terminal()
        self.running = IReactorProcess(reactor).spawnProcess(
            self.terminal,
            shell,
            self.argv(),
            {
                "PATH": f"{programs}:/usr/bin:/bin",
                "HOME": str(self.cluster.base),
                "ZDOTDIR": str(self.cluster.base),
                "TERM": "dumb",
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": str(CHECKOUT),
                "GANETIX_ROOT": str(self.cluster.base / "node1"),
            },
            path=str(self.files),
            usePTY=True,
        )
        self.addCleanup(self.leave)
        await self.terminal.until(b"(READY>)")

    def argv(self) -> list[str]:
        """The shell's command line."""
        return [self.shell, "-i"]

    def leave(self) -> Deferred[None]:
        """End the shell."""
        self.running.signalProcess("KILL")
        return self.terminal.ended

    async def completed(self, typed: str) -> str:
        """A command line once a key has inserted all that may stand at its end.

        It is not run but echoed between ``[`` and ``]``.
        """
        for part in (typed.encode(), self.insert_all, b"]'\x01echo '[\r"):
            self.running.write(part)
        shown = await self.terminal.until(rb"^\[(.*)\]\r*\n(?:.*\r*\n)*?READY>")
        return " ".join(shown.decode().split())

    insert_all = b""

    async def check_all(self) -> None:
        """Whatever there is to complete, one line each."""
        for typed, wanted in (
            ("gnt-group assi", "gnt-group assign-nodes"),
            ("gnt-job wa", "gnt-job wait watch"),
            ("gnt-instance add --no-", "--no-install --no-nics --no-start"),
            ("gnt-node info no", "gnt-node info node1"),
            ("gnt-node list -g ", "gnt-node list -g default"),
            ("gnt-instance info w", "gnt-instance info web1.example"),
            ("gnt-instance add -n node1 -o no", "-n node1 -o noop"),
            ("gnt-job info 1", "gnt-job info 1"),
            ("gnt-node modify --offline=y", "gnt-node modify --offline=yes"),
            ("gnt-node modify --offline ", "gnt-node modify --offline no yes"),
            ("gnt-node remove-tags node1 env:p", "node1 env:prod"),
            ("ganetix-allocator r", "ganetix-allocator request.json roots"),
            ("gnt-node --root r", "gnt-node --root roots"),
            ("gnt-node --root=r", "gnt-node --root=roots"),
            ("gnt-group add ", "gnt-group add"),
        ):
            found = await self.completed(typed)
            self.assertTrue(
                found.replace("/", "").endswith(wanted), (typed, found, wanted)
            )
        await self.cluster.end("master")
        self.assertEqual(await self.completed("gnt-node info n"), "gnt-node info n")
        self.assertEqual(
            await self.completed("gnt-job inf"),
            "gnt-job info",
            "commands need no master",
        )


class BashTests(ShellCase):
    """Bash."""

    shell = "bash"
    insert_all = b"\x1b*"

    def argv(self) -> list[str]:
        """Bash with our completion, and nobody's settings."""
        start = self.cluster.base / "bashrc"
        script = CHECKOUT / "etc/bash_completion.d/ganetix"
        start.write_text(f". {script}\n{BASH}")
        return ["bash", "--noprofile", "--rcfile", str(start), "-i"]

    async def test_completion(self) -> None:
        """Everything that may stand somewhere is found there, and nothing else."""
        await self.check_all()


class ZshTests(ShellCase):
    """Zsh."""

    shell = "zsh"
    insert_all = b"\x18"

    def argv(self) -> list[str]:
        """Zsh with our completion, and nobody's settings."""
        start = self.cluster.base / ".zshrc"
        start.write_text(f"fpath=({CHECKOUT / 'etc/zsh'} $fpath)\n{ZSH}")
        return ["zsh", "-d", "-i"]

    async def test_completion(self) -> None:
        """Everything that may stand somewhere is found there, and nothing else."""
        await self.check_all()


del ClusterCase, ShellCase
