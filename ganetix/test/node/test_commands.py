"""Tests of commands on a node."""

from __future__ import annotations

from ganetix.objects.remote import MOST_LINES, CommandEnded, CommandRun
from ganetix.rpc.methods import COMMAND_RUN
from ganetix.test.node.support import NodeCase


class CommandTests(NodeCase):
    """What a shell command comes to."""

    def test_output_and_status(self) -> None:
        """Lines are told as they come, and the status is the command's."""
        self.runner.on("sh", "-c", "ls /x", stdout=b"a\nb\0", stderr=b"c\n", status=2)
        request = CommandRun(command="ls /x", timeout_seconds=5)
        attempt = self.attempt(COMMAND_RUN, request)
        ended = CommandEnded(status=2, told_lines=3)
        self.assertEqual(self.successResultOf(attempt.result), ended)
        self.assertEqual(
            sorted(attempt.lines), ["stderr: c", "stdout: a", "stdout: b\\x00\\c"]
        )
        self.assertEqual(self.runner.calls[0].timeout_seconds, 5)

    def test_umask(self) -> None:
        """Others can read what a command makes, as from an administrator's shell."""
        self.runner.on("sh")
        self.ask(COMMAND_RUN, CommandRun(command="touch /x", timeout_seconds=5))
        self.assertEqual(self.runner.calls[0].umask, 0o022)

    def test_signal(self) -> None:
        """A command that a signal ended has the status that shells give it."""
        self.runner.on("sh", status=-9)
        request = CommandRun(command="kill -9 $$", timeout_seconds=5)
        self.assertEqual(self.ask(COMMAND_RUN, request).status, 137)

    def test_flood(self) -> None:
        """Output beyond the bound is counted, not told."""
        self.runner.on("sh", stdout=b"x\n" * (MOST_LINES + 3))
        attempt = self.attempt(
            COMMAND_RUN, CommandRun(command="yes", timeout_seconds=5)
        )
        ended = self.successResultOf(attempt.result)
        self.assertEqual((ended.told_lines, ended.hidden_lines), (MOST_LINES, 3))
        self.assertEqual(len(attempt.lines), MOST_LINES)

    def test_caller_goes_away(self) -> None:
        """A command whose caller hangs up is ended."""
        self.runner.on("sh", hangs=True)
        attempt = self.attempt(
            COMMAND_RUN, CommandRun(command="sleep 9", timeout_seconds=5)
        )
        attempt.hang_up()
        (running,) = self.runner.hanging
        self.assertTrue(running.called)
        self.failureResultOf(attempt.result)
