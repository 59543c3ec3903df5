"""The command line of QEMU for a guest. Pure.

Each device has its place on the PCI bus by its kind and number, so that a device more
or less moves no other: a guest finds its cards and disks where they were, and both
ends of a migration agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from ganetix.errors import BadParameter
from ganetix.objects import GuestDisk, GuestNic, GuestSpec
from ganetix.objects.params import HvValue

T = TypeVar("T")

BALLOON_SLOT = 0x02
RANDOM_SLOT = 0x03
PANIC_SLOT = 0x04
FIRST_NIC_SLOT = 0x05
MAX_NICS = 8
FIRST_DISK_SLOT = 0x0D
MAX_DISKS = 16

BootSource = Literal["kernel", "disk", "nothing"]


@dataclass(frozen=True)
class GuestFiles:
    """The runtime files of one guest, all in a directory of its own."""

    directory: Path

    @property
    def pid(self) -> Path:
        """QEMU's process id; QEMU removes it at a clean end."""
        return self.directory / "pid"

    @property
    def control(self) -> Path:
        """The monitor socket for single commands."""
        return self.directory / "qmp"

    @property
    def events(self) -> Path:
        """The monitor socket that the node daemon holds open to hear of events."""
        return self.directory / "events"

    @property
    def serial(self) -> Path:
        """The socket of the serial console."""
        return self.directory / "serial"

    @property
    def console_log(self) -> Path:
        """All that was written to the serial console."""
        return self.directory / "console.log"

    @property
    def firmware_log(self) -> Path:
        """What the firmware of a guest with nothing to boot from says."""
        return self.directory / "firmware.log"

    @property
    def log(self) -> Path:
        """What QEMU itself says."""
        return self.directory / "qemu.log"

    @property
    def logs(self) -> Sequence[Path]:
        """All files that grow while the guest runs."""
        return (self.console_log, self.firmware_log, self.log)


@dataclass(frozen=True, kw_only=True)
class QemuPlaces:
    """Where QEMU finds what the guest is made of.

    ``control``, ``events`` and ``serial`` are names of the sockets short enough for a
    UNIX address; ``disks`` pairs each path with whether it takes direct I/O;
    ``taps`` are the interfaces of bridged cards, by UUID of the card.
    """

    program: str
    files: GuestFiles
    control: str
    events: str
    serial: str
    disks: Sequence[tuple[Path, bool]] = ()
    taps: Mapping[str, str]


def qemu_argv(
    guest: GuestSpec,
    hvparams: Mapping[str, HvValue],
    places: QemuPlaces,
    accelerator: str,
) -> list[str]:
    """The command line that starts a guest, stopped before its first instruction.

    :param hvparams: all parameters, as ``effective_hvparams`` gives them
    """
    argv = [
        places.program,
        *_machine(guest, hvparams, accelerator),
        *_monitors(places),
        *_boot(hvparams),
        *_always(),
    ]
    if boot_source(guest, hvparams) == "nothing":
        argv += _firmware_log(places.files)
    for number, nic in enumerate(_at_most(MAX_NICS, "network cards", guest.nics)):
        argv += _nic(number, nic, places.taps.get(nic.uuid, ""))
    disks = _at_most(MAX_DISKS, "disks", guest.disks)
    for number, (disk, (path, direct)) in enumerate(
        zip(disks, places.disks, strict=True)
    ):
        argv += _disk(number, disk, path, direct=direct)
    return argv


def boot_source(guest: GuestSpec, hvparams: Mapping[str, HvValue]) -> BootSource:
    """What a guest boots from."""
    if hvparams.get("kernel_path"):
        return "kernel"
    return "disk" if guest.disks else "nothing"


def _at_most(limit: int, what: str, things: Sequence[T]) -> Sequence[T]:
    if len(things) > limit:
        raise BadParameter(
            f"the guest has {len(things)} {what}; kvm gives it at most {limit}"
        )
    return things


def _quoted(text: str | Path) -> str:
    """A value inside one of QEMU's comma-separated options."""
    return str(text).replace(",", ",,")


def _machine(
    guest: GuestSpec, hvparams: Mapping[str, HvValue], accelerator: str
) -> list[str]:
    accel = accelerator
    if accelerator == "tcg":
        accel = f"tcg,tb-size={hvparams['tcg_tb_size']}"
    cpu = hvparams["cpu_type"] or ("host" if accelerator == "kvm" else "qemu64")
    return [
        "-nodefaults",
        "-no-user-config",
        *("-display", "none"),
        "-S",
        *("-name", f"guest={_quoted(guest.name)},debug-threads=on"),
        *("-uuid", guest.uuid),
        *("-machine", str(hvparams["machine_version"] or "pc")),
        *("-accel", accel),
        *("-cpu", str(cpu)),
        *("-m", f"{guest.memory_mib}M"),
        *("-smp", str(guest.vcpus)),
        # A guest that powers off leaves QEMU behind, stopped: so its wish is not lost
        # while no daemon listens.
        *("-action", "shutdown=pause,panic=pause"),
        *("-msg", "timestamp=on"),
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ]


def _monitors(places: QemuPlaces) -> list[str]:
    files = places.files
    return [
        *("-pidfile", str(files.pid)),
        "-chardev",
        f"socket,id=qmp0,path={_quoted(places.control)},server=on,wait=off",
        *("-mon", "chardev=qmp0,mode=control"),
        "-chardev",
        f"socket,id=qmp1,path={_quoted(places.events)},server=on,wait=off",
        *("-mon", "chardev=qmp1,mode=control"),
        "-chardev",
        f"socket,id=ser0,path={_quoted(places.serial)},server=on,wait=off"
        f",logfile={_quoted(files.console_log)},logappend=on",
        *("-serial", "chardev:ser0"),
    ]


def _boot(hvparams: Mapping[str, HvValue]) -> list[str]:
    if not hvparams["kernel_path"]:
        return []
    argv = ["-kernel", str(hvparams["kernel_path"])]
    if hvparams["initrd_path"]:
        argv += ["-initrd", str(hvparams["initrd_path"])]
    return [*argv, "-append", str(hvparams["kernel_args"])]


def _firmware_log(files: GuestFiles) -> list[str]:
    return [
        "-chardev",
        f"file,id=firmware0,path={_quoted(files.firmware_log)},append=on",
        *("-device", "isa-debugcon,iobase=0x402,chardev=firmware0"),
    ]


def _always() -> list[str]:
    return [
        *("-device", f"virtio-balloon-pci,id=balloon0,addr={BALLOON_SLOT:#04x}"),
        *("-object", "rng-random,id=rng0,filename=/dev/urandom"),
        *("-device", f"virtio-rng-pci,id=random0,rng=rng0,addr={RANDOM_SLOT:#04x}"),
        *("-device", f"pvpanic-pci,id=panic0,addr={PANIC_SLOT:#04x}"),
    ]


def _nic(number: int, nic: GuestNic, tap: str) -> list[str]:
    backend = f"hubport,id=n{number},hubid={number}"
    if nic.mode == "user":
        backend = f"user,id=n{number}"
    elif nic.mode == "bridged":
        backend = f"tap,id=n{number},ifname={tap},script=no,downscript=no"
    # Without a ROM there is one file less that must be equal everywhere.
    device = (
        f"virtio-net-pci,id=nic{number},netdev=n{number},mac={nic.mac}"
        f",romfile=,addr={FIRST_NIC_SLOT + number:#04x}"
    )
    return ["-netdev", backend, "-device", device]


def _disk(number: int, disk: GuestDisk, path: Path, *, direct: bool) -> list[str]:
    common = {
        "read-only": disk.mode == "ro",
        "cache": {"direct": direct},
        "discard": "unmap",
    }
    file = {
        "driver": "file",
        "node-name": f"d{number}f",
        "filename": str(path),
        **common,
    }
    image = {
        "driver": disk.params.get("format", "raw"),
        "node-name": f"d{number}",
        "file": f"d{number}f",
        **common,
    }
    serial = disk.uuid.replace("-", "")[:20]
    device = (
        f"virtio-blk-pci,id=disk{number},drive=d{number},serial={serial}"
        f",bootindex={number + 1},addr={FIRST_DISK_SLOT + number:#04x}"
    )
    return [
        *("-blockdev", msgspec.json.encode(file).decode()),
        *("-blockdev", msgspec.json.encode(image).decode()),
        *("-device", device),
    ]
