"""Units for trying things out."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from ganetix.errors import Refused
from ganetix.flow.settle import settle
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.node_calls import Delay
from ganetix.opcodes import OpTestDelay
from ganetix.rpc.methods import DELAY, Nothing
from ganetix.units.base import BeginsLate, Context

SLICE_SECONDS = 0.5


class TestDelay(BeginsLate):
    """``OpTestDelay``: wait on the master, then on the nodes named."""

    async def gather(self, op: OpTestDelay, context: Context) -> tuple[Node, ...]:
        """The nodes."""
        return tuple(context.snapshot.node(name) for name in op.on_nodes)

    def plan(self, op: OpTestDelay, facts: tuple[Node, ...]) -> tuple[Node, ...]:
        """Nothing to decide."""
        return facts

    async def act(
        self, op: OpTestDelay, context: Context, plan: tuple[Node, ...]
    ) -> Outcome:
        """Wait in slices, so that it can be cancelled."""
        if op.duration or plan:
            await context.progress.begun()
        for number in range(op.log_lines):
            context.say(f"line {number + 1} of {op.log_lines}")
        if op.on_master:
            await self._wait(op.duration, context)
        if plan:
            await settle([self._on_node(op.duration, context, node) for node in plan])
        if op.fail:
            raise Refused("this delay was asked to fail")
        return Outcome(result={"duration": op.duration})

    async def _wait(self, seconds: float, context: Context) -> None:
        clock = context.services.clock
        end = clock.seconds() + seconds
        while (left := end - clock.seconds()) > 0:
            context.progress.check_cancelled()
            await deferLater(clock, min(left, SLICE_SECONDS))
        context.progress.check_cancelled()

    def _on_node(
        self, seconds: float, context: Context, node: Node
    ) -> Deferred[Nothing]:
        call = context.call(node, DELAY, Delay(duration=seconds))
        return Deferred.fromCoroutine(call)
