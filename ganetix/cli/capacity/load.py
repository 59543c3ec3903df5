"""What the options of ``gnt-capacity`` ask for: a cluster, and two requests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from ganetix.allocators.htools_text import read_text
from ganetix.allocators.protocol import read_document
from ganetix.allocators.simulate import simulated
from ganetix.allocators.units import number_of, size_of
from ganetix.cli.errors import Failure, UsageError
from ganetix.cli.parser import Options
from ganetix.errors import BadParameter
from ganetix.plan.capacity.model import (
    CapCluster,
    CapNode,
    Spec,
    Template,
    TieredRequest,
)
from ganetix.plan.capacity.size import Size

T = TypeVar("T")


def cluster_of(options: Options) -> CapCluster:
    """The cluster from whichever source is named, with the offline nodes of ``-O``."""
    sources = [options.text_data, options.simulate, options.ialloc_src]
    if sum(bool(source) for source in sources) != 1:
        raise UsageError("give one of -t FILE, --simulate SPEC and -I FILE")
    if options.simulate:
        cluster = _checked_from("--simulate", lambda: simulated(options.simulate))
    elif options.text_data:
        text = _read(options.text_data)
        cluster = _checked_from(options.text_data, lambda: read_text(text))
    else:
        data = _read(options.ialloc_src).encode()
        cluster, _ = _checked_from(options.ialloc_src, lambda: read_document(data))
    for name in options.offline:
        cluster = _without(cluster, name)
    return cluster


def tiered_request(cluster: CapCluster, options: Options) -> TieredRequest:
    """What the tiered allocation is asked."""
    request = TieredRequest(
        template=_template(cluster, options),
        spindle_use=options.spindle_use,
        min_disk=options.min_disk,
        cpu_ratio=options.max_cpu,
        capacity_checks=not options.no_capacity_checks,
        independent_groups=options.independent_groups,
        accept_existing_errors=options.accept_existing_errors,
        limit=options.max_length if options.max_length >= 0 else None,
    )
    if options.tiered_alloc is not None:
        return _of_size(request, _size("--tiered-alloc", options.tiered_alloc))
    if not cluster.policy.ranges:
        raise UsageError("the cluster's policy has no bounds: give --tiered-alloc")
    return request


def standard_request(cluster: CapCluster, options: Options) -> TieredRequest:
    """What the standard allocation is asked."""
    request = tiered_request(cluster, options)
    if options.standard_alloc is not None:
        return _of_size(request, _size("--standard-alloc", options.standard_alloc))
    std = cluster.policy.std
    return _of_size(request, Size(std.memory, std.disk, std.vcpus, std.spindle_use))


def largest(cluster: CapCluster, request: TieredRequest) -> Size:
    """The size that a request begins with."""
    if request.specs:
        spec, spindles = request.specs[0], request.disk_spindles
        return Size(spec.memory, spec.disk, spec.vcpus, spindles or 0)
    spec = cluster.policy.ranges[0].max
    return Size(spec.memory, spec.disk, spec.vcpus, spec.spindle_use)


def _of_size(request: TieredRequest, size: Size) -> TieredRequest:
    spec = Spec(memory=size.memory, disk=size.disk, vcpus=size.vcpus)
    return replace(request, specs=(spec,), disk_spindles=size.spindles)


def _size(option: str, text: str) -> Size:
    parts = text.split(",")
    if not 3 <= len(parts) <= 4:
        raise UsageError(f"{option}: {text!r} is not DISK,MEMORY,VCPUS[,SPINDLES]")
    try:
        return Size(
            disk=size_of(f"{option}: disk", parts[0]),
            memory=size_of(f"{option}: memory", parts[1]),
            vcpus=number_of(f"{option}: vcpus", parts[2]),
            spindles=number_of(f"{option}: spindles", parts[3]) if parts[3:] else 1,
        )
    except BadParameter as error:
        raise UsageError(str(error)) from error


def _template(cluster: CapCluster, options: Options) -> Template:
    if options.disk_template is not None:
        template: Template = options.disk_template
        return template
    if not cluster.policy.templates:
        raise UsageError("the cluster's policy has no templates: give --disk-template")
    return cluster.policy.templates[0]


def _without(cluster: CapCluster, name: str) -> CapCluster:
    """The cluster with one node more offline; the name may lack the domain."""
    names = [node.name for node in cluster.nodes]
    found = [one for one in names if one == name] or [
        one for one in names if one.startswith(f"{name}.")
    ]
    if len(found) != 1:
        what = "several nodes match" if found else "there is no node"
        raise Failure(f"-O {name}: {what} {', '.join(found) or repr(name)}")

    def node_after(node: CapNode) -> CapNode:
        return replace(node, offline=True) if node.name == found[0] else node

    return replace(cluster, nodes=tuple(map(node_after, cluster.nodes)))


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode()
    except UnicodeDecodeError:
        raise Failure(f"{name}: is not UTF-8 text") from None
    except OSError as error:
        raise Failure(f"{name}: {error.strerror}") from error


def _checked_from(source: str, read: Callable[[], T]) -> T:
    """What can be read, or whence comes what cannot."""
    try:
        return read()
    except BadParameter as error:
        raise Failure(f"{source}: {error}") from error
