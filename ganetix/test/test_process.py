"""External commands run, are bounded, and end with their children."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ganetix.errors import CommandFailed
from ganetix.process import ProcessRunner
from ganetix.testing.process import FakeRunner


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


class ProcessRunnerTests(TestCase):
    """The real runner, with real commands."""

    def setUp(self) -> None:
        self.runner = ProcessRunner(reactor)
        self.addCleanup(self.runner.close)

    async def until(self, condition: object) -> None:
        """Wait, up to 5 s, until a callable is true."""
        assert callable(condition)
        for _ in range(500):
            if condition():
                return
            await deferLater(reactor, 0.01)
        self.fail("it never came true")

    async def failure_of(self, *argv: str, **options: float) -> CommandFailed:
        """The error of a command that fails."""
        timeout = options.get("timeout_seconds", 10)
        try:
            await self.runner.run(argv, timeout_seconds=timeout)
        except CommandFailed as error:
            return error
        self.fail("it succeeded")

    async def test_output_and_input(self) -> None:
        """Standard input reaches the command; both outputs come back apart."""
        result = await self.runner.run(
            ["sh", "-c", "cat; echo bad >&2"], stdin=b"hello", timeout_seconds=10
        )
        self.assertEqual((result.status, result.stdout), (0, b"hello"))
        self.assertEqual(result.stderr, b"bad\n")

    async def test_large_input(self) -> None:
        """Input larger than a pipe holds arrives whole."""
        data = b"x" * 300_000
        result = await self.runner.run(["cat"], stdin=data, timeout_seconds=10)
        self.assertEqual(result.stdout, data)

    async def test_environment_is_small(self) -> None:
        """Without ``env`` a command sees LC_ALL=C and PATH, and nothing of ours."""
        result = await self.runner.run(["env"], timeout_seconds=10)
        names = {line.split(b"=")[0] for line in result.stdout.splitlines()}
        self.assertEqual(names, {b"LC_ALL", b"PATH"})

    async def test_working_directory(self) -> None:
        """The command runs where it is told to."""
        result = await self.runner.run(["pwd"], cwd="/usr/bin", timeout_seconds=10)
        self.assertEqual(result.stdout.strip(), b"/usr/bin")

    async def test_umask(self) -> None:
        """The command has the umask that it is told, or our own; arguments stay."""
        self.addCleanup(os.umask, os.umask(0o077))
        asked = ["sh", "-c", 'umask; echo "$@"', "sh", "a  b", "$c"]
        told = await self.runner.run(asked, umask=0o022, timeout_seconds=10)
        self.assertEqual(told.stdout, b"0022\na  b $c\n")
        own = await self.runner.run(["sh", "-c", "umask"], timeout_seconds=10)
        self.assertEqual(own.stdout, b"0077\n")

    async def test_arguments_with_umask(self) -> None:
        """What looks like an option, a pattern or nothing comes as it is."""
        words = ["", "-c", "--", "-", "*", "$0 'a'\n", "\udcff"]
        result = await self.runner.run(
            ["printf", "<%s>", *words], umask=0o022, cwd="/", timeout_seconds=10
        )
        told = "".join(f"<{word}>" for word in words)
        self.assertEqual(result.stdout, os.fsencode(told))

    async def test_environment_with_umask(self) -> None:
        """Variables come as they are, whatever is in them, if a shell can have them."""
        given = {"EMPTY": "", "LINES_": "a\n$b 'c'", "_1": "\udcff", "ENV": "/none"}
        result = await self.runner.run(
            ["env", "-0"],
            env={**given, "PATH": "/usr/bin:/bin", "no-name": "lost"},
            umask=0o022,
            timeout_seconds=10,
        )
        pairs = [each.partition(b"=") for each in result.stdout.split(b"\0")]
        found = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
        self.assertEqual({name: found.get(name) for name in given}, given)

    async def test_umask_in_own_session(self) -> None:
        """What sets the umask is replaced by the command, which leads its session."""
        result = await self.runner.run(
            ["sh", "-c", "echo $$; cut -d' ' -f6 /proc/$$/stat"],
            umask=0o022,
            timeout_seconds=10,
        )
        pid, session = result.stdout.split()
        self.assertEqual(pid, session)

    async def test_own_session(self) -> None:
        """The command leads a session of its own."""
        result = await self.runner.run(
            ["sh", "-c", "echo $$; cut -d' ' -f6 /proc/$$/stat"], timeout_seconds=10
        )
        pid, session = result.stdout.split()
        self.assertEqual(pid, session)

    async def test_lines_are_streamed(self) -> None:
        """Each line is told as text, undecodable bytes replaced, the last one too."""
        lines: list[str] = []
        await self.runner.run(
            ["printf", "one\\ntwo\\377\\r\\nend"],
            on_line=lines.append,
            timeout_seconds=10,
        )
        self.assertEqual(lines, ["one", "two\ufffd", "end"])

    async def test_output_is_bounded(self) -> None:
        """Output beyond the limit is read but dropped, and the result says so."""
        result = await self.runner.run(
            ["head", "-c", "500000", "/dev/zero"], max_output=1000, timeout_seconds=10
        )
        self.assertEqual((len(result.stdout), result.truncated), (1000, True))

    async def test_failing_command(self) -> None:
        """The error names command, status and the last lines of standard error."""
        error = await self.failure_of("sh", "-c", "echo why >&2; exit 3")
        self.assertEqual(str(error), "sh failed with exit status 3: why")

    async def test_signalled_command(self) -> None:
        """The error names the signal that ended the command."""
        error = await self.failure_of("sh", "-c", "kill -9 $$")
        self.assertEqual(str(error), "sh was ended by SIGKILL")

    async def test_status_unchecked(self) -> None:
        """With ``check=False`` the status is a result like any other."""
        result = await self.runner.run(
            ["sh", "-c", "exit 4"], check=False, timeout_seconds=10
        )
        self.assertEqual(result.status, 4)

    async def test_unknown_command(self) -> None:
        """A command that is not installed is named."""
        error = await self.failure_of("no-such-command")
        self.assertEqual(str(error), "no-such-command: command not found")

    async def test_bad_argument(self) -> None:
        """An argument no command can take is an error, not a traceback."""
        error = await self.failure_of("echo", "a\0b")
        self.assertIn("echo cannot be started", str(error))

    async def test_timeout_kills_the_group(self) -> None:
        """After the time-out the command and its children are gone."""
        pids: list[str] = []
        run = self.runner.run(
            ["sh", "-c", "sleep 600 & echo $!; echo $$; wait"],
            on_line=pids.append,
            timeout_seconds=0.3,
        )
        try:
            await run
        except CommandFailed as error:
            self.assertIn("sh did not finish within 0.3 s", str(error))
        self.assertEqual(len(pids), 2)
        self.assertFalse([pid for pid in pids if alive(int(pid))])

    async def test_cancel_kills(self) -> None:
        """Cancelling ends the command."""
        pids: list[str] = []
        run = self.runner.run(
            ["sh", "-c", "echo $$; exec sleep 600"],
            on_line=pids.append,
            timeout_seconds=60,
        )
        await self.until(lambda: pids)
        run.cancel()
        await self.assertFailure(run, CancelledError)
        await self.until(lambda: not alive(int(pids[0])))

    async def test_close_ends_what_runs(self) -> None:
        """Closing the runner ends its commands and fails their callers."""
        run = self.runner.run(["sleep", "600"], timeout_seconds=60)
        await self.runner.close()
        error = await self.assertFailure(run, CommandFailed)
        self.assertIn("because the daemon stops", str(error))

    async def test_background_child_holds_nobody_up(self) -> None:
        """A child that went on in the background does not delay the answer long."""
        result = await self.runner.run(
            ["sh", "-c", "sleep 30 & echo $!"], timeout_seconds=20
        )
        os.kill(int(result.stdout), 9)
        self.assertEqual(result.status, 0)

    async def test_bad_listener(self) -> None:
        """A listener that raises is logged and costs no output."""

        def listener(line: str) -> None:
            raise ValueError(line)

        result = await self.runner.run(
            ["echo", "hello"], on_line=listener, timeout_seconds=10
        )
        self.assertEqual(result.stdout, b"hello\n")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class FakeRunnerTests(SynchronousTestCase):
    """The scripted runner."""

    def test_longest_prefix_answers(self) -> None:
        """The most specific script wins, by path or by name."""
        runner = FakeRunner()
        runner.on("ip", stdout=b"any")
        runner.on("ip", "link", stdout=b"link")
        run = runner.run(["/sbin/ip", "link", "show"], timeout_seconds=1)
        self.assertEqual(self.successResultOf(run).stdout, b"link")

    def test_failure(self) -> None:
        """A scripted status fails as a real one does."""
        runner = FakeRunner()
        runner.on("false", status=1, stderr=b"no")
        run = runner.run(["false"], timeout_seconds=1)
        error = self.failureResultOf(run, CommandFailed).value
        self.assertEqual(str(error), "false failed with exit status 1: no")

    def test_hanging(self) -> None:
        """A hanging command is answered by the test."""
        runner = FakeRunner()
        runner.on("sleep", hangs=True)
        run = runner.run(["sleep", "1"], timeout_seconds=1)
        self.assertNoResult(run)
        self.assertIsInstance(runner.hanging[0], Deferred)
        run.cancel()
        self.failureResultOf(run, CancelledError)
