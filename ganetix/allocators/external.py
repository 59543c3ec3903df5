"""Allocators that are programs: found by name, run under limits, answers checked."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred

from ganetix.allocators.protocol import read_answer, request_document
from ganetix.errors import BadParameter, CommandFailed, NotFound
from ganetix.interfaces import Offload, Say
from ganetix.objects.base import Value
from ganetix.paths import Paths
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import Answer, AnyRequest
from ganetix.process import ProcessResult, Runner

MAX_ANSWER = 32 * 1024 * 1024
SHOWN = 2000
"""How many characters of what a failed allocator said are shown."""

_LIMITER = "prlimit"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


class AllocatorLimits(Value, frozen=True, kw_only=True):
    """What one run of an allocator may take; memory is address space, in MiB."""

    seconds: float = 120.0
    memory_mib: int = 4096


def search_path(paths: Paths) -> tuple[Path, ...]:
    """Directories of allocators, best first: the administrator's, ours, Ganeti's."""
    return (
        paths.etc / "iallocators",
        Path("/usr/local/lib/ganetix/iallocators"),
        Path("/usr/lib/ganetix/iallocators"),
        Path("/usr/share/ganetix/iallocators"),
        Path("/usr/local/lib/ganeti/iallocators"),
        Path("/usr/share/ganeti/iallocators"),
        Path("/usr/lib/ganeti/iallocators"),
    )


def find_allocator(name: str, directories: Sequence[Path]) -> Path:
    """The first executable of that name; ``NotFound`` says where was looked."""
    if not _NAME.fullmatch(name):
        raise BadParameter(
            f"{name!r} is not the name of an allocator: letters, digits and -_.+"
        )
    for directory in directories:
        program = directory / name
        if program.is_file() and os.access(program, os.X_OK):
            return program
    raise NotFound(
        f"there is no allocator {name} in {', '.join(map(str, directories))}",
        allocator=name,
    )


class ExternalAllocators:
    """Runs allocators on this host.

    :param directories: where they are; None is ``search_path(paths)``
    :param limits: what a run may take
    """

    def __init__(
        self,
        runner: Runner,
        offload: Offload,
        paths: Paths,
        directories: Sequence[Path] | None = None,
        limits: AllocatorLimits = AllocatorLimits(),  # noqa: B008 - frozen
    ) -> None:
        self._runner = runner
        self._offload = offload
        self._paths = paths
        self._limits = limits
        self._directories = search_path(paths) if directories is None else directories

    def find(self, name: str) -> Deferred[None]:
        """Fail with ``NotFound`` or ``BadParameter`` if there is no such allocator."""

        async def look() -> None:
            await self._offload(lambda: find_allocator(name, self._directories))

        return Deferred.fromCoroutine(look())

    def ask(
        self,
        name: str,
        cluster: CapCluster,
        request: AnyRequest,
        *,
        cluster_name: str = "",
        enabled_hypervisors: Sequence[str] = (),
        say: Say | None = None,
    ) -> Deferred[Answer]:
        """What an allocator answers, checked against the cluster that it was given.

        An allocator that runs too long or is cancelled is ended with all its children.
        Fails with ``NotFound`` or ``BadParameter`` (no such allocator),
        ``CommandFailed`` (it failed, ran too long or took too much memory; the text
        has all that it said) or ``RemoteFailure`` (its answer cannot be followed).

        :param enabled_hypervisors: see ``request_document``
        :param say: told what it wrote on standard error though it succeeded
        """
        return Deferred.fromCoroutine(
            self._ask(name, cluster, request, cluster_name, enabled_hypervisors, say)
        )

    async def _ask(
        self,
        name: str,
        cluster: CapCluster,
        request: AnyRequest,
        cluster_name: str,
        enabled_hypervisors: Sequence[str],
        say: Say | None,
    ) -> Answer:
        program = await self._offload(lambda: find_allocator(name, self._directories))
        path = self._empty_file()
        try:
            await self._offload(
                lambda: _fill(
                    path,
                    request_document(
                        cluster,
                        request,
                        cluster_name=cluster_name,
                        enabled_hypervisors=enabled_hypervisors,
                    ),
                )
            )
            result = await self._run(name, program, path)
        finally:
            path.unlink(missing_ok=True)
        if say is not None:
            for line in result.stderr.decode(errors="replace").splitlines():
                say(f"allocator {name}: {line}")
        return read_answer(name, result.stdout, cluster, request)

    def _empty_file(self) -> Path:
        """A file that only we can read. It is filled elsewhere, and gone if we are."""
        self._paths.run.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(
            prefix="allocator-", suffix=".json", dir=self._paths.run
        )
        os.close(descriptor)
        return Path(path)

    async def _run(self, name: str, program: Path, path: Path) -> ProcessResult:
        limits = self._limits
        limit = f"--as={limits.memory_mib * 1024 * 1024}"
        try:
            result = await self._runner.run(
                [_LIMITER, limit, "--core=0", "--", str(program), str(path)],
                timeout_seconds=limits.seconds,
                check=False,
                max_output=MAX_ANSWER,
            )
        except CommandFailed as error:
            what = str(error).removeprefix(f"{_LIMITER} ")
            raise CommandFailed(f"allocator {name} {what}", allocator=name) from error
        if result.truncated:
            raise CommandFailed(
                f"allocator {name} answered with more than {MAX_ANSWER} bytes",
                allocator=name,
            )
        if result.status:
            raise CommandFailed(
                f"allocator {name} {_failure(result, limits)}", allocator=name
            )
        return result


def _fill(path: Path, data: bytes) -> None:
    """Write into a file if it is still there."""
    with path.open("r+b") as file:
        file.write(data)


def _failure(result: ProcessResult, limits: AllocatorLimits) -> str:
    """How an allocator failed, and all that it said."""
    said = b"\n".join([result.stderr, result.stdout]).decode(errors="replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = "; ".join(lines)[:SHOWN] or "it said nothing"
    by_signal = result.status < 0
    how = (
        f"was ended by signal {-result.status}"
        if by_signal
        else f"failed with exit status {result.status}"
    )
    if by_signal or any(word in text.lower() for word in ("memory", "heap")):
        how += f" (its memory is limited to {limits.memory_mib} MiB)"
    return f"{how}: {text}"
