"""Finds OS definitions on this host and runs their scripts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ganetix.errors import BadParameter, CommandFailed
from ganetix.interfaces import IOsProvider, Offload, Say
from ganetix.node.os_definition import (
    all_definitions,
    check_parameters,
    find_definition,
)
from ganetix.node.os_environment import base_environment, guest_environment
from ganetix.process import USUAL_UMASK

if TYPE_CHECKING:
    from ganetix.objects import GuestSpec
    from ganetix.objects.node_calls import OsInfo
    from ganetix.process import Runner

SCRIPT_SECONDS = 3600.0
VERIFY_SECONDS = 30.0
QUOTED_LINES = 3
MOST_LINES = 10_000


@implementer(IOsProvider)
class OsProvider:
    """Runs scripts of definitions in ``search_path``, the first directory first.

    :param node_name: this node's name, which scripts are told
    :param script_seconds: how long a script may take before it is ended
    """

    def __init__(
        self,
        search_path: Sequence[Path],
        runner: Runner,
        offload: Offload,
        node_name: str,
        script_seconds: float = SCRIPT_SECONDS,
    ) -> None:
        self._search_path = tuple(search_path)
        self._runner = runner
        self._offload = offload
        self._node_name = node_name
        self._script_seconds = script_seconds

    def definitions(self) -> Deferred[Sequence[OsInfo]]:
        """All definitions in the search path; broken ones with their reason."""
        return self._offload(lambda: all_definitions(self._search_path))

    def create(
        self,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        reinstall: bool,
        say: Say,
    ) -> Deferred[None]:
        """Run ``create``; see ``IOsProvider``."""
        extra = {"INSTANCE_REINSTALL": "1"} if reinstall else {}
        return Deferred.fromCoroutine(
            self._run_for(guest, disk_paths, "create", extra, say)
        )

    def rename(
        self,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        old_name: str,
        say: Say,
    ) -> Deferred[None]:
        """Run ``rename``; see ``IOsProvider``."""
        extra = {"OLD_INSTANCE_NAME": old_name}
        return Deferred.fromCoroutine(
            self._run_for(guest, disk_paths, "rename", extra, say)
        )

    def verify(self, os_name: str, osparams: Mapping[str, str]) -> Deferred[None]:
        """Check the names of parameters, then have the definition check the values."""
        return Deferred.fromCoroutine(self._verify(os_name, osparams))

    async def _find(self, os_name: str) -> OsInfo:
        return await self._offload(lambda: find_definition(self._search_path, os_name))

    async def _verify(self, os_name: str, osparams: Mapping[str, str]) -> None:
        info = await self._find(os_name)
        check_parameters(info, osparams)
        said: deque[str] = deque(maxlen=QUOTED_LINES)
        result = await self._runner.run(
            (str(Path(info.path, "verify")), "parameters"),
            env=base_environment(os_name, osparams),
            cwd=info.path,
            timeout_seconds=VERIFY_SECONDS,
            on_line=said.append,
            check=False,
            umask=USUAL_UMASK,
        )
        if result.status:
            reason = _quoted(said) or f"status {result.status}"
            raise BadParameter(
                f"OS definition {info.name} refuses these parameters: {reason}"
            )

    async def _run_for(
        self,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        script: str,
        extra: Mapping[str, str],
        say: Say,
    ) -> None:
        info = await self._find(guest.os)
        check_parameters(info, guest.osparams)
        said: deque[str] = deque(maxlen=QUOTED_LINES)

        count = 0

        def tell(line: str) -> None:
            nonlocal count
            if line.strip():
                said.append(line)
            count += 1
            if count <= MOST_LINES:
                say(line)
            elif count == MOST_LINES + 1:
                say(f"({script} has written {MOST_LINES} lines; more is not shown)")

        try:
            result = await self._runner.run(
                (str(Path(info.path, script)),),
                env={**guest_environment(guest, disk_paths, self._node_name), **extra},
                cwd=info.path,
                timeout_seconds=self._script_seconds,
                on_line=tell,
                check=False,
                umask=USUAL_UMASK,
            )
        except CommandFailed as error:
            raise CommandFailed(
                f"OS definition {info.name}: {error.message}", instance=guest.name
            ) from error
        if result.status:
            how = (
                f"failed with status {result.status}"
                if result.status > 0
                else f"was ended by signal {-result.status}"
            )
            quoted = f": {_quoted(said)}" if said else ""
            raise CommandFailed(
                f"OS definition {info.name}: {script} {how}{quoted}",
                instance=guest.name,
            )


def _quoted(said: Sequence[str] | deque[str]) -> str:
    return "; ".join(line.strip()[:500] for line in said if line.strip())
