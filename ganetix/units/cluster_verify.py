"""Verifying one group: ask its nodes, and compare."""

from __future__ import annotations

from msgspec import to_builtins
from twisted.internet.defer import Deferred

from ganetix.config.replicate import candidates_of
from ganetix.config.snapshot import Snapshot
from ganetix.config.ssconf import ssconf_files
from ganetix.errors import GanetixError, VersionMismatch
from ganetix.flow.pool import for_each
from ganetix.flow.settle import settle
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.finding import Finding
from ganetix.objects.node_calls import NodeVerify
from ganetix.objects.replica_calls import ReplicaStatus
from ganetix.objects.words import counted
from ganetix.opcodes import OpClusterVerify
from ganetix.plan.verify import NEIGHBOURS, Heard, question, verify
from ganetix.plan.verify_node import Expected, neighbours
from ganetix.rpc.methods import NODE_VERIFY, REPLICA_STATUS, Nothing
from ganetix.units.base import Context
from ganetix.units.instance_clear import clear_intent, forget

NAMES_AT_ONCE = 4
NAMES_SECONDS = 1.0
"""Names that are not resolved so long after all nodes have answered are let be."""


class VerifyFacts(Value, frozen=True, kw_only=True):
    """What one group's nodes answered, and what the master holds true."""

    snapshot: Snapshot
    group_uuid: str
    expected: Expected
    heard: Heard


class ClusterVerify:
    """``OpClusterVerify``: one group."""

    async def gather(self, op: OpClusterVerify, context: Context) -> VerifyFacts:
        """Clear what was cut short if that is wanted; then ask every node once."""
        group = context.snapshot.group(op.group)
        if op.repair:
            await _repair(context, group.uuid)
        behind = await context.services.distribution.settled(group.uuid)
        for name in behind:
            context.progress.warn(f"ssconf did not reach {name}")
        snapshot = context.snapshot
        nodes = [n for n in snapshot.nodes_of(group.uuid) if not n.offline]
        context.say(f"verifying group {group.name}: {counted(len(nodes), 'node')}")
        authorities = context.services.authorities
        renewal = snapshot.cluster.ca_renewal
        expected = Expected(
            version=context.services.version,
            now=context.now,
            trust=authorities.trust(renewal),
            ca_expires=authorities.expires(renewal),
            ssconf=ssconf_files(snapshot),
            secrets=await authorities.secrets(),
        )
        questions = _Questions(context, snapshot, nodes)
        await questions.ask()
        newest = context.snapshot
        return VerifyFacts(
            snapshot=snapshot,
            group_uuid=group.uuid,
            expected=expected,
            heard=Heard(
                reports=questions.reports,
                failures=questions.failures,
                other_versions=questions.other_versions,
                replicas=questions.replicas,
                resolved=questions.resolved,
                cut_short=_cut_short(context, newest) & snapshot.intents.keys(),
                moving=_moved(snapshot, newest),
            ),
        )

    def plan(self, op: OpClusterVerify, facts: VerifyFacts) -> tuple[Finding, ...]:
        """The findings."""
        return verify(
            facts.snapshot,
            facts.group_uuid,
            facts.expected,
            facts.heard,
            op.ignore_errors,
        )

    async def act(
        self, op: OpClusterVerify, context: Context, plan: tuple[Finding, ...]
    ) -> Outcome:
        """Report."""
        snapshot = context.snapshot
        group = snapshot.group(op.group)
        nodes = snapshot.nodes_of(group.uuid)
        return Outcome(
            result={
                "findings": to_builtins(plan),
                "groups": [group.name],
                "checked_nodes": len(nodes),
                "checked_instances": sum(
                    len(snapshot.instances_on(node.uuid)) for node in nodes
                ),
            }
        )


class _Questions:
    """Everything that is asked about some nodes, and the answers so far."""

    def __init__(self, context: Context, snapshot: Snapshot, nodes: list[Node]) -> None:
        self._context = context
        self._snapshot = snapshot
        self._nodes = nodes
        self.reports: dict[str, NodeVerify] = {}
        self.failures: dict[str, str] = {}
        self.other_versions: dict[str, str] = {}
        self.replicas: dict[str, ReplicaStatus | str] = {}
        self.resolved: dict[str, tuple[str, ...]] = {}

    async def ask(self) -> None:
        """Ask all at once; what fails is an answer, too."""
        candidates = candidates_of(self._snapshot)
        keep = [node for node in self._nodes if node.uuid in candidates]
        names = Deferred.fromCoroutine(self._resolve_all())
        await settle(
            [
                *(Deferred.fromCoroutine(self._verify(node)) for node in self._nodes),
                *(Deferred.fromCoroutine(self._look_at(node)) for node in keep),
            ]
        )
        clock = self._context.services.clock
        await names.addTimeout(NAMES_SECONDS, clock, lambda result, _: None)

    async def _verify(self, node: Node) -> None:
        ring = neighbours(self._nodes, node, NEIGHBOURS)
        request = question(self._snapshot, node, ring)
        try:
            self.reports[node.uuid] = await self._context.call(
                node, NODE_VERIFY, request
            )
        except VersionMismatch as error:
            self.other_versions[node.uuid] = str(error)
        except GanetixError as error:
            self.failures[node.uuid] = str(error)

    async def _look_at(self, node: Node) -> None:
        try:
            status = await self._context.call(node, REPLICA_STATUS, Nothing())
        except GanetixError as error:
            self.replicas[node.uuid] = str(error)
        else:
            self.replicas[node.uuid] = status

    async def _resolve_all(self) -> None:
        await for_each(self._nodes, self._resolve, NAMES_AT_ONCE)

    async def _resolve(self, node: Node) -> None:
        try:
            found = await self._context.services.resolve(node.name)
        except GanetixError:
            return  # Names need not be known: addresses are on record.
        self.resolved[node.uuid] = found


def _moved(old: Snapshot, new: Snapshot) -> frozenset[str]:
    """UUIDs of instances that came, changed or went: locks keep only old ones still."""
    return frozenset(
        uuid
        for before, after in (
            (old.instances, new.instances),
            (old.intents, new.intents),
        )
        if before is not after
        for uuid in before.keys() | after.keys()
        if before.get(uuid) is not after.get(uuid)
    )


def _cut_short(context: Context, snapshot: Snapshot) -> frozenset[str]:
    return frozenset(
        uuid
        for uuid, intent in snapshot.intents.items()
        if not context.services.is_active(intent.job_id)
    )


async def _repair(context: Context, group_uuid: str) -> None:
    snapshot = context.snapshot
    for uuid in _cut_short(context, snapshot):
        intent = snapshot.intents[uuid]
        nodes = (intent.instance.primary_node, intent.target_node)
        known = (snapshot.nodes[n] for n in nodes if n in snapshot.nodes)
        if any(node.group != group_uuid for node in known):
            continue
        try:
            await clear_intent(context, intent)
        except GanetixError as error:
            context.progress.warn(f"{intent.instance.name}: {error}")
        else:
            await forget(context, intent.instance)
