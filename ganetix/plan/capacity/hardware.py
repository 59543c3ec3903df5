"""What nodes have and may give, in arrays with one entry a node; it never changes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ganetix.errors import BadParameter
from ganetix.plan.capacity.model import CapCluster

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NONE = -1
"""No node."""


class Limits(NamedTuple):
    """One node's figures as plain numbers."""

    memory: float
    disk: float
    cpus: float
    speed: float
    spindles: float
    max_spindle_use: float
    exclusive: bool
    kept_disk: int
    vcpu_ratio: float


class Hardware:
    """The nodes of a cluster by number, in the cluster's order, and their limits.

    ``policies`` are those that differ, ``policy_of_group`` which one a group has.
    ``online`` are the numbers of the nodes that count in the score, ``position`` is a
    node's place among them; ``place`` is its place among the nodes of its group.
    ``is_regular`` says that no score can be infinite or undefined for a zero here.
    ``group_of``, ``place_of``, ``position_of`` are the same as plain lists.
    """

    def __init__(
        self, cluster: CapCluster, min_disk: float, cpu_ratio: float | None
    ) -> None:
        nodes = cluster.nodes
        self.cluster = cluster
        self.nodes = nodes
        self.groups = cluster.groups
        self.index = {node.name: number for number, node in enumerate(nodes)}
        groups = {group.uuid: number for number, group in enumerate(cluster.groups)}
        for node in nodes:
            if node.group not in groups:
                raise BadParameter(f"node {node.name}: no group {node.group}")
        self.group = ints(groups[node.group] for node in nodes)
        self.members = tuple(
            np.flatnonzero(self.group == group) for group in range(len(groups))
        )
        self.place = np.zeros(len(nodes), dtype=np.int64)
        for members in self.members:
            self.place[members] = np.arange(len(members))
        self.is_online = np.array([not node.offline for node in nodes], dtype=np.bool_)
        self.online = np.flatnonzero(self.is_online)
        self.position = np.full(len(nodes), NONE, dtype=np.int64)
        self.position[self.online] = np.arange(len(self.online))
        self.memory = floats(node.total_memory for node in nodes)
        self.disk = floats(node.total_disk for node in nodes)
        self.cpus = floats(node.total_cpus for node in nodes)
        self.speed = floats(node.cpu_speed for node in nodes)
        self.spindles = floats(node.spindles for node in nodes)
        self.exclusive = np.array(
            [node.exclusive_storage for node in nodes], dtype=np.bool_
        )
        self.kept_disk = ints(math.floor(min_disk * node.total_disk) for node in nodes)
        policies = [cluster.groups[groups[node.group]].policy for node in nodes]
        distinct = list(dict.fromkeys(group.policy for group in cluster.groups))
        self.policies = tuple(distinct)
        self.policy_of_group = ints(
            distinct.index(group.policy) for group in cluster.groups
        )
        self.vcpu_ratio = floats(
            policy.vcpu_ratio if cpu_ratio is None else cpu_ratio for policy in policies
        )
        self.max_spindle_use = floats(
            policy.spindle_ratio * node.spindles
            for node, policy in zip(nodes, policies, strict=True)
        )
        self.limits = [
            Limits(
                memory=float(node.total_memory),
                disk=float(node.total_disk),
                cpus=float(node.total_cpus),
                speed=float(node.cpu_speed),
                spindles=float(node.spindles),
                max_spindle_use=most,
                exclusive=node.exclusive_storage,
                kept_disk=kept,
                vcpu_ratio=ratio,
            )
            for node, most, kept, ratio in zip(
                nodes,
                self.max_spindle_use.tolist(),
                self.kept_disk.tolist(),
                self.vcpu_ratio.tolist(),
                strict=True,
            )
        ]
        self.group_of: list[int] = self.group.tolist()
        self.place_of: list[int] = self.place.tolist()
        self.position_of: list[int] = self.position.tolist()
        self.most_memory = float(self.memory.max(initial=0))
        self.is_regular = all(
            min(facts.memory, facts.cpus, facts.speed, facts.max_spindle_use) > 0
            and (facts.spindles > 0 or not facts.exclusive)
            for node, facts in zip(nodes, self.limits, strict=True)
            if not node.offline
        )
        numbers: dict[tuple[object, ...], int] = {}
        self.kinds = [
            numbers.setdefault(
                (self.group[number], node.offline, *self.limits[number]), len(numbers)
            )
            for number, node in enumerate(nodes)
        ]

    def number(self, node_name: str, instance_name: str) -> int:
        """A node's number.

        :raises BadParameter: an instance names a node that is not there
        """
        try:
            return self.index[node_name]
        except KeyError:
            raise BadParameter(
                f"instance {instance_name}: no node {node_name}"
            ) from None


def floats(values: Iterable[float]) -> Floats:
    """An array of doubles."""
    return np.array([float(value) for value in values], dtype=np.float64)


def ints(values: Iterable[int]) -> Ints:
    """An array of 64 bit integers."""
    return np.array(list(values), dtype=np.int64)


def ratio(part: float, whole: float) -> float:
    """Their quotient, as arithmetic with doubles has it for a whole of zero as well."""
    if whole:
        return part / whole
    return math.copysign(math.inf, part) if part else math.nan
