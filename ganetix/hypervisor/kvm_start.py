"""The start of a guest: one accelerator after the other, until it shows life."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.task import deferLater

from ganetix.errors import HypervisorFault
from ganetix.hypervisor.kvm_argv import QemuPlaces, boot_source, qemu_argv
from ganetix.hypervisor.kvm_guest import KvmGuest, KvmHost
from ganetix.hypervisor.life import LifeSigns
from ganetix.hypervisor.params import effective_hvparams
from ganetix.hypervisor.qmp import QmpLost
from ganetix.hypervisor.records import GuestRecord
from ganetix.interfaces import Say
from ganetix.objects import GuestInfo, GuestSpec
from ganetix.process import find_program

LIFE_POLL_SECONDS = 0.25


class GuestStart:
    """One start of one guest. Fails with ``HypervisorFault``, leaving nothing running.

    :param target: the guest as this host knows it; nobody else may work on it
    """

    def __init__(
        self,
        host: KvmHost,
        target: KvmGuest,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        say: Say,
    ) -> None:
        self._host = host
        self._target = target
        self._guest = guest
        self._disk_paths = [path.absolute() for path in disk_paths]
        self._say = say
        self._hvparams = effective_hvparams("kvm", guest.hvparams)

    async def run(self) -> GuestInfo:
        """Start the guest, unless it runs."""
        name = self._guest.name
        info = await self._target.find()
        if info is not None and info.pid is not None:
            if info.state in ("running", "paused"):
                self._say(f"{name} runs already")
                return info
            if info.state == "unknown":
                raise HypervisorFault(
                    f"QEMU of {name} (process {info.pid}) runs but does not answer;"
                    " stop it first"
                )
            self._say(f"ends what is left of an unfinished start of {name}")
            await self._target.end()
        program = self._program()
        reasons: dict[str, str] = {}
        for accelerator in str(self._hvparams["accel"]).split(":"):
            try:
                return await self._run_under(accelerator, program)
            except HypervisorFault as fault:
                reasons[accelerator] = str(fault)
                self._say(f"{name} cannot run under {accelerator}: {fault}")
        raise HypervisorFault(
            f"{name} cannot be started: {_joined(reasons)}", instance=name
        )

    def _program(self) -> str:
        if len(self._disk_paths) != len(self._guest.disks):
            raise HypervisorFault(
                f"{self._guest.name} has {len(self._guest.disks)} disks,"
                f" but {len(self._disk_paths)} paths were given"
            )
        wanted = str(self._hvparams["qemu_path"] or self._host.qemu)
        program = find_program(wanted)
        if program is None:
            raise HypervisorFault(f"{wanted} is not installed on this node")
        return program

    async def _run_under(self, accelerator: str, program: str) -> GuestInfo:
        before = self._target.record
        record = self._record(accelerator)
        await self._host.records.put(record)
        try:
            places = await self._places(program)
            argv = qemu_argv(self._guest, self._hvparams, places, accelerator)
            await self._host.taps.make(self._guest)
            await self._target.process.spawn(argv)
            self._say(f"{self._guest.name} starts under {accelerator}")
            sign = await self._comes_alive()
            self._say(f"{self._guest.name} {sign}")
            await self._host.records.put(replace(record, seen_alive=True))
            info = await self._target.look()
        except Exception:
            await self._target.end()
            if before is None:
                await self._host.records.remove(self._guest.uuid)
            else:
                await self._host.records.put(before)
            raise
        return info or record.info("unknown")

    def _record(self, accelerator: str) -> GuestRecord:
        return GuestRecord(
            spec=self._guest,
            disk_paths=tuple(map(str, self._disk_paths)),
            since=self._host.reactor.seconds(),
            accelerator=accelerator,
            boot_id=self._host.boot_id,
        )

    async def _places(self, program: str) -> QemuPlaces:
        process, files = self._target.process, self._target.files
        disks = await self._host.offload(
            lambda: [(path, _takes_direct_io(path)) for path in self._disk_paths]
        )
        await self._host.offload(process.prepare)
        return QemuPlaces(
            program=program,
            files=files,
            control=process.socket_name(files.control),
            events=process.socket_name(files.events),
            serial=process.socket_name(files.serial),
            disks=disks,
            taps=self._host.taps.names(self._guest),
        )

    async def _comes_alive(self) -> str:
        """Let the guest go; which sign of life it shows, in words."""
        clock = self._host.reactor
        source = boot_source(self._guest, self._hvparams)
        timeout = int(self._hvparams["life_sign_timeout"])
        deadline = clock.seconds() + timeout
        try:
            client = await self._target.watch.attach(self._target.events_socket())
            signs = LifeSigns(client, self._target.files, source)
            await client.execute("cont")
            if timeout == 0:
                return "was started, its sign of life is not waited for"
            while not (sign := await signs.seen()):
                if clock.seconds() >= deadline:
                    raise HypervisorFault(f"shows no sign of life within {timeout} s")
                await deferLater(clock, LIFE_POLL_SECONDS)
        except QmpLost as error:
            said = self._target.process.last_words() or str(error)
            raise HypervisorFault(f"QEMU ended: {said}") from error
        return sign


def _takes_direct_io(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        return error.errno != errno.EINVAL
    return True


def _joined(reasons: Mapping[str, str]) -> str:
    """Why each accelerator failed, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for accelerator, reason in reasons.items():
        by_reason.setdefault(reason, []).append(accelerator)
    return "; ".join(
        f"under {' and '.join(names)}: {reason}" for reason, names in by_reason.items()
    )
