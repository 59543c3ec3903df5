"""One guest's QEMU: its process, its files, its monitor."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ganetix.errors import CommandFailed, HypervisorFault
from ganetix.hypervisor import proc
from ganetix.hypervisor.kvm_argv import GuestFiles
from ganetix.hypervisor.qmp import QmpClient, QmpLost, connect_qmp
from ganetix.hypervisor.sockets import SocketNames
from ganetix.process import Runner

MAX_LOG = 8 << 20
KEPT_LOG = 1 << 20
READY_SECONDS = 30.0
QUIT_SECONDS = 5.0
POLL_SECONDS = 0.05

# The shell goes away at once and leaves QEMU to init, so no daemon is its parent.
# QEMU's own -daemonize would need leave to fork, which the sandbox denies.
_LAUNCH = """
umask 077
log=$1; shift
: >"$log"
"$@" </dev/null >>"$log" 2>&1 &
echo $!
"""

_LOG_PREFIX = re.compile(r"^(\S+T\S+Z )?(\S*qemu\S*: )?")


class QemuProcess:
    """The process of one guest, alive or not. Nothing is remembered here."""

    def __init__(
        self,
        reactor: IReactorTime,
        runner: Runner,
        sockets: SocketNames,
        files: GuestFiles,
    ) -> None:
        self.files = files
        self._reactor = reactor
        self._runner = runner
        self._sockets = sockets

    def pid(self) -> int | None:
        """The process id, None if the process is gone."""
        return proc.guest_pid(self.files.pid)

    def find(self) -> int | None:
        """As ``pid``, also if the pid file is missing: then it is made anew.

        Fails with ``HypervisorFault`` if that cannot be: the guest runs, after all.
        """
        pid = self.pid()
        if pid is None:
            pid = proc.find_guest(self.files.pid)
            if pid is not None and self.files.directory.is_dir():
                self._note(pid)
        return pid

    def _note(self, pid: int) -> None:
        draft = self.files.pid.with_name("pid.new")
        try:
            draft.write_text(f"{pid}\n")
            draft.rename(self.files.pid)
        except OSError as error:
            raise HypervisorFault(
                f"QEMU runs as process {pid}, but its pid file cannot be made: {error}"
            ) from error

    def socket_name(self, path: Path) -> str:
        """A name for one of the guest's sockets that fits into a UNIX address."""
        return self._sockets.name(path)

    def prepare(self) -> None:
        """Make the directory ready for a start; no process may be running."""
        try:
            self.files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.clean()
            self.files.firmware_log.unlink(missing_ok=True)
            trim(self.files.console_log)
            self.files.console_log.touch(mode=0o600)
        except OSError as error:
            raise HypervisorFault(
                f"the guest's files cannot be made: {error}"
            ) from error

    def clean(self) -> None:
        """Remove what a process that is gone has left: sockets and pid file."""
        files = self.files
        for path in (files.control, files.events, files.serial, files.pid):
            with suppress(OSError):
                path.unlink()

    def remove(self) -> None:
        """Remove the whole directory."""
        shutil.rmtree(self.files.directory, ignore_errors=True)

    async def spawn(self, argv: Sequence[str]) -> int:
        """Start QEMU and wait until its monitor can be reached; the process id.

        Fails with ``HypervisorFault`` and QEMU's own words if it does not start; the
        process may then still be there.
        """
        try:
            launched = await self._runner.run(
                ["sh", "-c", _LAUNCH, "sh", str(self.files.log), *argv],
                timeout_seconds=READY_SECONDS,
                cwd="/",
            )
            pid = int(launched.stdout)
        except (CommandFailed, ValueError) as error:
            raise HypervisorFault(f"QEMU cannot be started: {error}") from error
        waited = 0.0
        was_gone = False
        while not (self.files.pid.exists() and self.files.events.exists()):
            is_gone = not proc.runs_with(pid, self.files.pid)
            # For an instant, between shell and QEMU, the process has no command line.
            if is_gone and was_gone:
                raise HypervisorFault(self.last_words() or "QEMU ended at once")
            was_gone = is_gone
            if waited > READY_SECONDS:
                raise HypervisorFault(
                    f"QEMU was not ready within {READY_SECONDS:g} s of its start"
                )
            await self._pause()
            waited += POLL_SECONDS
        for path in (self.files.control, self.files.events, self.files.serial):
            with suppress(OSError):
                path.chmod(0o600)
        return pid

    def last_words(self) -> str:
        """The last lines that QEMU wrote to its log, as one line of text."""
        try:
            with self.files.log.open("rb") as log:
                log.seek(max(0, self.files.log.stat().st_size - 4096))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        said = [
            _LOG_PREFIX.sub("", line).strip()
            for line in lines
            if line.strip() and "warning: " not in line
        ]
        return "; ".join(said[-3:])

    @asynccontextmanager
    async def control(self) -> AsyncIterator[QmpClient]:
        """A connection to the monitor for the time of a block."""
        client = await connect_qmp(self._reactor, self.socket_name(self.files.control))
        try:
            yield client
        finally:
            client.disconnect()

    async def end(self) -> None:
        """End the process: by its monitor, and if that does not help, by force."""
        pid = self.find()
        if pid is not None:
            with suppress(HypervisorFault):
                async with self.control() as client:
                    with suppress(QmpLost):
                        await client.execute("quit", timeout_seconds=QUIT_SECONDS)
                    await self._gone(pid, QUIT_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """End the process by force, and wait until it is gone."""
        pid = self.find()
        if pid is not None:
            proc.kill(pid, self.files.pid)
            if not await self._gone(pid, READY_SECONDS):
                raise HypervisorFault(f"QEMU process {pid} cannot be ended")
        self.clean()

    def kill_now(self) -> None:
        """End the process by force, without waiting."""
        pid = self.find()
        if pid is not None:
            proc.kill(pid, self.files.pid)

    async def _gone(self, pid: int, seconds: float) -> bool:
        waited = 0.0
        while not proc.is_gone(pid, self.files.pid):
            if waited > seconds:
                return False
            await self._pause()
            waited += POLL_SECONDS
        return True

    async def _pause(self) -> None:
        await deferLater(self._reactor, POLL_SECONDS)


def trim(log: Path) -> bool:
    """Keep a log that QEMU appends to from growing; whether that was needed.

    Beyond ``MAX_LOG`` bytes the last ``KEPT_LOG`` go to a second file, ``NAME.1``, and
    the log begins anew. What is written just then may be lost.
    """
    try:
        size = log.stat().st_size
        if size <= MAX_LOG:
            return False
        with log.open("rb") as file:
            file.seek(size - KEPT_LOG)
            kept = file.read(KEPT_LOG)
        old = log.with_name(log.name + ".1")
        old.touch(mode=0o600)
        old.write_bytes(kept)
        os.truncate(log, 0)
    except OSError:
        return False
    return True
