"""From the options of ``gnt-instance add`` to its opcode: pure."""

from __future__ import annotations

from typing import Literal, cast

from ganetix.cli.pairs import parse_numbered, parse_pairs, refuse_unknown
from ganetix.cli.parser import Options
from ganetix.cli.quantities import parse_mib
from ganetix.hypervisor.params import parsed_hvparams
from ganetix.objects import HvParams, NicMode
from ganetix.opcodes import DiskRequest, NicRequest, OpInstanceCreate
from ganetix.opcodes.checks import one_of

NIC_KEYS = ("mode", "link", "mac", "ip")
NIC_MODES = ("user", "bridged", "none")
DISK_MODES = ("rw", "ro")


def create_request(options: Options) -> OpInstanceCreate:
    """The opcode; ``ValueError`` names the option that is wrong."""
    backend = _pairs("-B", options.backend_parameters)
    refuse_unknown("-B", backend, ("memory", "vcpus"))
    hypervisor, hvparams = hypervisor_parameters(options.hypervisor_parameters)
    return OpInstanceCreate(
        name=options.name,
        disk_template=options.disk_template,
        disks=_disks(options.disk),
        nics=() if options.no_nics else _nics(options.net),
        os=options.os_type,
        osparams=_pairs("-O", options.os_parameters),
        node=options.node,
        group=options.node_group,
        hypervisor=hypervisor,
        hvparams=hvparams,
        memory_mib=_size("-B memory", backend["memory"])
        if "memory" in backend
        else None,
        vcpus=_whole("-B vcpus", backend["vcpus"]) if "vcpus" in backend else None,
        start=not options.no_start,
        no_install=options.no_install,
        iallocator=options.iallocator,
        dry_run=options.dry_run,
    )


def hypervisor_parameters(text: str | None) -> tuple[str | None, HvParams]:
    """``kvm:accel=tcg,…`` as hypervisor and parameters; neither for None."""
    if text is None:
        return None, {}
    name, _, rest = text.partition(":")
    if not name or "=" in name:
        raise ValueError(f"-H: {text!r} is not HYPERVISOR:KEY=VALUE,…")
    return name, parsed_hvparams(name, _pairs("-H", rest))


def _pairs(option: str, text: str) -> dict[str, str]:
    return parse_pairs(option, text) if text else {}


def _disks(texts: list[str]) -> tuple[DiskRequest, ...]:
    disks = []
    for number, pairs in parse_numbered("--disk", texts):
        size = pairs.pop("size", None)
        if size is None:
            raise ValueError(f"--disk: disk {number} has no size=SIZE")
        mode = pairs.pop("mode", "rw")
        one_of(f"--disk {number}: mode", mode, DISK_MODES)
        disks.append(
            DiskRequest(
                size_mib=_size(f"--disk {number}: size", size),
                mode=cast(Literal["rw", "ro"], mode),
                params=pairs,
            )
        )
    return tuple(disks)


def _nics(texts: list[str] | None) -> tuple[NicRequest, ...] | None:
    if texts is None:
        return None
    nics = []
    for number, pairs in parse_numbered("--net", texts):
        refuse_unknown(f"--net {number}", pairs, NIC_KEYS)
        mode = pairs.get("mode")
        if mode is not None:
            one_of(f"--net {number}: mode", mode, NIC_MODES)
        nics.append(
            NicRequest(
                mode=cast(NicMode | None, mode),
                link=pairs.get("link"),
                mac=pairs.get("mac"),
                ip=pairs.get("ip"),
            )
        )
    return tuple(nics)


def _size(what: str, text: str) -> int:
    try:
        return parse_mib(text)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def _whole(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{what}: {text!r} is not a whole number")
    return int(text)
