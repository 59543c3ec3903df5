"""A runner that runs nothing: answers are scripted by the beginning of a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred, fail, succeed

from ganetix.errors import CommandFailed
from ganetix.process import ProcessResult


@dataclass(frozen=True)
class FakeCall:
    """A command that was asked for."""

    argv: tuple[str, ...]
    env: Mapping[str, str] | None
    stdin: bytes
    cwd: str | None
    timeout_seconds: float
    umask: int | None = None


@dataclass(frozen=True)
class _Script:
    prefix: tuple[str, ...]
    result: ProcessResult
    error: Exception | None
    effect: Callable[[Sequence[str]], object] | None
    hangs: bool


class FakeRunner:
    """A :class:`~ganetix.process.Runner` for tests.

    ``calls`` records what was run. The longest matching prefix answers, the one
    scripted last among equals; a program may be given by its path or its name.
    """

    def __init__(self) -> None:
        self.calls: list[FakeCall] = []
        self.hanging: list[Deferred[ProcessResult]] = []
        self._scripts: list[_Script] = []

    def on(
        self,
        *prefix: str,
        status: int = 0,
        stdout: bytes = b"",
        stderr: bytes = b"",
        error: Exception | None = None,
        effect: Callable[[Sequence[str]], object] | None = None,
        hangs: bool = False,
    ) -> None:
        """Script the answer to commands that begin with ``prefix``.

        ``effect`` is called with the command line first. ``hangs`` leaves the answer
        open: its Deferred stands in ``hanging``.
        """
        result = ProcessResult(status=status, stdout=stdout, stderr=stderr)
        self._scripts.append(_Script(prefix, result, error, effect, hangs))

    @property
    def commands(self) -> list[tuple[str, ...]]:
        """The command lines that were run."""
        return [call.argv for call in self.calls]

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
        """Answer as scripted; fails with ``AssertionError`` if nothing was."""
        self.calls.append(
            FakeCall(tuple(argv), env, stdin, cwd, timeout_seconds, umask)
        )
        script = self._script_for(argv)
        if script is None:
            return fail(AssertionError(f"no answer scripted for {list(argv)}"))
        if script.effect is not None:
            script.effect(argv)
        if script.hangs:
            waiting: Deferred[ProcessResult] = Deferred()
            self.hanging.append(waiting)
            return waiting
        if script.error is not None:
            return fail(script.error)
        result = script.result
        if on_line is not None:
            for line in (result.stdout + result.stderr).decode().splitlines():
                on_line(line)
        if on_data is not None:
            on_data(1, result.stdout)
            on_data(2, result.stderr)
        if check and result.status:
            said = result.stderr.decode(errors="replace").strip()
            name = os.path.basename(argv[0])
            return fail(
                CommandFailed(f"{name} failed with exit status {result.status}: {said}")
            )
        return succeed(result)

    def _script_for(self, argv: Sequence[str]) -> _Script | None:
        by_name = (os.path.basename(argv[0]), *argv[1:])
        best: _Script | None = None
        for script in self._scripts:
            size = len(script.prefix)
            matches = script.prefix in (tuple(argv[:size]), by_name[:size])
            if matches and (best is None or size >= len(best.prefix)):
                best = script
        return best
