"""Units that carry commands and files to nodes, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from ganetix.config.snapshot import Snapshot
from ganetix.errors import GanetixError
from ganetix.flow.pool import for_each
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.output import log_line
from ganetix.objects.remote import MOST_LINES_OF_ALL, CommandRun, FileOffer, FilePart
from ganetix.opcodes.remote import OpNodesCommand, OpNodesCopyFile
from ganetix.plan.remote import left_out, targets
from ganetix.rpc.methods import COMMAND_RUN, FILE_COMMIT, FILE_OFFER, FILE_WRITE
from ganetix.units.base import Context


class NodeEnd(Value, frozen=True, kw_only=True):
    """How it went on one node; ``error`` is empty if it was done and told whole."""

    node: str
    status: int = 0
    error: str = ""


class NodesCommand:
    """``OpNodesCommand``: run it everywhere, and tell how it ended where."""

    async def gather(self, op: OpNodesCommand, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpNodesCommand, facts: Snapshot) -> tuple[Node, ...]:
        """The nodes."""
        return targets(op, facts)

    async def act(
        self, op: OpNodesCommand, context: Context, plan: tuple[Node, ...]
    ) -> Outcome:
        """Run it on so many at a time."""

        told_of_all = 0

        async def run(node: Node) -> NodeEnd:
            told = 0

            def tell(line: str) -> None:
                nonlocal told, told_of_all
                if told_of_all < MOST_LINES_OF_ALL:
                    told += 1
                    told_of_all += 1
                    context.say(log_line(node.name, line))

            ended = await context.services.rpc.call(
                node,
                COMMAND_RUN,
                CommandRun(command=op.command, timeout_seconds=op.timeout_seconds),
                tell,
            )
            if ended.status:
                context.progress.warn(f"{node.name}: exit status {ended.status}")
            missing = ended.told_lines + ended.hidden_lines - told
            if missing > 0:
                error = f"{missing} lines of its output are missing, {told} are there"
                context.progress.warn(f"{node.name}: {error}")
                return NodeEnd(node=node.name, status=ended.status or 255, error=error)
            return NodeEnd(node=node.name, status=ended.status)

        return await _on_each(op, context, plan, run)


class NodesCopyFile:
    """``OpNodesCopyFile``: the file whole on each node, or as it was."""

    async def gather(
        self, op: OpNodesCopyFile, context: Context
    ) -> tuple[Snapshot, FileOffer]:
        """The configuration, and the file as it is here."""
        return context.snapshot, await context.services.files.describe(op.path)

    def plan(
        self, op: OpNodesCopyFile, facts: tuple[Snapshot, FileOffer]
    ) -> tuple[tuple[Node, ...], FileOffer]:
        """The nodes, and what they are offered."""
        snapshot, offer = facts
        return targets(op, snapshot), offer

    async def act(
        self,
        op: OpNodesCopyFile,
        context: Context,
        plan: tuple[tuple[Node, ...], FileOffer],
    ) -> Outcome:
        """Send what each node lacks, so many nodes at a time."""
        nodes, offer = plan

        async def copy(node: Node) -> NodeEnd:
            state = await context.call(node, FILE_OFFER, offer)
            if state.is_same:
                context.say(f"{node.name}: has it already")
                return NodeEnd(node=node.name)
            offset = state.received if state.received <= offer.size else 0
            while data := await context.services.files.read(op.path, offset):
                context.progress.check_cancelled()
                part = FilePart(
                    path=op.path, sha256=offer.sha256, offset=offset, data=data
                )
                await context.call(node, FILE_WRITE, part)
                offset += len(data)
            await context.call(node, FILE_COMMIT, offer)
            context.say(f"{node.name}: {offer.size} bytes")
            return NodeEnd(node=node.name)

        return await _on_each(op, context, nodes, copy)


async def _on_each(
    op: OpNodesCommand | OpNodesCopyFile,
    context: Context,
    nodes: tuple[Node, ...],
    work: Callable[[Node], Coroutine[Deferred[Any], Any, NodeEnd]],
) -> Outcome:
    """The outcome of ``work`` on all nodes; what fails on one is its own affair."""
    for name in left_out(op, context.snapshot):
        context.progress.warn(f"{name} is offline: left out")
    ends: list[NodeEnd] = []

    async def one(node: Node) -> None:
        context.progress.check_cancelled()
        try:
            ends.append(await work(node))
        except GanetixError as error:
            context.progress.check_cancelled()
            context.progress.warn(f"{node.name}: {error.message}")
            ends.append(NodeEnd(node=node.name, status=255, error=error.message))

    await for_each(nodes, one, op.parallel)
    ends.sort(key=lambda end: end.node)
    return Outcome(result={"nodes": ends})
