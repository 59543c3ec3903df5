"""``OpEvacuationPlan``: an allocator is asked once where many instances go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import to_builtins

from ganetix.config.snapshot import Snapshot
from ganetix.errors import GanetixError, NoResources, RemoteFailure
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import NodeInfo
from ganetix.opcodes.capacity import OpEvacuationPlan
from ganetix.plan.capacity.requests import (
    BUILTIN,
    AnyRequest,
    ChangeGroup,
    Moves,
    NodeEvacuate,
    NotPlaced,
)
from ganetix.plan.evacuation import (
    EvacuationPlan,
    MovedInstance,
    Rest,
    groups_of,
    those_that_stay,
    with_closed,
)
from ganetix.units.base import Context
from ganetix.units.node_states import ask_each, states_of
from ganetix.units.placing import allocator_name, ask, described


class EvacuationFacts(Value, frozen=True, kw_only=True):
    """The configuration, what the nodes concerned said, and who stays anyhow."""

    snapshot: Snapshot
    infos: dict[str, NodeInfo]
    staying: tuple[NotPlaced, ...]


class PlanEvacuation:
    """``OpEvacuationPlan``: nothing is moved."""

    async def gather(self, op: OpEvacuationPlan, context: Context) -> EvacuationFacts:
        """Ask the nodes of all groups concerned."""
        snapshot = context.snapshot
        nodes = [
            node for uuid in groups_of(op, snapshot) for node in snapshot.nodes_of(uuid)
        ]

        def not_heard(node: Node, error: GanetixError) -> None:
            context.progress.warn(f"{node.name} counts as offline: {error.message}")

        templates = snapshot.cluster.enabled_disk_templates
        return EvacuationFacts(
            snapshot=snapshot,
            infos=await ask_each(context, nodes, templates, not_heard),
            staying=those_that_stay(op, snapshot),
        )

    def plan(self, op: OpEvacuationPlan, facts: EvacuationFacts) -> EvacuationFacts:
        """It is the allocator that decides."""
        return facts

    async def act(
        self, op: OpEvacuationPlan, context: Context, plan: EvacuationFacts
    ) -> Outcome:
        """Ask it."""
        staying = {each.instance for each in plan.staying}
        leaving = [name for name in op.instances if name not in staying]
        found = await _asked(op, context, plan, leaving) if leaving else ((), ())
        return Outcome(
            result=to_builtins(
                EvacuationPlan(moves=found[0], stays=(*plan.staying, *found[1]))
            )
        )


async def _asked(
    op: OpEvacuationPlan, context: Context, facts: EvacuationFacts, names: list[str]
) -> tuple[tuple[MovedInstance, ...], tuple[NotPlaced, ...]]:
    """Who goes where, and who finds no place."""
    snapshot = facts.snapshot
    name = allocator_name(op.iallocator, snapshot)
    groups = groups_of(op, snapshot)
    cluster = await described(context, snapshot, facts.infos, groups)
    cluster = with_closed(cluster, op, snapshot)
    moves: list[MovedInstance] = []
    failed: list[NotPlaced] = []
    for request in _requests(op, snapshot, names):
        answer = await ask(context, name, cluster, request)
        if answer.result is None:
            raise NoResources(f"allocator {name} found no places: {answer.info}")
        if not isinstance(answer.result, Moves):
            raise RemoteFailure(f"allocator {name} answered another question")
        moves += (
            MovedInstance(
                instance=moved.instance,
                source=_home(moved.instance, snapshot).name,
                target=moved.nodes[0],
            )
            for moved in answer.result.moved
        )
        failed += answer.result.failed
    others: list[MovedInstance | NotPlaced] = [*failed]
    if name == BUILTIN:
        rest = Rest(op, snapshot, moves, states_of(facts.infos, "diskless"))
        others = [rest.place(each) for each in failed]
    return (
        (*moves, *(each for each in others if isinstance(each, MovedInstance))),
        tuple(each for each in others if isinstance(each, NotPlaced)),
    )


def _requests(
    op: OpEvacuationPlan, snapshot: Snapshot, names: Iterable[str]
) -> Iterator[AnyRequest]:
    """One question for those that stay in their group, one for those that change it."""
    group = None if op.group is None else snapshot.group(op.group).uuid
    staying: list[str] = []
    changing: list[str] = []
    for name in names:
        is_home = group is None or _home(name, snapshot).group == group
        (staying if is_home else changing).append(name)
    if staying:
        yield NodeEvacuate(instances=tuple(staying), mode="primary-only")
    if group is not None and changing:
        yield ChangeGroup(instances=tuple(changing), target_groups=(group,))


def _home(instance: str, snapshot: Snapshot) -> Node:
    return snapshot.nodes[snapshot.instance(instance).primary_node]
