"""The opcode that renews certificates."""

from __future__ import annotations

from ganetix.opcodes.base import Opcode


class OpClusterRenewCrypto(Opcode, frozen=True, kw_only=True):
    """Give nodes new certificates, or the cluster a new CA and all nodes new ones.

    Work on these ``nodes`` (names or UUIDs), or on all. A new CA comes into use once
    every node trusts it, and the old one goes once every node has a certificate of the
    new one; with ``force`` nodes that do not answer are left behind.
    """

    new_node_certificates: bool = False
    new_ca: bool = False
    nodes: tuple[str, ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        if not self.new_node_certificates and not self.new_ca:
            raise ValueError(
                "nothing to renew: say --new-node-certificates or --new-ca"
            )
        if len({*self.nodes}) < len(self.nodes):
            raise ValueError("nodes: one is named twice")
