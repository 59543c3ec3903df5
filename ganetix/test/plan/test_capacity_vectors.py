"""Tiered specs beside what Debian's hspace 3.0.2 said of the same clusters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ganetix
from ganetix.plan.capacity.model import (
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    Policy,
    Spec,
    TieredRequest,
    TieredResult,
)
from ganetix.plan.capacity.part import of_group
from ganetix.plan.capacity.tiered import tiered
from ganetix.test.plan.capacity_clusters import OPEN, samples

VECTORS = Path(ganetix.__file__).parents[2] / "shared" / "capacity-vectors"


def as_tspec(result: TieredResult) -> str:
    """A result in hspace's words."""
    return " ".join(
        f"{t.memory},{t.disk},{t.vcpus},{t.spindles}={t.count}" for t in result.tspecs
    )


class SampleTests(SynchronousTestCase):
    """Tests with the samples that come with the sources."""

    def test_same_as_hspace(self) -> None:
        """All samples have hspace's specs, or are refused with its words."""
        for name, (cluster, sample) in samples().items():
            result = tiered(cluster, sample.request)
            found = name, as_tspec(result), result.reason
            self.assertEqual(found, (name, sample.tspec.strip(), sample.refusal))


class VectorTests(SynchronousTestCase):
    """Tests with the sixty cases that are kept beside the project."""

    def test_whole_clusters(self) -> None:
        """Of each whole cluster the specs are hspace's."""
        for name, case in cases():
            if case["expected"]["cluster"] is not None:
                parameters = case["cluster_parameters"]
                result = tiered(cluster_of(case), request_of(case, parameters))
                self.check(name, result, case["expected"]["cluster"])

    def test_groups(self) -> None:
        """Of each group alone, with its own parameters, the specs are hspace's."""
        for name, case in cases():
            for group in case["groups"]:
                parameters = {**case["cluster_parameters"], **group["parameters"]}
                part = of_group(cluster_of(case), group["uuid"])
                result = tiered(part, request_of(case, parameters))
                expected = case["expected"]["groups"][group["uuid"]]
                self.check(f"{name} {group['name']}", result, expected)

    def check(self, name: str, result: TieredResult, expected: dict[str, Any]) -> None:
        """A result is what is expected, or refused with the same words."""
        found = [[t.memory, t.disk, t.vcpus, t.count] for t in result.tspecs]
        self.assertEqual((name, found), (name, expected["tspecs"] or []))
        refusal = (expected["error"] or "").rpartition(": ")[2]
        self.assertEqual((name, result.reason), (name, refusal))


def cases() -> Iterator[tuple[str, Any]]:
    """Names and contents of all cases."""
    paths = sorted(VECTORS.glob("*.json"))
    if not paths:
        raise SkipTest("no capacity-vectors beside the project")
    for path in paths:
        yield path.stem, json.loads(path.read_text("utf-8"))


def cluster_of(case: Any) -> CapCluster:
    """A case's cluster; its policies let everything pass."""
    defaults = case["cluster_parameters"]
    groups = (
        CapGroup(
            uuid=group["uuid"],
            name=group["name"],
            alloc_policy=group["alloc_policy"],
            policy=Policy(
                ranges=(OPEN,),
                vcpu_ratio={**defaults, **group["parameters"]}["max_cpu_ratio"],
                spindle_ratio=case["spindle_ratio"],
            ),
        )
        for group in case["groups"]
    )
    return CapCluster(
        groups=tuple(groups),
        nodes=tuple(node_of(node) for node in case["nodes"]),
        instances=tuple(
            msgspec.convert(
                {
                    **instance,
                    "secondary": instance["secondary"] or "",
                },
                CapInstance,
            )
            for instance in case["instances"]
        ),
    )


def node_of(node: Any) -> CapNode:
    """A node; without figures it is offline."""
    if node.get("no_data"):
        return CapNode(name=node["name"], group=node["group"], offline=True)
    return CapNode(
        name=node["name"],
        group=node["group"],
        total_memory=node["total_mem"],
        node_memory=node["node_mem"],
        free_memory=node["free_mem"],
        total_disk=node["total_disk"],
        free_disk=node["free_disk"],
        total_cpus=node["cpu_total"],
        node_cpus=node["os_cpus"],
        offline=node["offline"] or node["drained"],
        spindles=node["spindle_count"],
    )


def request_of(case: Any, parameters: Any) -> TieredRequest:
    """What hspace was asked of a case."""
    memory, disk, vcpus = parameters["max_inst_spec"]
    return TieredRequest(
        template=parameters["default_template"],
        specs=(Spec(memory=memory, disk=disk, vcpus=vcpus),),
        spindle_use=case["spindle_use"],
        max_disk_usage=parameters["max_disk_usage"],
        capacity_checks=case["capacity_checks"],
        independent_groups="independent_groups" in case["flags"],
        accept_existing_errors="accept_existing" in case["flags"],
    )
