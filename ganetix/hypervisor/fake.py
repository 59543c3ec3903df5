"""A hypervisor that only keeps files: for tests, rehearsals and hosts without QEMU."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from ganetix.errors import GanetixError, HypervisorFault, NotFound, WrongState
from ganetix.flow.offload import inline_offload
from ganetix.hypervisor.base import Listener, checked_uuid
from ganetix.hypervisor.params import effective_hvparams
from ganetix.hypervisor.records import Ending, GuestRecord, GuestRecords
from ganetix.interfaces import IHypervisor, Say
from ganetix.objects import GuestInfo, GuestSpec, StopOutcome
from ganetix.paths import Paths

ARRIVAL_PORT = 1


@implementer(IHypervisor)
class FakeHypervisor:
    """Guests that are a record and a console log with one heartbeat.

    They outlive the daemon as real ones do. ``failures`` are raised by the next
    starts, one each, in their order (None: that start succeeds); ``problems`` are what
    ``check`` says; ``ignores_power_button`` has guests that must be ended by force.
    Sending a guest takes ``send_seconds``, and fails with the ``send_failures`` as
    starts do; nothing is sent, for the fake on the other node has its note already.
    """

    name = "fake"

    def __init__(self, paths: Paths, clock: IReactorTime) -> None:
        self.failures: list[GanetixError | None] = []
        self.problems: list[str] = []
        self.ignores_power_button = False
        self.send_seconds = 0.0
        self.send_failures: list[GanetixError | None] = []
        self._sending: dict[str, Deferred[None]] = {}
        self._paths = paths
        self._clock = clock
        self._listeners: list[Listener] = []
        self._records = GuestRecords(
            paths.guest_record("x").parent, self.name, inline_offload
        )

    def check(self) -> Deferred[Sequence[str]]:
        """What a test has put into ``problems``."""
        return succeed(tuple(self.problems))

    def start(
        self, guest: GuestSpec, disk_paths: Sequence[Path], say: Say
    ) -> Deferred[GuestInfo]:
        """Note that a guest runs; see ``IHypervisor``."""
        return Deferred.fromCoroutine(self._start(guest, disk_paths, say))

    def stop(
        self, uuid: str, timeout_seconds: float, say: Say
    ) -> Deferred[StopOutcome]:
        """Note that a guest is down at the administrator's wish."""

        async def stop() -> StopOutcome:
            record = self._records.get(checked_uuid(uuid))
            if record is None:
                return "was-down"
            await self._end(record, "admin", wanted="stop")
            if record.ended or record.moving:
                return "was-down"
            if timeout_seconds <= 0:
                return "ended"
            name = record.spec.name
            say(f"asks {name} to power off")
            if self.ignores_power_button:
                say(f"{name} did not power off in {timeout_seconds:g} s; ends it")
                return "ended"
            return "shutdown"

        return Deferred.fromCoroutine(stop())

    def reset(self, uuid: str) -> Deferred[None]:
        """Write to the console as a guest that boots again."""

        async def reset() -> None:
            record = self._records.get(checked_uuid(uuid))
            if record is None:
                raise NotFound(f"guest {uuid} is not known on this node")
            state = _info(record).state
            if state != "running":
                raise WrongState(
                    f"guest {record.spec.name} is {state}: it cannot be reset"
                )
            self._boot(record)

        return Deferred.fromCoroutine(reset())

    def info(self, uuid: str) -> Deferred[GuestInfo | None]:
        """A guest's state."""

        async def info() -> GuestInfo | None:
            record = self._records.get(checked_uuid(uuid))
            return None if record is None else _info(record)

        return Deferred.fromCoroutine(info())

    def guests(self) -> Deferred[Sequence[GuestInfo]]:
        """All guests, by UUID."""
        records = sorted(self._records.all(), key=lambda record: record.spec.uuid)
        return succeed([_info(record) for record in records])

    def forget(self, uuid: str) -> Deferred[None]:
        """Remove every trace of a guest."""

        async def forget() -> None:
            await self._records.remove(checked_uuid(uuid))
            shutil.rmtree(self._paths.guest_run(uuid), ignore_errors=True)

        return Deferred.fromCoroutine(forget())

    def running_spec(self, uuid: str) -> Deferred[GuestSpec | None]:
        """What the note of a running guest says."""
        record = self._records.get(uuid)
        if record is None or _info(record).state != "running":
            return succeed(None)
        return succeed(record.spec)

    def receive(
        self,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        address: str,
        sender_uuid: str,
        say: Say,
    ) -> Deferred[int]:
        """Note that a guest is to come."""

        async def receive() -> int:
            effective_hvparams(self.name, guest.hvparams)
            record = self._records.get(checked_uuid(guest.uuid))
            if record is not None and _info(record).state == "running":
                raise WrongState(f"guest {guest.name} runs on this node")
            self._raise_next(self.failures)
            _check_disks(guest, disk_paths)
            record = self._record(guest, disk_paths)
            await self._records.put(replace(record, moving="arriving"))
            return ARRIVAL_PORT

        return Deferred.fromCoroutine(receive())

    def send(
        self, uuid: str, address: str, port: int, receiver_uuid: str, say: Say
    ) -> Deferred[None]:
        """Note that a guest has left."""

        async def send() -> None:
            record = self._records.get(checked_uuid(uuid))
            if record is None or _info(record).state != "running":
                raise WrongState(f"guest {uuid} does not run on this node")
            await self._on_its_way(record)
            self._raise_next(self.send_failures)
            say(f"{record.spec.name} is sent")
            await self._records.put(replace(record, moving="left"))

        return Deferred.fromCoroutine(send())

    def cancel_send(self, uuid: str) -> Deferred[bool]:
        """Call a guest back that is being sent."""
        sending = self._sending.get(checked_uuid(uuid))
        if sending is not None:
            sending.cancel()
        return succeed(sending is not None)

    def accept(self, uuid: str) -> Deferred[GuestInfo]:
        """Note that a guest runs here from now on."""

        async def accept() -> GuestInfo:
            record = self._records.get(checked_uuid(uuid))
            if record is None or record.ended or record.moving == "left":
                raise WrongState(f"guest {uuid} has not come to this node")
            if record.moving:
                record = replace(record, moving="")
                self._boot(record)
                await self._records.put(record)
                self._tell(record)
            return _info(record)

        return Deferred.fromCoroutine(accept())

    def console_socket(self, uuid: str) -> Path:
        """Where a serial console would be."""
        return self._paths.guest_run(checked_uuid(uuid)) / "serial"

    def console_log(self, uuid: str) -> Path:
        """The file with the guest's heartbeat."""
        return self._paths.guest_run(checked_uuid(uuid)) / "console.log"

    def on_event(self, listener: Listener) -> None:
        """Have a listener told of each guest whose state has changed."""
        self._listeners.append(listener)

    def resume(self) -> Deferred[None]:
        """Nothing is to be taken over."""
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Nothing is to be left alone."""
        return succeed(None)

    def crash(self, uuid: str, detail: str = "QEMU ended unexpectedly") -> None:
        """Have a guest die."""
        self._happen(uuid, "crash", detail)

    def power_off(self, uuid: str) -> None:
        """Have a guest shut down from inside."""
        self._happen(uuid, "user", "")

    async def _start(
        self, guest: GuestSpec, disk_paths: Sequence[Path], say: Say
    ) -> GuestInfo:
        effective_hvparams(self.name, guest.hvparams)
        record = self._records.get(checked_uuid(guest.uuid))
        if record is not None and _info(record).state == "running":
            say(f"{guest.name} runs already")
            return _info(record)
        self._raise_next(self.failures)
        _check_disks(guest, disk_paths)
        record = self._record(guest, disk_paths)
        self._boot(record)
        await self._records.put(record)
        say(f"{guest.name} writes to its console")
        self._tell(record)
        return _info(record)

    def _record(self, guest: GuestSpec, disk_paths: Sequence[Path]) -> GuestRecord:
        return GuestRecord(
            spec=guest,
            disk_paths=tuple(map(str, disk_paths)),
            since=self._clock.seconds(),
            seen_alive=True,
            accelerator=self.name,
        )

    async def _on_its_way(self, record: GuestRecord) -> None:
        if self.send_seconds <= 0:
            return
        uuid = record.spec.uuid
        self._sending[uuid] = deferLater(self._clock, self.send_seconds)
        try:
            await self._sending[uuid]
        except CancelledError:
            raise HypervisorFault(f"{record.spec.name} was called back") from None
        finally:
            del self._sending[uuid]

    def _raise_next(self, failures: list[GanetixError | None]) -> None:
        failure = failures.pop(0) if failures else None
        if failure is not None:
            raise failure

    def _boot(self, record: GuestRecord) -> None:
        log = self.console_log(record.spec.uuid)
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = sum(disk.size_mib for disk in record.spec.disks)
        with log.open("a") as file:
            file.write(f"fake guest {record.spec.name}\nHB 1 up=0.00 disk={size}M\n")
        log.chmod(0o600)

    def _happen(self, uuid: str, ending: Ending, detail: str) -> None:
        record = self._records.get(checked_uuid(uuid))
        if record is None or record.ended:
            raise WrongState(f"guest {uuid} does not run")
        happening = Deferred.fromCoroutine(self._end(record, ending, detail=detail))
        assert happening.called  # noqa: S101 - nothing in it waits

    async def _end(
        self,
        record: GuestRecord,
        ending: Ending,
        *,
        detail: str = "",
        wanted: str = "",
    ) -> None:
        since = record.since if record.ended else self._clock.seconds()
        record = replace(
            record,
            ended=ending,
            detail=detail,
            since=since,
            wanted=wanted or record.wanted,
        )
        await self._records.put(record)
        self._tell(record)

    def _tell(self, record: GuestRecord) -> None:
        for listener in tuple(self._listeners):
            listener(_info(record))


def _check_disks(guest: GuestSpec, disk_paths: Sequence[Path]) -> None:
    for path in disk_paths:
        if not path.exists():
            raise HypervisorFault(
                f"{guest.name} cannot be started: Could not open '{path}':"
                " No such file or directory",
                instance=guest.name,
            )


def _info(record: GuestRecord) -> GuestInfo:
    return (
        record.ended_info() if record.ended else record.info(record.moving or "running")
    )
