"""Options for parameters of the cluster, which ``init`` and ``modify`` have both."""

from __future__ import annotations

from typing import Any

from ganetix.cli.options import duration
from ganetix.cli.parser import Options, Parser
from ganetix.cli.settings import add_setting_options, settings_of, yes_no

NONE = "none"


def add_cluster_options(parser: Parser) -> None:
    """All that can be said of a cluster from its beginning on.

    What they are kept as is the name of the opcode's field, for ``by_option``.
    """
    parser.add_argument(
        "--candidate-pool-size",
        metavar="N",
        type=int,
        help="how many nodes are master candidates",
    )
    parser.add_argument(
        "--enabled-hypervisors",
        metavar="LIST",
        help="with commas between; the first is the default",
    )
    parser.add_argument(
        "--enabled-disk-templates",
        metavar="LIST",
        help="with commas between",
    )
    parser.add_argument(
        "--mac-prefix", metavar="PREFIX", help="of MAC addresses, as aa:00:00"
    )
    add_setting_options(parser, "all instances")
    _add_behaviour(parser)


def _add_behaviour(parser: Parser) -> None:
    group = parser.add_argument_group("behaviour")
    group.add_argument(
        "--master-ip",
        metavar="ADDRESS",
        help=f"an address that moves with the master's role; '{NONE}' for none",
    )
    group.add_argument(
        "--master-netdev",
        metavar="INTERFACE",
        help=f"where that address is put; '{NONE}' for none. The master node must have"
        " it, and so should all candidates",
    )
    group.add_argument(
        "--master-netmask",
        metavar="LENGTH",
        help=f"the prefix length of its network; '{NONE}' for the address alone",
    )
    group.add_argument(
        "--remote-commands",
        metavar="yes|no",
        help="whether 'gnt-cluster command' and 'copyfile' work",
    )
    group.add_argument(
        "--cache-time",
        dest="cache_seconds",
        metavar="DURATION",
        type=duration,
        help="the longest life of cached state, 1s to 1d",
    )
    group.add_argument(
        "--watcher-interval",
        dest="watcher_seconds",
        metavar="DURATION",
        type=duration,
        help="the pause between two rounds of repair, 10s to 5m",
    )
    group.add_argument(
        "--max-running-jobs",
        metavar="N",
        type=int,
        help="how many jobs are done at once, 1 to 1000",
    )


def cluster_fields(options: Options) -> dict[str, Any]:
    """What these options say, as fields of ``OpClusterModify``; ``ValueError``."""
    return {
        "candidate_pool_size": options.candidate_pool_size,
        "enabled_hypervisors": _names(options.enabled_hypervisors),
        "enabled_disk_templates": _names(options.enabled_disk_templates),
        "mac_prefix": options.mac_prefix,
        "master_ip": _or_none("--master-ip", options.master_ip),
        "master_netdev": _or_none("--master-netdev", options.master_netdev),
        "master_netmask": _netmask(options.master_netmask),
        "remote_commands": flag("--remote-commands", options.remote_commands),
        "cache_seconds": _seconds("--cache-time", options.cache_seconds),
        "watcher_seconds": _seconds("--watcher-interval", options.watcher_seconds),
        "max_running_jobs": options.max_running_jobs,
        **settings_of(options),
    }


def flag(option: str, text: str | None) -> bool | None:
    """``yes`` or ``no``, or nothing; ``ValueError`` for other words."""
    return None if text is None else yes_no(option, text)


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _or_none(option: str, text: str | None) -> str | None:
    if text == "":
        raise ValueError(f"{option}: it is empty; '{NONE}' is for none")
    return "" if text == NONE else text


def _netmask(text: str | None) -> int | None:
    if text is None or text == NONE:
        return None if text is None else 0
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 128):
        raise ValueError(f"--master-netmask: {text!r} is not between 1 and 128")
    return int(text)


def _seconds(option: str, seconds: float | None) -> int | None:
    if seconds is not None and seconds != int(seconds):
        raise ValueError(f"{option}: {seconds:g} s is not a whole number of seconds")
    return None if seconds is None else int(seconds)
