"""All logical units behind one door: from opcode to unit."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from ganetix import opcodes as ops
from ganetix.config.snapshot import Snapshot
from ganetix.errors import Bug
from ganetix.jobs.work import Outcome, Progress
from ganetix.log import WorkingOn
from ganetix.plan.lock_plan import LockPlan
from ganetix.plan.locks_for import locks_for
from ganetix.plan.reach import reach_of
from ganetix.plan.tags import with_tags, without_tags
from ganetix.units.base import BeginsLate, Context, Services, Unit
from ganetix.units.capacity import ClusterBalance, ClusterExport, ComputeCapacity
from ganetix.units.cluster import ClusterDestroy
from ganetix.units.cluster_modify import (
    ClusterModify,
    ClusterRedistribute,
    ClusterRename,
)
from ganetix.units.cluster_verify import ClusterVerify
from ganetix.units.crypto import ClusterRenewCrypto
from ganetix.units.evacuation import PlanEvacuation
from ganetix.units.group import (
    GroupAdd,
    GroupAssignNodes,
    GroupModify,
    GroupRemove,
    GroupRename,
)
from ganetix.units.instance_clear import InstanceCleanup
from ganetix.units.instance_create import InstanceCreate
from ganetix.units.instance_failover import InstanceFailover
from ganetix.units.instance_migrate import InstanceMigrate
from ganetix.units.instance_run import (
    InstanceReboot,
    InstanceRemove,
    InstanceShutdown,
    InstanceStartup,
)
from ganetix.units.node import NodeAdd, NodeEnrol, NodeRemove
from ganetix.units.node_modify import NodeModify, NodePowercycle
from ganetix.units.reach import ReachRpc
from ganetix.units.remote import NodesCommand, NodesCopyFile
from ganetix.units.tags import TagsEdit
from ganetix.units.test import TestDelay

# Each unit's own types meet only here; gather, plan and act of one unit agree.
UNITS: dict[type[ops.Opcode], Unit[Any, Any, Any]] = {
    ops.OpClusterDestroy: ClusterDestroy(),
    ops.OpClusterModify: ClusterModify(),
    ops.OpClusterRedistribute: ClusterRedistribute(),
    ops.OpClusterRename: ClusterRename(),
    ops.OpClusterRenewCrypto: ClusterRenewCrypto(),
    ops.OpClusterVerify: ClusterVerify(),
    ops.OpClusterBalance: ClusterBalance(),
    ops.OpClusterExport: ClusterExport(),
    ops.OpComputeCapacity: ComputeCapacity(),
    ops.OpEvacuationPlan: PlanEvacuation(),
    ops.OpGroupAdd: GroupAdd(),
    ops.OpGroupAssignNodes: GroupAssignNodes(),
    ops.OpGroupModify: GroupModify(),
    ops.OpGroupRemove: GroupRemove(),
    ops.OpGroupRename: GroupRename(),
    ops.OpInstanceCleanup: InstanceCleanup(),
    ops.OpInstanceCreate: InstanceCreate(),
    ops.OpInstanceFailover: InstanceFailover(),
    ops.OpInstanceMigrate: InstanceMigrate(),
    ops.OpInstanceReboot: InstanceReboot(),
    ops.OpInstanceRemove: InstanceRemove(),
    ops.OpInstanceShutdown: InstanceShutdown(),
    ops.OpInstanceStartup: InstanceStartup(),
    ops.OpNodeAdd: NodeAdd(),
    ops.OpNodeEnrol: NodeEnrol(),
    ops.OpNodeModify: NodeModify(),
    ops.OpNodePowercycle: NodePowercycle(),
    ops.OpNodeRemove: NodeRemove(),
    ops.OpNodesCommand: NodesCommand(),
    ops.OpNodesCopyFile: NodesCopyFile(),
    ops.OpTagsAdd: TagsEdit(with_tags),
    ops.OpTagsRemove: TagsEdit(without_tags),
    ops.OpTestDelay: TestDelay(),
}


MOST_CONFINED = 1024


class LogicalUnits:
    """The job queue's worker."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # Most opcodes of a kind are about one of few groups: making this anew each time
        # took a good part of what starting an opcode does.
        self._confined = lru_cache(MOST_CONFINED)(self._confined_to)

    def locks_for(self, op: ops.Opcode, snapshot: Snapshot) -> LockPlan:
        """The locks of an opcode; ``NotFound`` if it names what is not there."""
        return locks_for(op, snapshot)

    async def run(self, op: ops.Opcode, progress: Progress, locks: LockPlan) -> Outcome:
        """Gather, plan, act; all locks are held by the caller."""
        try:
            unit = UNITS[type(op)]
        except KeyError as error:
            raise Bug(f"no unit for {type(op).__name__}") from error
        op_name = ops.opcode_id(op)
        with WorkingOn(progress.job_id, op_name):
            context = Context(self._services_for(op_name, locks), progress)
            if not isinstance(unit, BeginsLate):
                await progress.begun()
            facts = await unit.gather(op, context)
            progress.check_cancelled()
            plan = unit.plan(op, facts)
            return await unit.act(op, context, plan)

    def _services_for(self, op_name: str, locks: LockPlan) -> Services:
        """The world, with those nodes in reach that the opcode's locks are about."""
        groups = reach_of(locks, self._services.config.snapshot())
        if groups is None:
            return self._services
        return self._confined(op_name, groups)

    def _confined_to(self, op_name: str, groups: frozenset[str]) -> Services:
        rpc = ReachRpc(self._services.rpc, op_name, groups)
        return replace(self._services, rpc=rpc)
