"""One guest under QEMU: what state it is in, and how it is started and stopped.

Callers see to it that only one of the methods, ``glance`` aside, runs at a time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ganetix.errors import HypervisorFault, NotFound, WrongState
from ganetix.hypervisor.kvm_argv import GuestFiles, QemuPlaces, qemu_argv
from ganetix.hypervisor.life import LifeSigns, has_lived
from ganetix.hypervisor.params import effective_hvparams
from ganetix.hypervisor.qemu_process import QemuProcess
from ganetix.hypervisor.qmp import QmpLost, RunState
from ganetix.hypervisor.records import Ending, GuestRecord, GuestRecords
from ganetix.hypervisor.sockets import SocketNames
from ganetix.hypervisor.taps import Taps
from ganetix.hypervisor.watch import GuestWatch
from ganetix.interfaces import Offload, Say
from ganetix.objects import GuestInfo, GuestSpec, GuestState, StopOutcome
from ganetix.objects.params import HvParams, HvValue
from ganetix.paths import Paths
from ganetix.process import Runner, find_program

LIFE_POLL_SECONDS = 0.25
POWERDOWN_EVERY = 5.0

CRASHES: Mapping[str, str] = {
    "guest-panicked": "the guest's kernel panicked",
    "internal-error": "QEMU met an internal error and stopped the guest",
}


@dataclass(frozen=True, kw_only=True)
class KvmHost:
    """What all guests of a host share; ``qemu`` is the name of the program."""

    reactor: IReactorTime
    runner: Runner
    paths: Paths
    offload: Offload
    records: GuestRecords
    taps: Taps
    sockets: SocketNames
    qemu: str
    boot_id: str


class KvmGuest:
    """A guest that this host knows of, or is about to."""

    def __init__(
        self, host: KvmHost, uuid: str, on_change: Callable[[str], None]
    ) -> None:
        self.uuid = uuid
        self._host = host
        self._on_change = on_change
        self._files = GuestFiles(host.paths.guest_run(uuid))
        self._process = QemuProcess(
            host.reactor, host.runner, host.sockets, self._files
        )
        self._watch = self._new_watch()

    @property
    def record(self) -> GuestRecord | None:
        """What was asked of the guest."""
        return self._host.records.get(self.uuid)

    async def glance(self) -> GuestInfo | None:
        """The guest's state while somebody else works on it; changes nothing."""
        record = self.record
        if record is None:
            return None
        if record.ended:
            return record.ended_info()
        pid = self._process.pid()
        if pid is None:
            return record.info("starting" if record.wanted == "run" else "admin-down")
        if not self._watch.is_attached:
            return record.info("unknown" if record.seen_alive else "starting", pid)
        status = await self._watch.status("")
        return _info(record, pid, status)

    async def look(self) -> GuestInfo | None:
        """The guest's state; an end that is found is recorded, its rest removed."""
        pid = self._process.pid()
        if pid is None:
            return await self._found_gone()
        status = await self._watch.status(self._events_socket())
        if status is None and self._process.pid() is None:
            return await self._found_gone()
        record = self.record
        if record is None:
            return _unrecorded(self.uuid, pid, status)
        if status is not None and status.status == "shutdown":
            ending: Ending = "admin" if record.wanted == "stop" else "user"
            return await self._settle(record, ending, "")
        if status is not None and status.status in CRASHES:
            return await self._settle(record, "crash", CRASHES[status.status])
        if status is not None and status.running and not record.seen_alive:
            client = await self._watch.attach(self._events_socket())
            if await has_lived(client, self._files.console_log, record.since):
                record = replace(record, seen_alive=True)
                await self._host.records.put(record)
        return _info(record, pid, status)

    async def resume(self) -> None:
        """Take the guest over from a daemon that is gone."""
        await self._host.offload(self._process.find)
        await self.look()

    def detach(self) -> None:
        """Leave the guest alone."""
        self._watch.detach()

    async def start(
        self, guest: GuestSpec, disk_paths: Sequence[Path], say: Say
    ) -> GuestInfo:
        """Start the guest, unless it runs; see ``IHypervisor``."""
        hvparams = effective_hvparams("kvm", guest.hvparams)
        await self._host.offload(self._process.find)
        info = await self.look()
        if info is not None and info.pid is not None:
            if info.state in ("running", "paused"):
                say(f"{guest.name} runs already")
                return info
            if info.state == "unknown":
                raise HypervisorFault(
                    f"QEMU of {guest.name} (process {info.pid}) runs but does not"
                    " answer; stop it first"
                )
            say(f"ends what is left of an unfinished start of {guest.name}")
            await self._end()
        places = await self._places(guest, hvparams, disk_paths)
        reasons: dict[str, str] = {}
        for accelerator in str(hvparams["accel"]).split(":"):
            try:
                return await self._start_under(
                    accelerator, guest, hvparams, places, say
                )
            except HypervisorFault as fault:
                reasons[accelerator] = str(fault)
                say(f"{guest.name} cannot run under {accelerator}: {fault}")
        raise HypervisorFault(
            f"{guest.name} cannot be started: {_joined(reasons)}", instance=guest.name
        )

    async def stop(self, timeout_seconds: float, say: Say) -> StopOutcome:
        """Stop the guest; see ``IHypervisor``."""
        info = await self.look()
        if info is None:
            return "was-down"
        record = self.record
        if record is not None:
            record = replace(record, wanted="stop")
            if info.pid is None:
                record = replace(record, ended="admin", detail="")
            await self._host.records.put(record)
        if info.pid is None:
            return "was-down"
        outcome: StopOutcome = "ended"
        if timeout_seconds > 0:
            say(f"asks {info.name} to power off")
            if await self._powers_off(timeout_seconds):
                outcome = "shutdown"
            else:
                say(f"{info.name} did not power off in {timeout_seconds:g} s; ends it")
        if record is None:
            await self._end()
        else:
            await self._settle(record, "admin", "")
        return outcome

    async def reset(self) -> None:
        """Reset the machine."""
        info = await self.look()
        if info is None:
            raise NotFound(f"guest {self.uuid} is not known on this node")
        if info.pid is None:
            raise WrongState(f"guest {info.name} is {info.state}: it cannot be reset")
        client = await self._watch.attach(self._events_socket())
        await client.execute("system_reset")

    async def forget(self) -> None:
        """End the guest at once, and remove every trace of it."""
        await self._end()
        await self._host.offload(self._process.remove)
        await self._host.records.remove(self.uuid)

    def _new_watch(self) -> GuestWatch:
        return GuestWatch(self._host.reactor, self.uuid, self._on_change)

    def _events_socket(self) -> str:
        return self._process.socket_name(self._files.events)

    async def _found_gone(self) -> GuestInfo | None:
        """No process is there: what that means for the guest."""
        record = self.record
        if record is None or record.ended:
            self._process.clean()
            return None if record is None else record.ended_info()
        if record.wanted == "stop":
            return await self._settle(record, "admin", "")
        if record.boot_id != self._host.boot_id:
            detail = "the host was rebooted"
        elif self._watch.end_reason == "host-signal":
            detail = "QEMU was ended by a signal"
        else:
            said = self._process.last_words()
            detail = "QEMU ended unexpectedly" + (f": {said}" if said else "")
        return await self._settle(record, "crash", detail)

    async def _settle(
        self, record: GuestRecord, ending: Ending, detail: str
    ) -> GuestInfo:
        """Remove what is left of a guest that ended, and record how it did."""
        await self._end()
        record = replace(
            record, ended=ending, since=self._host.reactor.seconds(), detail=detail
        )
        await self._host.records.put(record)
        return record.ended_info()

    async def _end(self) -> None:
        self._watch.detach()
        self._watch = self._new_watch()
        await self._process.end()
        if self.record is not None:
            await self._host.taps.remove(self.record.spec)

    async def _places(
        self, guest: GuestSpec, hvparams: HvParams, disk_paths: Sequence[Path]
    ) -> QemuPlaces:
        if len(disk_paths) != len(guest.disks):
            raise HypervisorFault(
                f"{guest.name} has {len(guest.disks)} disks,"
                f" but {len(disk_paths)} paths were given"
            )
        wanted = str(hvparams["qemu_path"] or self._host.qemu)
        program = find_program(wanted)
        if program is None:
            raise HypervisorFault(f"{wanted} is not installed on this node")
        paths = [path.absolute() for path in disk_paths]
        disks = await self._host.offload(
            lambda: [(path, _takes_direct_io(path)) for path in paths]
        )
        await self._host.offload(self._process.prepare)
        return QemuPlaces(
            program=program,
            files=self._files,
            control=self._process.socket_name(self._files.control),
            events=self._events_socket(),
            serial=self._process.socket_name(self._files.serial),
            disks=disks,
            taps=self._host.taps.names(guest),
        )

    async def _start_under(
        self,
        accelerator: str,
        guest: GuestSpec,
        hvparams: Mapping[str, HvValue],
        places: QemuPlaces,
        say: Say,
    ) -> GuestInfo:
        argv = qemu_argv(guest, hvparams, places, accelerator)
        before = self.record
        record = GuestRecord(
            spec=guest,
            disk_paths=tuple(str(path) for path, _ in places.disks),
            since=self._host.reactor.seconds(),
            accelerator=accelerator,
            boot_id=self._host.boot_id,
        )
        await self._host.records.put(record)
        try:
            await self._host.taps.make(guest)
            await self._process.spawn(argv)
            say(f"{guest.name} starts under {accelerator}")
            sign = await self._comes_alive(guest, hvparams)
            say(f"{guest.name} {sign}" if sign else f"{guest.name} was started")
            await self._host.records.put(replace(record, seen_alive=True))
            info = await self.look()
        except Exception:
            await self._end()
            if before is None:
                await self._host.records.remove(self.uuid)
            else:
                await self._host.records.put(before)
            raise
        return info or record.info("unknown")

    async def _comes_alive(
        self, guest: GuestSpec, hvparams: Mapping[str, HvValue]
    ) -> str:
        """Let the guest go; which sign of life it shows."""
        client = await self._watch.attach(self._events_socket())
        boots = bool(hvparams["kernel_path"] or guest.disks)
        signs = LifeSigns(client, self._files.console_log, boots=boots)
        timeout = int(hvparams["life_sign_timeout"])
        try:
            await signs.begin()
            await client.execute("cont")
            if timeout == 0:
                return ""
            deadline = self._host.reactor.seconds() + timeout
            while not (sign := await signs.seen()):
                if self._host.reactor.seconds() >= deadline:
                    raise HypervisorFault(f"shows no sign of life within {timeout} s")
                await deferLater(self._host.reactor, LIFE_POLL_SECONDS)
        except QmpLost as error:
            said = self._process.last_words() or str(error)
            raise HypervisorFault(f"QEMU ended: {said}") from error
        return sign

    async def _powers_off(self, timeout_seconds: float) -> bool:
        """Ask the guest to power off, again and again; whether it did in time.

        A guest that is not ready to hear the power button yet loses it.
        """
        clock = self._host.reactor
        deadline = clock.seconds() + timeout_seconds
        ask_at = 0.0
        while clock.seconds() < deadline and self._process.pid() is not None:
            try:
                client = await self._watch.attach(self._events_socket())
                status = (await client.status()).status
                if status == "shutdown":
                    return True
                if status in CRASHES:
                    return False
                if clock.seconds() >= ask_at:
                    await client.execute("system_powerdown")
                    ask_at = clock.seconds() + POWERDOWN_EVERY
            except HypervisorFault:
                # It ended, or is too busy to answer; both show in the next round.
                pass
            await deferLater(clock, LIFE_POLL_SECONDS)
        return False


def _info(record: GuestRecord, pid: int, status: RunState | None) -> GuestInfo:
    """A guest whose process is there, in the run state that QEMU answered."""
    if status is None:
        return record.info("unknown", pid, "QEMU does not answer")
    if not record.seen_alive:
        return record.info("starting", pid)
    if status.running:
        return record.info("running", pid)
    return record.info(
        "paused", pid, "" if status.status == "paused" else status.status
    )


def _unrecorded(uuid: str, pid: int, status: RunState | None) -> GuestInfo:
    state: GuestState = "unknown"
    if status is not None:
        state = "running" if status.running else "paused"
    return GuestInfo(
        uuid=uuid,
        name=uuid,
        hypervisor="kvm",
        state=state,
        pid=pid,
        detail="runs without a record on this node",
    )


def _takes_direct_io(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        return error.errno != errno.EINVAL
    return True


def _joined(reasons: Mapping[str, str]) -> str:
    if len(set(reasons.values())) == 1:
        names = " and ".join(reasons)
        return f"under {names} {next(iter(reasons.values()))}"
    return "; ".join(f"under {name} {reason}" for name, reason in reasons.items())
