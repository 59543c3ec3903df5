"""All allocators behind one door: the built-in one, and programs."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed

from ganetix.allocators.external import ExternalAllocators
from ganetix.allocators.htools_text import write_text
from ganetix.allocators.pool import WorkerPool
from ganetix.interfaces import Say
from ganetix.plan.capacity.model import CapCluster, TieredRequest, TieredResult
from ganetix.plan.capacity.requests import (
    BUILTIN,
    Allocate,
    Answer,
    AnyRequest,
    Comparison,
)
from ganetix.plan.capacity.work import (
    AllocateWork,
    BalanceWork,
    CompareWork,
    ExplainWork,
    TieredWork,
)


class Allocators:
    """Computes capacity, and asks allocators by name.

    :param pool: where the built-in allocator computes
    """

    def __init__(self, pool: WorkerPool, external: ExternalAllocators) -> None:
        self._pool = pool
        self._external = external

    def tiered(
        self, cluster: CapCluster, request: TieredRequest
    ) -> Deferred[TieredResult]:
        """What fits; cancelling ends the computation."""
        return self._pool.compute(TieredWork(cluster=cluster, request=request))

    def explained(
        self, cluster: CapCluster, request: TieredRequest, changes: Sequence[str]
    ) -> Deferred[tuple[str, ...]]:
        """Why no more fit, and what changes would bring: printable lines."""
        work = ExplainWork(cluster=cluster, request=request, changes=tuple(changes))
        return self._pool.compute(work)

    def compared(self, cluster: CapCluster, request: Allocate) -> Deferred[Comparison]:
        """How the built-in allocator decides on a new instance."""
        return self._pool.compute(CompareWork(cluster=cluster, request=request))

    def balanced(
        self, cluster: CapCluster, max_moves: int | None
    ) -> Deferred[dict[str, object]]:
        """How to balance: a ``BalancePlan`` as JSON values."""
        return self._pool.compute(BalanceWork(cluster=cluster, max_moves=max_moves))

    def exported(self, cluster: CapCluster) -> str:
        """The cluster in htools' text format."""
        return write_text(cluster)

    def find(self, name: str) -> Deferred[None]:
        """Fail with ``NotFound`` or ``BadParameter`` if there is no such allocator."""
        return succeed(None) if name == BUILTIN else self._external.find(name)

    def ask(
        self,
        name: str,
        cluster: CapCluster,
        request: AnyRequest,
        hypervisors: Sequence[str],
        say: Say,
    ) -> Deferred[Answer]:
        """What an allocator answers, checked; ``builtin`` is always there.

        Fails as :meth:`ExternalAllocators.ask` does.
        """
        if name == BUILTIN:
            return self._pool.compute(AllocateWork(cluster=cluster, request=request))
        return self._external.ask(
            name, cluster, request, enabled_hypervisors=hypervisors, say=say
        )
