"""New certificates for nodes, and a new CA for all: one node at a time may fail.

Old and new are accepted side by side until everybody has the new one, so the cluster
stays manageable all along, and whatever was cut short can be run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ganetix.config.snapshot import Snapshot
from ganetix.errors import GanetixError, NodeUnreachable, WrongState
from ganetix.flow.pool import for_each
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.crypto import (
    CaRenewal,
    CertificateInstall,
    CryptoState,
    Signed,
    TrustWrite,
)
from ganetix.objects.words import counted, some
from ganetix.opcodes import OpClusterRenewCrypto
from ganetix.plan.crypto import announced, begun, has_done, selected, stepped, switched
from ganetix.rpc.methods import (
    CERTIFICATE_INSTALL,
    CERTIFICATE_REQUEST,
    CRYPTO_STATE,
    TRUST_WRITE,
    Nothing,
)
from ganetix.units.base import Context
from ganetix.units.cluster_modify import let_nodes_know

AT_ONCE = 32


class ClusterRenewCrypto:
    """``OpClusterRenewCrypto``."""

    async def gather(self, op: OpClusterRenewCrypto, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpClusterRenewCrypto, facts: Snapshot) -> tuple[Node, ...]:
        """The nodes to work on."""
        return selected(op, facts)

    async def act(
        self, op: OpClusterRenewCrypto, context: Context, plan: tuple[Node, ...]
    ) -> Outcome:
        """Renew; fails at the end with the names of those that were left behind."""
        renewal = _Renewal(op, context)
        if op.new_ca:
            await renewal.renew_ca()
        else:
            await renewal.renew_certificates(plan)
        return Outcome(result={"nodes": sorted(renewal.renewed)})


class _Renewal:
    """One run of it; ``renewed`` are the names of nodes with new certificates."""

    def __init__(self, op: OpClusterRenewCrypto, context: Context) -> None:
        self._op = op
        self._context = context
        self._authorities = context.services.authorities
        self._failures: dict[str, str] = {}
        self._states: dict[str, CryptoState] = {}
        self.renewed: set[str] = set()

    async def renew_certificates(self, nodes: Iterable[Node]) -> None:
        """New certificates for these nodes, of the CA that signs now."""
        nodes = tuple(nodes)
        await self._ask(nodes)
        await self._certify([node for node in nodes if node.uuid in self._states])
        self._raise_failures()

    async def renew_ca(self) -> None:
        """Begin, or go on, and come as far as all nodes allow."""
        context = self._context
        current = context.snapshot.cluster.ca_renewal
        if current is None or (
            current.step == "trust" and not self._authorities.has_key(current)
        ):
            current = await self._begin(current)
        else:
            context.say("going on with the renewal of the CA")
        renewal: CaRenewal | None = current
        while renewal is not None:
            context.progress.check_cancelled()
            renewal = await self._step(renewal)
        context.say("the old CA is forgotten")

    async def _begin(self, before: CaRenewal | None) -> CaRenewal:
        context = self._context
        renewal = await self._authorities.prepare(context.snapshot.cluster.uuid)
        # The key is at the other candidates before anybody hears of the new CA.
        await self._authorities.share()
        await context.commit(lambda now: begun(now, renewal, before))
        context.say(f"the new CA has the fingerprint {renewal.fingerprint}")
        return renewal

    async def _step(self, renewal: CaRenewal) -> CaRenewal | None:
        """Take all nodes as far as the step goes; what follows it."""
        context, snapshot = self._context, self._context.snapshot
        self._failures.clear()
        members = [node for node in snapshot.nodes.values() if not node.offline]
        await self._ask(members)
        wanted = {node.uuid for node in selected(self._op, snapshot)}
        left = [
            node
            for node in members
            if node.uuid in self._states
            and not has_done(renewal, self._states[node.uuid])
        ]
        todo = [node for node in left if node.uuid in wanted]
        if todo:
            context.say(f"{_STEP_LINES[renewal.step]}: {counted(len(todo), 'node')}")
        if renewal.step == "certificates":
            await self._certify(todo)
        else:
            await self._entrust(todo, self._authorities.bundle(renewal))
        await self._keep_keys(renewal)
        ready = {u for u, state in self._states.items() if has_done(renewal, state)}
        for node in snapshot.nodes.values():
            if node.offline:
                self._failures[node.name] = "is offline"
            elif node in left and node not in todo:
                self._failures[node.name] = "was not named"
        if self._failures and not self._op.force:
            raise WrongState(
                f"the new CA waits for {_listed(self._failures)}; the old one is"
                " trusted until then. 'gnt-cluster renew-crypto --new-ca' goes on, and"
                " with --force leaves them behind"
            )
        for name, reason in sorted(self._failures.items()):
            context.progress.warn(f"{name} is left behind: {reason}")
        if renewal.step == "drop":
            await self._authorities.finish(renewal)
            await self._authorities.share()
        done = await context.commit(
            lambda now: stepped(now, renewal, ready, force=self._op.force)
        )
        return done.cluster.ca_renewal

    async def _keep_keys(self, renewal: CaRenewal) -> None:
        """No candidate may be without the key of the CA that comes into use."""
        if renewal.step == "trust":
            for name in await self._authorities.share():
                self._failures.setdefault(name, "has not got the new CA's key")

    async def _ask(self, nodes: Iterable[Node]) -> None:
        """Hear what nodes have; what switched in an earlier run is on record then."""
        self._states.clear()

        async def ask(node: Node) -> None:
            try:
                self._states[node.uuid] = await self._context.call(
                    node, CRYPTO_STATE, Nothing()
                )
            except GanetixError as error:
                self._failures[node.name] = str(error)

        await for_each(nodes, ask, AT_ONCE)
        await self._record()

    async def _record(self) -> None:
        """Put on record which certificates nodes have, and no others."""
        has = {uuid: state.certificate for uuid, state in self._states.items()}
        await self._context.commit(lambda now: switched(now, has))

    async def _entrust(self, nodes: Iterable[Node], authorities: str) -> None:
        request = TrustWrite(authorities=authorities)

        async def entrust(node: Node) -> None:
            try:
                self._states[node.uuid] = await self._context.call(
                    node, TRUST_WRITE, request
                )
            except GanetixError as error:
                self._failures[node.name] = str(error)

        await for_each(nodes, entrust, AT_ONCE)
        await self._authorities.reload()

    async def _certify(self, nodes: Iterable[Node]) -> None:
        """Announce new certificates, have the nodes take them, forget the old ones."""
        context = self._context
        nodes = tuple(nodes)
        signed = await self._signed(nodes)
        fingerprints = {uuid: each.fingerprint for uuid, each in signed.items()}
        await context.commit(lambda now: announced(now, fingerprints))
        takers = [node for node in nodes if node.uuid in signed]
        held = await self._held_back(takers)
        takers = [node for node in takers if node.uuid not in held]
        context.progress.check_cancelled()
        own = context.snapshot.cluster.master_node
        await self._install([n for n in takers if n.uuid != own], signed)
        await self._install([n for n in takers if n.uuid == own], signed)
        if any(node.uuid == own for node in takers):
            # Before the old certificate is forgotten: nodes refuse it from then on.
            await self._authorities.reload()
        await self._record()
        await let_nodes_know(context)

    async def _signed(self, nodes: Iterable[Node]) -> dict[str, Signed]:
        renewal = self._context.snapshot.cluster.ca_renewal
        signed: dict[str, Signed] = {}

        async def sign(node: Node) -> None:
            try:
                request = await self._context.call(node, CERTIFICATE_REQUEST, Nothing())
                signed[node.uuid] = self._authorities.sign(
                    renewal, node.uuid, request.text
                )
            except GanetixError as error:
                self._failures[node.name] = str(error)

        await for_each(nodes, sign, AT_ONCE)
        return signed

    async def _held_back(self, nodes: Iterable[Node]) -> set[str]:
        """UUIDs of master candidates that must keep their certificates for now.

        A node that has not learnt the new ones would obey them no more, and could not
        be told: nobody can reach it but they.
        """
        snapshot = self._context.snapshot
        master = snapshot.cluster.master_node
        candidates = [n for n in nodes if n.master_candidate or n.uuid == master]
        if not candidates:
            return set()
        behind = {*await self._context.services.distribution.settled()}
        behind |= {n.name for n in snapshot.nodes.values() if n.offline}
        if not behind:
            return set()
        if self._op.force:
            self._context.progress.warn(
                f"{some(behind)} will not obey the new certificates: 'gnt-node add"
                " --readd' brings them back"
            )
            return set()
        for node in candidates:
            self._failures[node.name] = (
                f"{some(behind)} did not hear of the master candidate's new certificate"
            )
        return {node.uuid for node in candidates}

    async def _install(
        self, nodes: Iterable[Node], signed: Mapping[str, Signed]
    ) -> None:
        async def install(node: Node) -> None:
            request = CertificateInstall(certificate=signed[node.uuid].text)
            try:
                self._states[node.uuid] = await self._context.call(
                    node, CERTIFICATE_INSTALL, request
                )
            except GanetixError as error:
                self._failures[node.name] = str(error)
            else:
                self.renewed.add(node.name)
                self._context.say(f"{node.name} has a new certificate")

        await for_each(nodes, install, AT_ONCE)

    def _raise_failures(self) -> None:
        if self._failures:
            raise NodeUnreachable(
                f"without a new certificate: {_listed(self._failures)}; 'gnt-cluster"
                " renew-crypto --new-node-certificates --node NODE' does it later"
            )


_STEP_LINES = {
    "trust": "having nodes trust the new CA beside the old one",
    "certificates": "giving nodes certificates of the new CA",
    "drop": "having nodes forget the old CA",
}


def _listed(failures: Mapping[str, str]) -> str:
    return some(f"{name} ({reason})" for name, reason in failures.items())
