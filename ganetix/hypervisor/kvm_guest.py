"""One guest under QEMU: what state it is in, and how it is stopped.

Callers see to it that only one of the methods, ``glance`` aside, runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ganetix.errors import HypervisorFault, NotFound, WrongState
from ganetix.hypervisor.kvm_argv import GuestFiles, boot_source
from ganetix.hypervisor.life import LifeSigns
from ganetix.hypervisor.qemu_process import QemuProcess
from ganetix.hypervisor.qmp import RunState
from ganetix.hypervisor.records import Ending, GuestRecord, GuestRecords
from ganetix.hypervisor.sockets import SocketNames
from ganetix.hypervisor.taps import Taps
from ganetix.hypervisor.watch import STATUS_SECONDS, GuestWatch
from ganetix.interfaces import Offload, Say
from ganetix.objects import GuestInfo, GuestState, StopOutcome
from ganetix.paths import Paths
from ganetix.process import Runner

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
        self.files = GuestFiles(host.paths.guest_run(uuid))
        self.process = QemuProcess(host.reactor, host.runner, host.sockets, self.files)
        self.watch = self._new_watch()

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
        pid = self.process.pid()
        if pid is None:
            idle: GuestState = "starting" if record.wanted == "run" else "admin-down"
            return record.info(record.moving or idle)
        if record.moving or not self.watch.is_attached:
            alive: GuestState = "running" if record.seen_alive else "starting"
            return record.info(record.moving or alive, pid)
        return _info(record, pid, await self.watch.status(self.events_socket()))

    async def look(self) -> GuestInfo | None:
        """The guest's state; an end that is found is recorded, its rest removed."""
        pid = self.process.pid()
        if pid is None:
            return await self._found_gone()
        status = await self.watch.status(self.events_socket())
        if status is None and self.process.pid() is None:
            return await self._found_gone()
        record = self.record
        if record is None:
            return _unrecorded(self.uuid, pid, status)
        record = await self._moved(record, status)
        if record.moving:
            return record.info(record.moving, pid)
        if status is not None and status.status == "shutdown":
            ending: Ending = "admin" if record.wanted == "stop" else "user"
            return await self._settle(record, ending, "")
        if status is not None and status.status in CRASHES:
            return await self._settle(record, "crash", CRASHES[status.status])
        if status is not None and status.running and not record.seen_alive:
            record = await self._look_for_life(record)
        return _info(record, pid, status)

    def events_socket(self) -> str:
        """The name of the socket that tells events."""
        return self.process.socket_name(self.files.events)

    def detach(self) -> None:
        """Leave the guest alone."""
        self.watch.detach()

    async def find(self) -> GuestInfo | None:
        """As ``look``, also if the pid file of a running guest is missing."""
        await self._host.offload(self.process.find)
        return await self.look()

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
        if record is not None and record.moving:
            await self._settle(record, "admin", "")
            return "was-down"
        outcome: StopOutcome = "ended"
        if timeout_seconds > 0:
            say(f"asks {info.name} to power off")
            if await self._powers_off(timeout_seconds):
                outcome = "shutdown"
            else:
                say(f"{info.name} did not power off in {timeout_seconds:g} s; ends it")
        if record is None:
            await self.end()
        else:
            await self._settle(record, "admin", "")
        return outcome

    async def reset(self) -> None:
        """Reset the machine."""
        info = await self.look()
        if info is None:
            raise NotFound(f"guest {self.uuid} is not known on this node")
        if info.pid is None or info.state in ("arriving", "left"):
            raise WrongState(f"guest {info.name} is {info.state}: it cannot be reset")
        client = await self.watch.attach(self.events_socket())
        await client.execute("system_reset")

    async def forget(self) -> None:
        """End the guest at once, and remove every trace of it."""
        await self.end()
        await self._host.offload(self.process.remove)
        await self._host.records.remove(self.uuid)

    async def end(self) -> None:
        """End QEMU, if it runs, and remove what it leaves; nothing is recorded."""
        self.watch.detach()
        self.watch = self._new_watch()
        await self.process.end()
        if self.record is not None:
            await self._host.taps.remove(self.record.spec)

    def _new_watch(self) -> GuestWatch:
        return GuestWatch(self._host.reactor, self.uuid, self._on_change)

    async def _look_for_life(self, record: GuestRecord) -> GuestRecord:
        """A guest whose start no daemon saw to its end: it may have come alive."""
        source = boot_source(record.spec, record.spec.hvparams)
        try:
            client = await self.watch.attach(self.events_socket())
            signs = LifeSigns(client, self.files, source)
            if await signs.seen_since(record.since):
                record = replace(record, seen_alive=True)
                await self._host.records.put(record)
        except HypervisorFault:
            # It stays "starting"; the next look may tell more.
            pass
        return record

    async def _moved(self, record: GuestRecord, status: RunState | None) -> GuestRecord:
        """What QEMU says of a move goes before what a daemon came to record of it."""
        moving = record.moving
        if status is not None and status.status == "postmigrate":
            moving = "left"
        elif status is not None and moving == "arriving" and status.running:
            moving = ""
        if moving == record.moving:
            return record
        after = replace(record, moving=moving, seen_alive=True)
        await self._host.records.put(after)
        return after

    async def _found_gone(self) -> GuestInfo | None:
        """No process is there: what that means for the guest."""
        record = self.record
        if record is None or record.ended:
            self.process.clean()
            return None if record is None else record.ended_info()
        if record.wanted == "stop" or record.moving == "left":
            return await self._settle(record, "admin", "")
        if record.boot_id != self._host.boot_id:
            detail = "the host was rebooted"
        elif self.watch.end_reason == "host-signal":
            detail = "QEMU was ended by a signal"
        else:
            said = self.process.last_words()
            detail = "QEMU ended unexpectedly" + (f": {said}" if said else "")
        return await self._settle(record, "crash", detail)

    async def _settle(
        self, record: GuestRecord, ending: Ending, detail: str
    ) -> GuestInfo:
        """Remove what is left of a guest that ended, and record how it did."""
        await self.end()
        record = replace(
            record, ended=ending, since=self._host.reactor.seconds(), detail=detail
        )
        await self._host.records.put(record)
        return record.ended_info()

    async def _powers_off(self, timeout_seconds: float) -> bool:
        """Ask the guest to power off, again and again; whether it did in time.

        A guest that is not ready to hear the power button yet loses it.
        """
        clock = self._host.reactor
        deadline = clock.seconds() + timeout_seconds
        ask_at = 0.0
        while clock.seconds() < deadline and self.process.pid() is not None:
            try:
                client = await self.watch.attach(self.events_socket())
                answer = await client.status(timeout_seconds=STATUS_SECONDS)
                status = answer.status
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
