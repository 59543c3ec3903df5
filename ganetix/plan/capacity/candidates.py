"""The nodes that may receive an instance, and what of them never changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ganetix.plan.capacity.hardware import Ints
from ganetix.plan.capacity.state import ClusterState


class Candidates:
    """Some nodes of a state, in arrays with one entry a node; places are indices there.

    ``group`` numbers the groups that occur from 0, ``members`` are their places.
    ``is_everything`` says that these are all online nodes in order; ``vcpu_limit`` is
    endless where there is none, ``least_disk`` what is to be left of a disk.
    """

    def __init__(self, state: ClusterState, nodes: Ints) -> None:
        hardware = state.hardware
        self.state = state
        self.nodes = nodes
        self.real_group = hardware.group[nodes]
        self.policy = hardware.policy_of_group[self.real_group]
        occurring = sorted(set(self.real_group.tolist()))
        renumbered = np.zeros(len(hardware.groups), dtype=np.int64)
        renumbered[occurring] = np.arange(len(occurring))
        self.group = renumbered[self.real_group]
        self.groups = len(occurring)
        self.members = [
            np.flatnonzero(self.group == group) for group in range(self.groups)
        ]
        self.by_group = (
            np.concatenate(self.members) if self.members else np.zeros(0, np.int64)
        )
        self.group_sizes = [len(members) for members in self.members]
        self.sizes = np.array(self.group_sizes, dtype=np.int64)
        self.starts = np.cumsum([0, *self.group_sizes])[:-1]
        self.position = hardware.position[nodes]
        self.is_everything = len(nodes) == len(hardware.online) and bool(
            (nodes == hardware.online).all()
        )
        self.place_in_group = hardware.place[nodes]
        self.memory = hardware.memory[nodes]
        self.disk = hardware.disk[nodes]
        self.has_no_disk = self.disk == 0
        self.some_have_no_disk = bool(self.has_no_disk.any())
        self.cpus = hardware.cpus[nodes]
        self.speed = hardware.speed[nodes]
        self.spindles = hardware.spindles[nodes]
        self.kept_disk = hardware.kept_disk[nodes]
        self.max_spindle_use = hardware.max_spindle_use[nodes]
        self.vcpu_ratio = hardware.vcpu_ratio[nodes]
        self.vcpu_limit = np.where(self.vcpu_ratio >= 0, self.vcpu_ratio, np.inf)
        self.least_disk = np.maximum(self.kept_disk, 1)
        self.exclusive = hardware.exclusive[nodes]
        self.some_exclusive = bool(self.exclusive.any())
        self.node_list: list[int] = nodes.tolist()
        self.limits = [hardware.limits[node] for node in self.node_list]
        self._place = {node: place for place, node in enumerate(self.node_list)}
        self._are_all = len(nodes) == len(hardware.nodes) and self.is_everything

    @property
    def numbers(self) -> Ints:
        """The state's numbers of these nodes as they are now; not to be changed."""
        numbers = self.state.numbers
        return numbers if self._are_all else numbers.take(self.nodes, axis=1)

    def places_of(self, nodes: Iterable[int]) -> list[int]:
        """The places of those of some nodes that are candidates."""
        known = self._place
        return [known[node] for node in nodes if node in known]
