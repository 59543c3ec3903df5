"""Tests of worker processes, real ones."""

from __future__ import annotations

import os

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, gatherResults
from twisted.trial.unittest import TestCase

from ganetix.allocators.pool import WorkerPool
from ganetix.errors import BadParameter, Unavailable
from ganetix.plan.allocate import answer
from ganetix.plan.capacity.model import (
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    Spec,
    TieredRequest,
)
from ganetix.plan.capacity.requests import (
    Allocate,
    AnyRequest,
    Capacity,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
)
from ganetix.plan.capacity.tiered import tiered
from ganetix.plan.capacity.work import AllocateWork, TieredWork


def work_of(nodes: int, *instances: CapInstance) -> TieredWork:
    """A group of equal nodes to be filled."""
    cluster = CapCluster(
        groups=(CapGroup(uuid="g", name="g"),),
        nodes=tuple(
            CapNode(
                name=f"n{number}",
                group="g",
                total_memory=16384,
                free_memory=16384,
                total_disk=1 << 20,
                free_disk=1 << 20,
                total_cpus=16,
            )
            for number in range(nodes)
        ),
        instances=instances,
    )
    spec = Spec(memory=1024, disk=10240, vcpus=1)
    request = TieredRequest(template="drbd", specs=(spec,), spindle_use=1)
    return TieredWork(cluster=cluster, request=request)


class WorkerTests(TestCase):
    """What is computed elsewhere."""

    timeout = 180

    def setUp(self) -> None:
        """Two processes at most."""
        self.pool = WorkerPool(reactor, os.environ, 2)
        self.addCleanup(self.pool.stop)

    async def test_same_as_here(self) -> None:
        """Results are those of the function, more of them than there are processes."""
        works = [work_of(nodes) for nodes in (3, 4, 5, 6)]
        results = await gatherResults([self.pool.compute(work) for work in works])
        expected = [tiered(work.cluster, work.request) for work in works]
        self.assertEqual(results, expected)

    async def test_allocation(self) -> None:
        """Each kind of answer to an allocation request arrives as it is given here."""
        newcomer = Newcomer(
            name="i", memory=1024, vcpus=1, disk=10240, disks=(10240,), template="plain"
        )
        cluster = work_of(3).cluster
        requests: tuple[AnyRequest, ...] = (
            Allocate(instance=newcomer),
            MultiAllocate(instances=(newcomer,)),
            NodeEvacuate(instances=(), mode="all"),
            Capacity(),
        )
        for request in requests:
            result = await self.pool.compute(
                AllocateWork(cluster=cluster, request=request)
            )
            self.assertEqual(result, answer(cluster, request))
            self.assertIsNotNone(result.result)

    async def test_refusal(self) -> None:
        """What the computation refuses arrives as the same error."""
        stray = CapInstance(name="i", memory=1, disk=1, vcpus=1, primary="nowhere")
        asked = self.pool.compute(work_of(3, stray))
        error = await self.assertFailure(asked, BadParameter)
        self.assertIn("nowhere", str(error))

    async def test_cancelled(self) -> None:
        """Cancelling ends a long computation at once, and others go on."""
        long = self.pool.compute(work_of(400))
        long.cancel()
        await self.assertFailure(long, CancelledError)
        result = await self.pool.compute(work_of(3))
        self.assertTrue(result.tspecs)

    async def test_stopped(self) -> None:
        """After the end nothing is computed any more."""
        await self.pool.stop()
        await self.assertFailure(self.pool.compute(work_of(3)), Unavailable)
