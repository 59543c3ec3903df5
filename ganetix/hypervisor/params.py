"""Which hypervisors there are, and what their parameters may be. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ganetix.errors import BadParameter
from ganetix.objects.params import HvParams, HvValue

ACCELERATORS = ("kvm", "tcg")


@dataclass(frozen=True, kw_only=True)
class HvParameter:
    """One parameter of a hypervisor.

    ``allowed`` says in words what ``check`` takes.
    """

    name: str
    default: HvValue
    doc: str
    allowed: str
    check: Callable[[HvValue], bool]

    @property
    def type(self) -> type[HvValue]:
        """The type that values must have: ``str``, ``int`` or ``bool``."""
        return type(self.default)


def _matches(pattern: str) -> Callable[[HvValue], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(str(value)) is not None


def _between(low: int, high: int) -> Callable[[HvValue], bool]:
    return lambda value: low <= int(value) <= high


def _is_accelerator_list(value: HvValue) -> bool:
    names = str(value).split(":")
    return set(names) <= set(ACCELERATORS) and len(set(names)) == len(names)


_PATH_WORDS = "empty or an absolute path"
_is_path = _matches(r"|/[^\x00-\x1f\x7f]{1,4000}")

_KVM = (
    HvParameter(
        name="accel",
        default="kvm:tcg",
        doc="Accelerators to try in this order until a guest shows a sign of life.",
        allowed="kvm, tcg, kvm:tcg or tcg:kvm",
        check=_is_accelerator_list,
    ),
    HvParameter(
        name="machine_version",
        default="pc-i440fx-7.2",
        doc="QEMU machine type; both ends of a migration need the same."
        " Empty: what this QEMU calls pc.",
        allowed="empty or the name of a machine type",
        check=_matches(r"[a-zA-Z0-9._-]{0,64}"),
    ),
    HvParameter(
        name="cpu_type",
        default="",
        doc="QEMU processor model with flags. Empty: host under kvm, qemu64 under tcg.",
        allowed="empty or a processor model with flags",
        check=_matches(r"[a-zA-Z0-9._,+=-]{0,1024}"),
    ),
    HvParameter(
        name="kernel_path",
        default="",
        doc="A kernel on the node to boot directly. Empty: boot from disk.",
        allowed=_PATH_WORDS,
        check=_is_path,
    ),
    HvParameter(
        name="initrd_path",
        default="",
        doc="The initial RAM disk that goes with kernel_path.",
        allowed=_PATH_WORDS,
        check=_is_path,
    ),
    HvParameter(
        name="kernel_args",
        default="ro console=ttyS0 no_timer_check",
        doc="The command line of kernel_path.",
        allowed="one line of printable text",
        check=_matches(r"[^\x00-\x1f\x7f]{0,2000}"),
    ),
    HvParameter(
        name="life_sign_timeout",
        default=60,
        doc="Seconds to wait for a guest's first sign of life; 0 does not wait.",
        allowed="0 to 3600",
        check=_between(0, 3600),
    ),
    HvParameter(
        name="tcg_tb_size",
        default=32,
        doc="MiB for translated code under tcg.",
        allowed="1 to 4096",
        check=_between(1, 4096),
    ),
    HvParameter(
        name="qemu_path",
        default="",
        doc="The QEMU program on the node. Empty: qemu-system-x86_64 in PATH.",
        allowed=_PATH_WORDS,
        check=_is_path,
    ),
)

HV_PARAMETERS: Mapping[str, Mapping[str, HvParameter]] = {
    "kvm": {parameter.name: parameter for parameter in _KVM},
    # What a guest under QEMU was given can be rehearsed with the fake.
    "fake": {parameter.name: parameter for parameter in _KVM},
}
"""The parameters of each hypervisor, by name."""


def check_hvparams(hypervisor: str, params: Mapping[str, HvValue]) -> None:
    """Fail with ``BadParameter`` unless the hypervisor takes these parameters."""
    known = _parameters_of(hypervisor)
    for name, value in params.items():
        parameter = known.get(name)
        if parameter is None:
            raise BadParameter(
                f"hypervisor {hypervisor} has no parameter {name!r};"
                f" its parameters: {', '.join(sorted(known))}"
            )
        if type(value) is not parameter.type or not parameter.check(value):
            raise BadParameter(
                f"{hypervisor} parameter {name} is {value!r};"
                f" it may be {parameter.allowed}"
            )


def parsed_hvparams(hypervisor: str, texts: Mapping[str, HvValue]) -> HvParams:
    """Parameters as people type them, in the types the hypervisor wants; checked."""
    known = _parameters_of(hypervisor)
    parsed: HvParams = {}
    for name, value in texts.items():
        parsed[name] = value
        wanted = known[name].type if name in known else str
        if wanted is bool and str(value).lower() in ("true", "yes", "false", "no"):
            parsed[name] = str(value).lower() in ("true", "yes")
        elif wanted is int and re.fullmatch(r"-?[0-9]{1,18}", str(value)):
            parsed[name] = int(value)
        elif wanted is str:
            parsed[name] = str(value)
    check_hvparams(hypervisor, parsed)
    return parsed


def effective_hvparams(hypervisor: str, *layers: Mapping[str, HvValue]) -> HvParams:
    """All parameters of a guest: the defaults, and over them each layer in turn.

    Fails with ``BadParameter`` as ``check_hvparams`` does, and if the outcome does not
    fit together.
    """
    effective: HvParams = {
        name: parameter.default
        for name, parameter in _parameters_of(hypervisor).items()
    }
    for layer in layers:
        check_hvparams(hypervisor, layer)
        effective.update(layer)
    if effective["initrd_path"] and not effective["kernel_path"]:
        raise BadParameter(
            f"{hypervisor} parameter initrd_path is {effective['initrd_path']!r};"
            " it may be set only together with kernel_path"
        )
    return effective


def _parameters_of(hypervisor: str) -> Mapping[str, HvParameter]:
    if hypervisor not in HV_PARAMETERS:
        raise BadParameter(
            f"hypervisor {hypervisor!r} is not known;"
            f" there are: {', '.join(sorted(HV_PARAMETERS))}"
        )
    return HV_PARAMETERS[hypervisor]
