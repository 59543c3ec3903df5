"""Options for parameters that inherit, which cluster and groups have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganetix.cli.pairs import parse_pairs, refuse_unknown
from ganetix.cli.parser import Options, Parser
from ganetix.cli.quantities import parse_mib

if TYPE_CHECKING:
    from ganetix.objects import HvValue
    from ganetix.opcodes.parameters import Parameter, ParameterTable

RESET = "default"
"""Typed in place of a value: go back to the inherited one."""

_NUMBERS = {"count": "a whole number", "number": "a number"}


def add_setting_options(parser: Parser, whose: str) -> None:
    """``-B``, ``-H``, ``-D``, ``-N``, ``--node-parameters`` and those of capacity.

    What they are kept as is the name of the opcode's field, for ``by_option``.

    :param whose: ``all instances``, for the help
    """
    group = parser.add_argument_group(
        "parameters",
        f"'{RESET}' in place of a value stands for the inherited one.",
    )
    group.add_argument(
        "-B",
        "--backend-parameters",
        dest="beparams",
        metavar="KEY=VALUE,…",
        default="",
        help=f"of {whose} that have no own: memory=SIZE, vcpus=N, auto_balance=yes|no",
    )
    group.add_argument(
        "-H",
        "--hypervisor-parameters",
        dest="hvparams",
        metavar="HV:KEY=VALUE,…",
        action="append",
        default=[],
        help=f"of {whose} under a hypervisor that have no own; may be repeated",
    )
    group.add_argument(
        "-D",
        "--disk-parameters",
        dest="diskparams",
        metavar="TEMPLATE:KEY=VALUE,…",
        action="append",
        default=[],
        help="of disks that are made for them: file:format=raw|qcow2; may be repeated",
    )
    group.add_argument(
        "-N",
        "--nic-parameters",
        dest="nicparams",
        metavar="KEY=VALUE,…",
        default="",
        help="of NICs that have no own: mode=user|bridged|none, link=BRIDGE",
    )
    group.add_argument(
        "--node-parameters",
        dest="ndparams",
        metavar="KEY=VALUE,…",
        default="",
        help="of nodes that have no own: reserved_memory=SIZE, reserved_cpus=N,"
        " spindle_count=N, exclusive_storage=yes|no, cpu_speed=NUMBER",
    )
    capacity = parser.add_argument_group("capacity")
    capacity.add_argument(
        "--max-inst-spec",
        metavar="KEY=VALUE,…",
        help="the largest instance that capacity is computed for: memory=SIZE,"
        f" disk=SIZE, vcpus=N, or '{RESET}'",
    )
    capacity.add_argument(
        "--default-template",
        metavar="TEMPLATE",
        help="the disk template that capacity is computed for",
    )
    capacity.add_argument(
        "--max-cpu-ratio",
        metavar="NUMBER",
        help="virtual CPUs to one of the host's, at most",
    )
    capacity.add_argument(
        "--max-disk-usage",
        metavar="NUMBER",
        help="share of the disk space that may be used, at most 1",
    )
    capacity.add_argument(
        "--capacity-checks",
        metavar="yes|no",
        help="whether all must stay N+1 redundant",
    )


def settings_of(options: Options) -> dict[str, Any]:
    """What these options say, as fields of an opcode; ``ValueError`` if wrong."""
    from ganetix.opcodes.parameters import BACKEND, NIC, NODE

    return {
        "beparams": given_pairs("-B", options.beparams, BACKEND),
        "hvparams": _hypervisors(options.hvparams),
        "diskparams": _templates(options.diskparams),
        "nicparams": given_pairs("--nic-parameters", options.nicparams, NIC),
        "ndparams": given_pairs("--node-parameters", options.ndparams, NODE),
        "capacity": _capacity(options),
    }


def given_pairs(option: str, text: str, table: ParameterTable) -> dict[str, Any]:
    """``memory=4G,vcpus=default`` by field, None for what is to be inherited."""
    pairs = parse_pairs(option, text) if text else {}
    by_name = {parameter.name: parameter for parameter in table.values()}
    refuse_unknown(option, pairs, by_name)
    return {
        by_name[name].field: parsed(f"{option}: {name}", by_name[name], value)
        for name, value in pairs.items()
    }


def parsed(where: str, parameter: Parameter, text: str) -> Any:
    """A parameter's value as typed; None for ``default``.

    :param where: the option and perhaps the parameter, to begin messages with
    """
    if text == RESET:
        return None
    if parameter.kind == "bool":
        return yes_no(where, text)
    if parameter.kind in ("word", "interface"):
        return text
    try:
        if parameter.kind == "mib":
            return parse_mib(text)
        return int(text) if parameter.kind == "count" else float(text)
    except ValueError as error:
        reason = str(error)
        if parameter.kind in _NUMBERS:
            reason = f"{text!r} is not {_NUMBERS[parameter.kind]}"
        raise ValueError(f"{where}: {reason}") from None


def yes_no(what: str, text: str) -> bool:
    """``yes`` or ``no``, or what else is taken for these."""
    if text.lower() in ("yes", "true", "on"):
        return True
    if text.lower() in ("no", "false", "off"):
        return False
    raise ValueError(f"{what}: {text!r} is not yes or no")


def _hypervisors(texts: list[str]) -> dict[str, dict[str, HvValue | None]]:
    from ganetix.hypervisor.params import parsed_hvparams

    given: dict[str, dict[str, HvValue | None]] = {}
    for name, pairs in _by_owner("-H", "HYPERVISOR", texts).items():
        values = {key: value for key, value in pairs.items() if value is not None}
        reset = {key: None for key, value in pairs.items() if value is None}
        given[name] = {**parsed_hvparams(name, values), **reset}
    return given


def _templates(texts: list[str]) -> dict[str, dict[str, str | None]]:
    from ganetix.storage.params import check_disk_params

    given = _by_owner("-D", "TEMPLATE", texts)
    for name, pairs in given.items():
        check_disk_params(name, {k: v for k, v in pairs.items() if v is not None})
    return given


def _by_owner(
    option: str, owner: str, texts: list[str]
) -> dict[str, dict[str, str | None]]:
    """``file:format=qcow2`` by owner and key, None for what is to be inherited."""
    given: dict[str, dict[str, str | None]] = {}
    for text in texts:
        name, _, rest = text.partition(":")
        if not name or not rest or "=" in name:
            raise ValueError(f"{option}: {text!r} is not {owner}:KEY=VALUE,…")
        found = given.setdefault(name, {})
        for key, value in parse_pairs(option, rest).items():
            if key in found:
                raise ValueError(f"{option}: {name}:{key} is given twice")
            found[key] = None if value == RESET else value
    return given


def _capacity(options: Options) -> dict[str, Any]:
    from ganetix.opcodes.parameters import CAPACITY, SIZE

    given: dict[str, Any] = {}
    size = options.max_inst_spec
    if size == RESET:
        given["max_inst_spec"] = None
    elif size is not None:
        given["max_inst_spec"] = _sizes(given_pairs("--max-inst-spec", size, SIZE))
    for field, parameter in CAPACITY.items():
        text = getattr(options, field)
        if text is not None:
            given[field] = parsed(f"--{field.replace('_', '-')}", parameter, text)
    return given


def _sizes(given: dict[str, Any]) -> dict[str, Any]:
    if not given or None in given.values():
        raise ValueError(
            "--max-inst-spec: give any of memory=SIZE, disk=SIZE, vcpus=N, or"
            f" '{RESET}' for all of them"
        )
    return given
