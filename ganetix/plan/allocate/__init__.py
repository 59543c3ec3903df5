"""The built-in allocator: where instances go, why, and how to balance a cluster.

It answers as hail does; nodes and groups are tried in the cluster's order.
"""

from ganetix.plan.allocate.answers import answer
from ganetix.plan.allocate.balance import balance
from ganetix.plan.allocate.balance_plan import BalanceMove, BalancePlan
from ganetix.plan.allocate.explain import compared

__all__ = [
    "BalanceMove",
    "BalancePlan",
    "answer",
    "balance",
    "compared",
]
