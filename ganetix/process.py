"""External commands: each in a session of its own, with a deadline and bounded output.

A command that runs too long, or whose Deferred is cancelled, is ended together with
all its children: TERM to the process group, KILL ``KILL_AFTER`` seconds later.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import (
    IDelayedCall,
    IProcessProtocol,
    IProcessTransport,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.errors import CommandFailed
from ganetix.objects.base import Value

KILL_AFTER = 3.0
PIPE_GRACE = 2.0
MAX_LINE = 8192
SHOWN_LINES = 3
USUAL_UMASK = 0o022
"""For what users have run: daemons let nobody else read what they make."""


class ProcessResult(Value, frozen=True, kw_only=True):
    """How a command ended: exit status, or minus the signal that ended it.

    ``stdout`` is the first and ``stderr`` the last part of what was written, if that
    was more than allowed; ``truncated`` says so for ``stdout``.
    """

    status: int
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False


class Runner(Protocol):
    """Runs external commands; what those who need one depend on."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        on_data: Callable[[int, bytes], None] | None = None,
        cwd: str | None = None,
        check: bool = True,
        max_output: int = 1 << 20,
        umask: int | None = None,
    ) -> Deferred[ProcessResult]:
        """Run a command to its end.

        :param argv: the name, searched in ``PATH`` and the ``sbin`` directories, or the
            path of a program, and its arguments; never goes through a shell
        :param env: the whole environment; None is ``LC_ALL=C`` and a ``PATH``
        :param on_line: told each line of both outputs as it comes, without newline
        :param on_data: told all that is written as it comes: 1 for standard output or
            2 for standard error, and the bytes
        :param check: fail on a status other than 0
        :param max_output: how many bytes of each output are kept; the rest is dropped
        :param umask: which modes files that it makes do not get; None is our own. A
            shell sets it: that hands on all arguments, but of ``env`` only variables
            with names of letters, digits and ``_``, and adds ``PWD``

        Fails with ``CommandFailed`` if it cannot be started, runs too long or, with
        ``check``, fails. Cancelling ends the command, without waiting for that.
        """


class ProcessReactor(Protocol):
    """The part of the reactor that running a command takes."""

    def callLater(  # noqa: N802
        self, delay: float, call: Callable[..., object], /, *args: object
    ) -> IDelayedCall:
        """See ``IReactorTime``."""

    def spawnProcess(  # noqa: N802
        self,
        protocol: IProcessProtocol,
        executable: bytes | str,
        args: Sequence[bytes | str],
        /,
        env: Mapping[str, str] | None = None,
    ) -> IProcessTransport:
        """See ``IReactorProcess``."""


def search_path() -> str:
    """Where commands are looked for."""
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"


def find_program(name: str) -> str | None:
    """The absolute path of a command, None if it is not installed."""
    return shutil.which(name, path=search_path())


class ProcessRunner:
    """Runs commands on this host; a :class:`Runner`."""

    _log = Logger()

    def __init__(self, reactor: ProcessReactor) -> None:
        self._reactor = reactor
        self._running: set[_Run] = set()
        self._idle: list[Deferred[None]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        on_data: Callable[[int, bytes], None] | None = None,
        cwd: str | None = None,
        check: bool = True,
        max_output: int = 1 << 20,
        umask: int | None = None,
    ) -> Deferred[ProcessResult]:
        """Run a command to its end; see :class:`Runner`."""
        if env is None:
            env = {"LC_ALL": "C", "PATH": search_path()}
        run = _Run(
            self._reactor,
            os.path.basename(argv[0]),
            stdin,
            on_line,
            on_data,
            self._forget,
            check=check,
            max_output=max_output,
        )
        self._log.debug("runs {command}", command=list(argv))
        try:
            command = _in_own_session(argv, cwd, umask)
            self._reactor.spawnProcess(run, command[0], command, env=env)
        except CommandFailed:
            return fail()
        except (OSError, ValueError) as error:
            return fail(CommandFailed(f"{run.name} cannot be started: {error}"))
        run.set_deadline(timeout_seconds)
        self._running.add(run)
        return run.done

    def close(self) -> Deferred[None]:
        """End all commands that run; fires when they are gone."""
        for run in tuple(self._running):
            run.end("was ended because the daemon stops")
        if not self._running:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        return idle

    def _forget(self, run: _Run) -> None:
        self._running.discard(run)
        if not self._running:
            waiting, self._idle = self._idle, []
            for idle in waiting:
                idle.callback(None)


def _in_own_session(
    argv: Sequence[str], cwd: str | None, umask: int | None
) -> list[str]:
    """The command line by which a program runs in a new session, elsewhere perhaps.

    ``setsid``, ``env`` and ``sh`` replace themselves by the program, so the process id
    that we know is the program's and its group's. Twisted's ``path=`` would fork this
    whole process in place of ``posix_spawn``, and block for longer the larger it is;
    ``os.umask`` would change the modes of what our threads are writing.
    """
    wrappers = [["setsid"]]
    if cwd is not None:
        wrappers.append(["env", "-C", cwd])
    if umask is not None:
        wrappers.append(["sh", "-c", f'umask {umask:03o}; exec "$@"', "sh"])
    command = []
    for name, *arguments in (*wrappers, argv):
        program = find_program(name)
        if program is None:
            raise CommandFailed(f"{name}: command not found", command=name)
        command += [os.path.abspath(program), *arguments]
    return command


class _Run(ProcessProtocol):
    """One command under way."""

    _log = Logger()

    def __init__(
        self,
        reactor: ProcessReactor,
        name: str,
        stdin: bytes,
        on_line: Callable[[str], None] | None,
        on_data: Callable[[int, bytes], None] | None,
        on_end: Callable[[_Run], None],
        *,
        check: bool,
        max_output: int,
    ) -> None:
        self.name = name
        self.done: Deferred[ProcessResult] = Deferred(lambda _: self.end("cancelled"))
        self._on_end = on_end
        self._is_over = False
        self._reactor = reactor
        self._stdin = stdin
        self._on_line = on_line
        self._on_data = on_data
        self._check = check
        self._max_output = max_output
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._truncated = False
        self._partial = {1: b"", 2: b""}
        self._pid = 0
        self._end_reason = ""
        self._timers: list[IDelayedCall] = []

    def set_deadline(self, seconds: float) -> None:
        """End the command after so many seconds; infinity is never."""
        if not math.isinf(seconds):
            self._later(seconds, self.end, f"did not finish within {seconds:g} s")

    def end(self, reason: str) -> None:
        """Have the command and its children ended."""
        if self._end_reason or self._is_over:
            return
        self._end_reason = reason
        self._signal(signal.SIGTERM)
        self._later(KILL_AFTER, self._signal, signal.SIGKILL)

    def connectionMade(self) -> None:
        """Twisted: the process was started."""
        transport = self._process()
        self._pid = transport.pid or 0
        if self._stdin:
            transport.writeToChild(0, self._stdin)
        transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        """Twisted: standard output; its beginning is kept."""
        room = self._max_output - len(self._stdout)
        self._stdout += data[:room]
        self._truncated = self._truncated or len(data) > room
        self._tell(1, data)

    def errReceived(self, data: bytes) -> None:
        """Twisted: standard error; its end is kept."""
        self._stderr += data
        del self._stderr[: -self._max_output]
        self._tell(2, data)

    def processExited(self, reason: Failure) -> None:
        """Twisted: the process is gone, though a child may hold its pipes open."""
        self._cancel_timers()
        if self._end_reason:
            self._signal(signal.SIGKILL)
        self._later(PIPE_GRACE, self._finish, reason)

    def processEnded(self, reason: Failure) -> None:
        """Twisted: the process is gone and its pipes are closed."""
        self._finish(reason)

    def _process(self) -> IProcessTransport:
        transport = self.transport
        assert transport is not None  # noqa: S101
        return transport

    def _later(self, delay: float, call: Callable[..., object], *args: object) -> None:
        self._timers.append(self._reactor.callLater(delay, call, *args))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._timers.clear()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            # Not yet in its own session, or nobody left in it.
            if not self._is_over and number != signal.SIGKILL:
                os.kill(self._pid, number)

    def _tell(self, stream: int, data: bytes) -> None:
        if self._on_data is not None:
            self._call(self._on_data, stream, data)
        if self._on_line is None:
            return
        *lines, rest = (self._partial[stream] + data).split(b"\n")
        while len(rest) > MAX_LINE:
            lines.append(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._partial[stream] = rest
        for line in lines:
            self._tell_line(line)

    def _tell_line(self, line: bytes) -> None:
        if self._on_line is not None:
            self._call(self._on_line, line.decode(errors="replace").rstrip("\r"))

    def _call(self, listener: Callable[..., None], *args: object) -> None:
        try:
            listener(*args)
        except Exception:  # noqa: BLE001 - a listener's fault must not lose output
            self._log.failure("a listener for output of {command} failed")

    def _finish(self, reason: Failure) -> None:
        if self._is_over:
            return
        self._cancel_timers()
        self._process().loseConnection()
        for rest in self._partial.values():
            if rest:
                self._tell_line(rest)
        self._partial = {1: b"", 2: b""}
        self._is_over = True
        self._on_end(self)
        if self.done.called:
            return
        result = ProcessResult(
            status=_status(reason),
            stdout=bytes(self._stdout),
            stderr=bytes(self._stderr),
            truncated=self._truncated,
        )
        if self._end_reason:
            self.done.errback(self._failed(self._end_reason, result))
        elif self._check and result.status > 0:
            self.done.errback(
                self._failed(f"failed with exit status {result.status}", result)
            )
        elif self._check and result.status < 0:
            name = signal.Signals(-result.status).name
            self.done.errback(self._failed(f"was ended by {name}", result))
        else:
            self.done.callback(result)

    def _failed(self, what: str, result: ProcessResult) -> CommandFailed:
        text = (result.stderr.strip() or result.stdout.strip()).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = "; ".join(line[:500] for line in lines[-SHOWN_LINES:])
        return CommandFailed(
            f"{self.name} {what}" + (f": {said}" if said else ""), command=self.name
        )


def _status(reason: Failure) -> int:
    value = reason.value
    if not isinstance(value, ProcessTerminated):
        return 0
    if value.signal is not None:
        return -int(value.signal)
    return int(value.exitCode or 0)
