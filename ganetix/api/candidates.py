"""The master candidates as ``gnt-cluster info`` shows them."""

from __future__ import annotations

from ganetix.api.types import CandidateInfo
from ganetix.config.snapshot import Snapshot
from ganetix.query.table import by_name
from ganetix.state.replicate import Replicator


def candidate_infos(
    snapshot: Snapshot, replicator: Replicator
) -> tuple[CandidateInfo, ...]:
    """The master, and how far each of the other candidates has come; by name."""
    master = CandidateInfo(
        name=snapshot.nodes[snapshot.cluster.master_node].name,
        is_master=True,
        revision=replicator.head,
        in_step=True,
    )
    others = [
        CandidateInfo(
            name=snapshot.nodes[state.uuid].name,
            revision=state.revision,
            in_step=state.is_in_step,
            problem=state.problem,
        )
        for state in replicator.candidates()
        if state.uuid in snapshot.nodes
    ]
    return tuple(sorted((master, *others), key=lambda each: by_name(each.name)))
