"""The hypervisor ``kvm``: each guest is a QEMU process of its own.

Guests outlive the daemon: QEMU is nobody's child, and all that must be known of a
guest stands in its record, its process and its monitor. While a daemon runs it holds
a monitor connection to each guest to hear at once when one ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from zope.interface import implementer

from ganetix.errors import GanetixError, HypervisorFault
from ganetix.hypervisor.base import (
    Followers,
    KeyedLocks,
    Listener,
    checked_uuid,
    host_boot_id,
    is_uuid,
)
from ganetix.hypervisor.kvm_argv import GuestFiles
from ganetix.hypervisor.kvm_guest import KvmGuest, KvmHost
from ganetix.hypervisor.kvm_move import (
    GuestArrival,
    GuestDeparture,
    accept_arrival,
    cancel_departure,
)
from ganetix.hypervisor.kvm_start import GuestStart
from ganetix.hypervisor.qemu_process import trim
from ganetix.hypervisor.records import GuestRecords
from ganetix.hypervisor.sockets import SocketNames
from ganetix.hypervisor.taps import Taps
from ganetix.interfaces import IHypervisor, Offload, Say
from ganetix.objects import GuestInfo, GuestSpec, GuestState, StopOutcome
from ganetix.paths import Paths
from ganetix.process import Runner, find_program

QEMU = "qemu-system-x86_64"
TRIM_SECONDS = 60.0
FOLLOW_SECONDS = 0.5
FOLLOW_LOOKS = 10

T = TypeVar("T")


@implementer(IHypervisor)
class KvmHypervisor:
    """Runs guests by QEMU, under KVM or by translation (TCG).

    :param reactor: one that also does UNIX sockets
    :param qemu: the QEMU program for guests that do not name one
    :param boot_id: names this boot of the host; None asks the kernel
    """

    name = "kvm"
    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        runner: Runner,
        paths: Paths,
        offload: Offload,
        *,
        qemu: str = QEMU,
        boot_id: str | None = None,
    ) -> None:
        self._run_directory = paths.guest_run("x").parent
        self._host = KvmHost(
            reactor=reactor,
            runner=runner,
            paths=paths,
            offload=offload,
            records=GuestRecords(paths.guest_record("x").parent, self.name, offload),
            taps=Taps(runner, paths.root),
            sockets=SocketNames(self._run_directory),
            qemu=qemu,
            boot_id=host_boot_id() if boot_id is None else boot_id,
        )
        self._locks = KeyedLocks()
        self._followers = Followers()
        self._guests: dict[str, KvmGuest] = {}
        self._following: set[str] = set()
        self._listeners: list[Listener] = []
        self._last_told: dict[str, GuestState] = {}
        self._trimming = LoopingCall(self._trim_logs)
        self._trimming.clock = reactor

    def check(self) -> Deferred[Sequence[str]]:
        """What keeps QEMU from running here; see ``IHypervisor``."""
        problems = []
        if find_program(self._host.qemu) is None:
            problems.append(
                f"{self._host.qemu} is not installed"
                " (Debian: apt-get install qemu-system-x86)"
            )
        return succeed(problems)

    def start(
        self, guest: GuestSpec, disk_paths: Sequence[Path], say: Say
    ) -> Deferred[GuestInfo]:
        """Start a guest; see ``IHypervisor``."""

        async def start() -> GuestInfo:
            uuid = checked_uuid(guest.uuid)
            async with self._locks.hold(uuid):
                target = self._guest(uuid)
                info = await GuestStart(
                    self._host, target, guest, disk_paths, say
                ).run()
            self._tell(info)
            return info

        return Deferred.fromCoroutine(start())

    def stop(
        self, uuid: str, timeout_seconds: float, say: Say
    ) -> Deferred[StopOutcome]:
        """Stop a guest; see ``IHypervisor``."""

        async def stop() -> StopOutcome:
            async with self._locks.hold(checked_uuid(uuid)):
                outcome = await self._guest(uuid).stop(timeout_seconds, say)
                self._tell(await self._guest(uuid).look())
            return outcome

        return Deferred.fromCoroutine(stop())

    def reset(self, uuid: str) -> Deferred[None]:
        """Reset a machine; see ``IHypervisor``."""

        async def reset() -> None:
            async with self._locks.hold(checked_uuid(uuid)):
                await self._guest(uuid).reset()

        return Deferred.fromCoroutine(reset())

    def info(self, uuid: str) -> Deferred[GuestInfo | None]:
        """A guest's state, at once even while it is being started or stopped."""
        return Deferred.fromCoroutine(self._info(uuid))

    def guests(self) -> Deferred[Sequence[GuestInfo]]:
        """All guests; see ``IHypervisor``."""

        async def info(uuid: str) -> GuestInfo | None:
            try:
                return await self._info(uuid)
            except HypervisorFault as fault:
                record = self._host.records.get(uuid)
                if record is None:
                    raise
                return record.info("unknown", detail=str(fault))

        async def guests() -> Sequence[GuestInfo]:
            looks = [Deferred.fromCoroutine(info(uuid)) for uuid in self._known()]
            found = await gatherResults(looks, consumeErrors=True)
            return [info for info in found if info is not None]

        return Deferred.fromCoroutine(guests())

    def forget(self, uuid: str) -> Deferred[None]:
        """Remove every trace of a guest; see ``IHypervisor``."""

        async def forget() -> None:
            async with self._locks.hold(checked_uuid(uuid)):
                await self._guest(uuid).forget()
                self._guests.pop(uuid, None)
                self._last_told.pop(uuid, None)

        return Deferred.fromCoroutine(forget())

    def running_spec(self, uuid: str) -> Deferred[GuestSpec | None]:
        """A running guest as it was started; see ``IHypervisor``."""

        async def spec() -> GuestSpec | None:
            info = await self._info(uuid)
            record = self._host.records.get(uuid)
            if info is None or info.state != "running" or record is None:
                return None
            accelerator = {"accel": record.accelerator}
            return replace(
                record.spec, hvparams={**record.spec.hvparams, **accelerator}
            )

        return Deferred.fromCoroutine(spec())

    def receive(
        self,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        address: str,
        sender_uuid: str,
        say: Say,
    ) -> Deferred[int]:
        """Make ready for a guest that runs elsewhere; see ``IHypervisor``."""

        async def receive() -> int:
            uuid = checked_uuid(guest.uuid)
            async with self._locks.hold(uuid):
                target = self._guest(uuid)
                arrival = GuestArrival(self._host, target, guest, disk_paths, say)
                return await arrival.expect(address, sender_uuid)

        return Deferred.fromCoroutine(receive())

    def send(
        self, uuid: str, address: str, port: int, receiver_uuid: str, say: Say
    ) -> Deferred[None]:
        """Send a running guest to another node; see ``IHypervisor``."""

        async def send() -> None:
            async with self._locks.hold(checked_uuid(uuid)):
                departure = GuestDeparture(self._host, self._guest(uuid), say)
                await departure.run(address, port, receiver_uuid)

        return Deferred.fromCoroutine(send())

    def cancel_send(self, uuid: str) -> Deferred[bool]:
        """Call a guest back, at once: it is being worked on; see ``IHypervisor``."""
        guest = self._guest(checked_uuid(uuid))
        return Deferred.fromCoroutine(cancel_departure(self._host.reactor, guest))

    def accept(self, uuid: str) -> Deferred[GuestInfo]:
        """Let a guest go on that has come here; see ``IHypervisor``."""

        async def accept() -> GuestInfo:
            async with self._locks.hold(checked_uuid(uuid)):
                info = await accept_arrival(self._host, self._guest(uuid))
            self._tell(info)
            return info

        return Deferred.fromCoroutine(accept())

    def console_socket(self, uuid: str) -> Path:
        """The socket of the serial console, by a name short enough to connect to."""
        serial = self._files(uuid).serial
        return Path(self._host.sockets.name(serial))

    def console_log(self, uuid: str) -> Path:
        """The file with all that the guest wrote to its serial console."""
        return self._files(uuid).console_log

    def on_event(self, listener: Listener) -> None:
        """Have a listener told of each guest whose state has changed."""
        self._listeners.append(listener)

    def resume(self) -> Deferred[None]:
        """Take over the guests that run, at the start of a daemon."""

        async def resume(uuid: str) -> None:
            try:
                async with self._locks.hold(uuid):
                    await self._guest(uuid).find()
            except CancelledError:
                raise
            except GanetixError as error:
                self._log.error(
                    "guest {instance} cannot be taken over: {reason}",
                    instance=uuid,
                    reason=error,
                )

        async def resume_all() -> None:
            if not self._trimming.running:
                _ = self._trimming.start(TRIM_SECONDS, now=False)
            await gatherResults(
                [Deferred.fromCoroutine(resume(uuid)) for uuid in self._known()],
                consumeErrors=True,
            )

        return Deferred.fromCoroutine(resume_all())

    def close(self) -> Deferred[None]:
        """Leave all guests alone, running as they are, at the end of a daemon."""
        if self._trimming.running:
            self._trimming.stop()
        self._followers.stop()
        for guest in self._guests.values():
            guest.detach()
        self._host.sockets.close()
        return succeed(None)

    def _guest(self, uuid: str) -> KvmGuest:
        if uuid not in self._guests:
            self._guests[uuid] = KvmGuest(self._host, uuid, self._changed)
        return self._guests[uuid]

    def _files(self, uuid: str) -> GuestFiles:
        return GuestFiles(self._host.paths.guest_run(checked_uuid(uuid)))

    def _known(self) -> Sequence[str]:
        """UUIDs of guests with a record, or with a process whose record is gone."""
        known = {record.spec.uuid for record in self._host.records.all()}
        for pid_file in self._run_directory.glob("*/pid"):
            uuid = pid_file.parent.name
            if is_uuid(uuid):
                known.add(uuid)
        return sorted(known)

    async def _info(self, uuid: str) -> GuestInfo | None:
        guest = self._guest(checked_uuid(uuid))
        if self._locks.is_held(uuid):
            return await guest.glance()
        async with self._locks.hold(uuid):
            info = await guest.look()
        if info is None:
            self._guests.pop(uuid, None)
        return info

    def _changed(self, uuid: str) -> None:
        if uuid not in self._following:
            self._following.add(uuid)
            self._followers.spawn(f"looking at guest {uuid}", self._follow(uuid))

    async def _follow(self, uuid: str) -> None:
        """Look at a guest after an event, until it can be told how it is."""
        info: GuestInfo | None = None
        for _ in range(FOLLOW_LOOKS):
            async with self._locks.hold(uuid):
                # Events that come from here on ask for a look of their own.
                self._following.discard(uuid)
                info = await self._guest(uuid).look()
            if info is None or info.state != "unknown":
                break
            # QEMU leaves its monitor a moment before it ends.
            await deferLater(self._host.reactor, FOLLOW_SECONDS)
        self._tell(info)

    def _tell(self, info: GuestInfo | None) -> None:
        if info is None or self._last_told.get(info.uuid) == info.state:
            return
        self._last_told[info.uuid] = info.state
        self._log.info(
            "guest {instance} is {state} {detail}",
            instance=info.name,
            state=info.state,
            detail=info.detail,
        )
        for listener in tuple(self._listeners):
            listener(info)

    def _trim_logs(self) -> Deferred[None]:
        logs = [log for uuid in self._known() for log in self._files(uuid).logs]

        def trim_all() -> None:
            for log in logs:
                trim(log)

        return self._host.offload(trim_all)
