"""``gnt-instance add``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from ganetix.cli.errors import checked
from ganetix.cli.options import (
    add_allocator_option,
    add_group_option,
    add_job_options,
    add_json_option,
)
from ganetix.cli.parser import Options, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session


def add_creation(made: Program) -> None:
    """Add the command."""
    add = made.command(
        "add",
        add_instance,
        "create an instance",
        "Makes its disks, runs the OS definition on them and starts the guest. Without"
        " -n a node is chosen in the group given, or in the default group. What fails"
        " half-way is undone. Sizes are MiB, or carry a unit: 512M, 4G, 1T.",
        examples=[
            "add -t file --disk 0:size=1G -B memory=128M,vcpus=1 -o tiny web1",
            "add -t file --disk 0:size=10G,format=qcow2 -o tiny+debug -g rack2 web2",
            "add --dry-run -t file --disk 0:size=1G -o tiny web2",
            "add -t diskless -o noop -H kvm:accel=tcg,kernel_path=/boot/vmlinuz net1",
            "add -t file --disk 0:size=1G -o tiny -n node2 --net 0:mode=bridged,"
            "link=br0 --no-start db1",
        ],
    )
    add.add_argument("name", metavar="NAME", help="the instance's name")
    add.add_argument(
        "-t",
        "--disk-template",
        metavar="TEMPLATE",
        default="file",
        help="where its disks are: file or diskless (default: %(default)s)",
    )
    add.add_argument(
        "--disk",
        metavar="N:size=SIZE[,KEY=VALUE…]",
        action="append",
        default=[],
        help="disk N, counted from 0; other keys: mode=rw|ro, and those of the"
        " template, such as format=raw|qcow2",
    )
    add.add_argument(
        "-B",
        "--backend-parameters",
        metavar="KEY=VALUE,…",
        default="",
        help="memory=SIZE and vcpus=NUMBER (default: the cluster's)",
    )
    completes(
        add.add_argument(
            "-o",
            "--os-type",
            metavar="OS[+VARIANT]",
            required=True,
            help="the OS definition that fills its disks",
        ),
        "os",
    )
    add.add_argument(
        "-O",
        "--os-parameters",
        metavar="KEY=VALUE,…",
        default="",
        help="parameters of the OS definition",
    )
    place = add.add_argument_group("place")
    completes(
        place.add_argument("-n", "--node", metavar="NODE", help="its primary node"),
        "node",
    )
    add_group_option(place, "the node group in which a place is chosen")
    add_allocator_option(place, "the allocator that chooses the node")
    place.add_argument(
        "--dry-run",
        action="store_true",
        help="make nothing: tell the node that would be chosen, the next best ones with"
        " their scores (lower is better), and why not others",
    )
    net = add.add_mutually_exclusive_group()
    net.add_argument(
        "--net",
        metavar="N[:KEY=VALUE,…]",
        action="append",
        help="network card N, counted from 0; keys: mode=user|bridged|none, link, mac,"
        " ip (default: one card as the cluster says)",
    )
    net.add_argument("--no-nics", action="store_true", help="no network card")
    add.add_argument(
        "-H",
        "--hypervisor-parameters",
        metavar="HV[:KEY=VALUE,…]",
        help="the hypervisor, and parameters that differ from the cluster's",
    )
    add.add_argument("--no-start", action="store_true", help="do not start it")
    add.add_argument(
        "--no-install", action="store_true", help="do not run the OS definition"
    )
    add_json_option(add)
    add_job_options(add)


async def add_instance(session: Session, options: Options) -> None:
    """Create an instance."""
    from ganetix.cli.instance_request import create_request
    from ganetix.cli.output import print_json

    op = checked(create_request, options)
    job = await session.run_job(op, options)
    if job is None:
        return
    result = cast("dict[str, Any]", job.ops[0].result)
    if options.json:
        print_json(session.streams, {**result, "job": job.id})
    elif op.dry_run:
        for line in _would_be(result):
            session.streams.out(line)


def _would_be(result: dict[str, Any]) -> Iterator[str]:
    """What a dry run tells: the chosen node, the next best, and the refusals."""
    yield f"{result['name']} would be made on {_with_score(result)}"
    for other in result["runners_up"]:
        yield f"next best: {_with_score(other)}"
    for name, reason in result["refusals"].items():
        yield f"not on {name}: {reason}"


def _with_score(place: dict[str, Any]) -> str:
    node, score = place["node"], place["score"]
    return f"{node}" if score is None else f"{node} (score {score:.6f})"
