"""The built-in allocator: where instances go, why, and how to balance a cluster.

It answers as hail does; nodes and groups are tried in the cluster's order.
"""

from ganetix.plan.allocate.answers import answer

__all__ = ["answer"]
