"""Allocation without processes: computed at once, where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import to_builtins
from twisted.internet.defer import Deferred, execute, fail, succeed

from ganetix.allocators.htools_text import write_text
from ganetix.errors import NotFound
from ganetix.interfaces import Say
from ganetix.plan.allocate import answer, balance, compared
from ganetix.plan.capacity import in_words
from ganetix.plan.capacity.model import CapCluster, TieredRequest, TieredResult
from ganetix.plan.capacity.requests import (
    BUILTIN,
    Allocate,
    Answer,
    AnyRequest,
    Comparison,
)
from ganetix.plan.capacity.tiered import tiered

Program = Callable[[CapCluster, AnyRequest], Answer]


class InlineAllocation:
    """Answers at once; ``programs`` are allocators beside the built-in one, by name.

    ``asked`` is what allocators were asked, ``computed`` the requests for tiered specs.
    """

    def __init__(self) -> None:
        self.programs: dict[str, Program] = {}
        self.asked: list[tuple[str, AnyRequest]] = []
        self.computed: list[TieredRequest] = []

    def tiered(
        self, cluster: CapCluster, request: TieredRequest
    ) -> Deferred[TieredResult]:
        """What fits."""
        self.computed.append(request)
        return execute(tiered, cluster, request)

    def explained(
        self, cluster: CapCluster, request: TieredRequest, changes: Sequence[str]
    ) -> Deferred[tuple[str, ...]]:
        """Why no more fit, and what changes would bring: printable lines."""
        return execute(in_words.explained, cluster, request, changes)

    def compared(self, cluster: CapCluster, request: Allocate) -> Deferred[Comparison]:
        """How the built-in allocator decides on a new instance."""
        return execute(compared, cluster, request)

    def balanced(
        self, cluster: CapCluster, max_moves: int | None
    ) -> Deferred[dict[str, object]]:
        """How to balance: a ``BalancePlan`` as JSON values."""
        return execute(lambda: to_builtins(balance(cluster, max_moves=max_moves)))

    def exported(self, cluster: CapCluster) -> str:
        """The cluster in htools' text format."""
        return write_text(cluster)

    def find(self, name: str) -> Deferred[None]:
        """Fail if there is no such allocator."""
        if name == BUILTIN or name in self.programs:
            return succeed(None)
        return fail(NotFound(f"there is no allocator {name}"))

    def ask(
        self,
        name: str,
        cluster: CapCluster,
        request: AnyRequest,
        hypervisors: Sequence[str],
        say: Say,
    ) -> Deferred[Answer]:
        """What the program of that name answers."""
        self.asked.append((name, request))
        if name == BUILTIN:
            return execute(answer, cluster, request)
        if name not in self.programs:
            return fail(NotFound(f"there is no allocator {name}"))
        return execute(self.programs[name], cluster, request)
