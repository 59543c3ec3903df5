"""``gnt-capacity``: how many more instances fit into a cluster, from a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ganetix.cli.parser import Options, Tool

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking

T = TypeVar("T")
TEMPLATES = (
    *("diskless", "file", "sharedfile", "plain", "blockdev", "drbd", "rbd", "ext"),
    *("gluster", "mirror"),
)


def program() -> Tool:
    """The parser of ``gnt-capacity``."""
    made = Tool(
        "gnt-capacity",
        capacity,
        "Computes how many more instances fit into a cluster.",
        "It needs no running cluster: it reads a file in htools' text format, a"
        " description of nodes, or the input of an allocator. Options and results are"
        " those of htools' 'hspace'."
        "\n\n"
        "Tiered allocation begins with the largest instance and goes on with smaller"
        " ones when no more fits; standard allocation then asks, from the start again,"
        " how many instances of one size fit."
        "\n\n"
        "Sizes are MiB, or have a unit: m, g, t (or MiB, GiB, TiB) are binary, M, G, T"
        " (or MB, GB, TB) decimal.",
        examples=[
            "-t cluster.data --disk-template drbd --tiered-alloc 100g,8g,4",
            "--simulate p,20,2t,64g,16 --disk-template drbd --machine-readable",
            "-t cluster.data -O node3 --max-cpu 6 -p",
        ],
    )
    parser = made.parser
    _add_sources(parser.add_argument_group("where the cluster stands (one of these)"))
    _add_requests(parser.add_argument_group("what is to be placed"))
    _add_rules(parser.add_argument_group("rules"))
    _add_outputs(parser.add_argument_group("output options"))
    return made


def _add_sources(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-t", "--text-data", metavar="FILE", help="a file in htools' text format"
    )
    group.add_argument(
        "--simulate",
        metavar="SPEC",
        action="append",
        default=[],
        help="a group of empty nodes: POLICY,NODES,DISK,MEMORY,CPUS[,SPINDLES"
        "[,EXCLUSIVE]]; POLICY is p (preferred), a (last_resort) or u (unallocable),"
        " EXCLUSIVE True or False; may be repeated, the last one is the first group",
    )
    group.add_argument(
        "-I",
        "--ialloc-src",
        metavar="FILE",
        help="a file with an allocator's input, JSON",
    )


def _add_requests(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--disk-template",
        metavar="TEMPLATE",
        choices=TEMPLATES,
        help="the new instances' disk template, one of %(choices)s (default: the first"
        " of the cluster's policy)",
    )
    group.add_argument(
        "--tiered-alloc",
        metavar="SPEC",
        help="the largest instance: DISK,MEMORY,VCPUS[,SPINDLES] (default: the largest"
        " ones of the cluster's policy)",
    )
    group.add_argument(
        "--standard-alloc",
        metavar="SPEC",
        help="the instance of the standard allocation, likewise (default: the"
        " policy's standard one)",
    )
    group.add_argument(
        "--spindle-use",
        metavar="N",
        type=_whole,
        help="the new instances' spindle use (default: the policy's standard one)",
    )
    group.add_argument(
        "-l",
        "--max-length",
        metavar="N",
        type=_limit,
        default=-1,
        help="place at most N instances; 0 leaves the tiered allocation out",
    )


def _add_rules(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-O",
        "--offline",
        metavar="NODE",
        action="append",
        default=[],
        help="take a node for offline; may be repeated",
    )
    group.add_argument(
        "--max-cpu",
        metavar="RATIO",
        type=_ratio(None),
        help="vcpus for each CPU of a node (default: as the groups' policies say)",
    )
    group.add_argument(
        "--min-disk",
        metavar="RATIO",
        type=_ratio(1.0),
        default=0.0,
        help="the part of each node's disk to keep free, from 0 to 1 (default: 0)",
    )
    group.add_argument(
        "--no-capacity-checks",
        action="store_true",
        help="do not ask that all instances find another place if a node fails",
    )
    group.add_argument(
        "--independent-groups",
        action="store_true",
        help="let a group that is not N+1 safe keep no other from being filled",
    )
    group.add_argument(
        "--accept-existing-errors",
        action="store_true",
        help="fill nodes that are not N+1 safe, too",
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--machine-readable",
        metavar="yes|no",
        nargs="?",
        choices=("yes", "no"),
        const="yes",
        default="no",
        help="print lines of HTS_KEY=value, as hspace does",
    )
    group.add_argument(
        "-p",
        "--print-nodes",
        metavar="FIELDS",
        nargs="?",
        const="",
        help="print all nodes before and after, on standard error; FIELDS has commas"
        " between, a + before it adds to the usual ones; write it after -p without a"
        " space",
    )
    group.add_argument(
        "-S",
        "--save",
        metavar="PREFIX",
        help="write the filled clusters to PREFIX.tiered and PREFIX.standard, in"
        " htools' text format",
    )
    group.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="say more on standard error: twice where each instance goes, three times"
        " what the score is made of, four times which nodes are left out",
    )
    group.add_argument(
        "-q",
        "--quiet",
        action="count",
        default=0,
        help="say less: no warnings of memory and disk that is not accounted for",
    )


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _limit(text: str) -> int:
    return -_whole(text[1:]) if text.startswith("-") else _whole(text)


def _ratio(most: float | None) -> Callable[[str], float]:
    def ratio(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if 0 <= value <= (1e9 if most is None else most):
            return value
        allowed = "that is not negative" if most is None else f"from 0 to {most:g}"
        raise argparse.ArgumentTypeError(f"{text!r} is not a number {allowed}")

    return ratio


async def capacity(session: Asking, options: Options) -> int:
    """Compute and print."""
    from ganetix.cli.capacity.run import run

    return run(session.streams, options)
