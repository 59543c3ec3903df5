"""Who may talk to whom, with real certificates and TLS on the loopback interface."""

from __future__ import annotations

import shutil
import stat
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from ganetix.bootstrap import token
from ganetix.bootstrap.enrol import enrol, issue_token
from ganetix.bootstrap.join import join
from ganetix.bootstrap.pki import load_key
from ganetix.errors import (
    AuthenticationFailed,
    NodeUnreachable,
    NotAllowed,
    WrongState,
)
from ganetix.objects import Node
from ganetix.objects.node import Enrolment, EnrolRequest
from ganetix.objects.node_calls import Delay, EnrolCall
from ganetix.opcodes import Opcode, OpNodeEnrol
from ganetix.paths import Paths
from ganetix.rpc.client import NodeRpc, creators_of
from ganetix.rpc.methods import DELAY, Nothing
from ganetix.rpc.server import Call
from ganetix.rpc.tls import NodeCreator, load_credentials
from ganetix.test.bootstrap.memory_config import MemoryConfig, first_config
from ganetix.test.functional.tls_nodes import TlsNode, client_of, node_at
from ganetix.testing.pki import (
    Identity,
    authority,
    join_identity,
    node_identity,
    node_uuid,
)

NOW = Delay(duration=0)


@implementer(IOpenSSLClientConnectionCreator)
class Careless(NodeCreator):
    """A client that checks nothing; without certificate, or with an old TLS."""

    def __init__(self, shown: Identity | None, newest_tls: int) -> None:
        self.problem = ""
        self._bare = SSL.Context(SSL.TLS_METHOD)
        self._bare.set_max_proto_version(newest_tls)
        if shown is not None:
            self._bare.use_certificate(shown.certificate)
            self._bare.use_privatekey(shown.key)

    def clientConnectionForTLS(
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: N803
    ) -> SSL.Connection:
        """Called by Twisted."""
        return SSL.Connection(self._bare, None)


class PeerTests(TestCase):
    """A node and those who call it; ``obeyed`` are the calls that reached its work."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.obeyed: list[object] = []
        self.master, self.other = node_identity(1), node_identity(3)
        self.served = TlsNode(node_identity(2), {DELAY.name: self._delay}, self.master)
        self.node = await self.served.listen()
        self.clients: list[NodeRpc] = []

    async def tearDown(self) -> None:  # type: ignore[override]
        for client in self.clients:
            await client.close()
        await self.served.stop()

    def _delay(self, request: Delay, call: Call) -> Deferred[Nothing]:
        self.obeyed.append(call.peer.uuid)
        return succeed(Nothing())

    def _client(self, client: NodeRpc) -> NodeRpc:
        self.clients.append(client)
        return client

    async def _assert_refused(self, client: NodeRpc, node: Node, reason: str) -> None:
        failed = self._client(client).call(node, DELAY, NOW)
        error = await self.assertFailure(failed, AuthenticationFailed)
        self.assertIn(reason, str(error))
        self.assertEqual(self.obeyed, [])

    async def test_candidate_is_obeyed(self) -> None:
        """A node obeys a master candidate, by the UUID in its certificate."""
        await self._client(client_of(self.master)).call(self.node, DELAY, NOW)
        self.assertEqual(self.obeyed, [self.master.uuid])

    async def test_no_certificate(self) -> None:
        """A client without certificate gets an alert and nothing else."""
        client = NodeRpc(reactor, lambda _: Careless(None, SSL.TLS1_3_VERSION))
        await self._assert_refused(client, self.node, "certificate required")

    async def test_certificate_of_another_ca(self) -> None:
        """A client whose certificate another CA signed gets an alert, even with a
        candidate's UUID in it."""
        stranger = node_identity(1, "second")
        await self._assert_refused(client_of(stranger), self.node, "unknown ca")

    async def test_member_that_is_no_candidate(self) -> None:
        """A member's good certificate is refused unless it is a candidate's."""
        await self._assert_refused(
            client_of(self.other), self.node, "not that of a master candidate"
        )

    async def test_candidate_with_an_older_certificate(self) -> None:
        """What counts is the certificate in ssconf, not the name in it."""
        self.served.candidates = {self.master.uuid: (self.other.fingerprint,)}
        await self._assert_refused(
            client_of(self.master), self.node, "not that of a master candidate"
        )

    async def test_candidate_no_longer(self) -> None:
        """One who stops being a candidate is refused on a connection that stands."""
        client = self._client(client_of(self.master))
        await client.call(self.node, DELAY, NOW)
        self.served.candidates = {}
        self.obeyed.clear()
        await self._assert_refused(client, self.node, "not that of a master candidate")

    async def test_join_certificate(self) -> None:
        """A join certificate does not let its holder call anything but enrol."""
        await self._assert_refused(
            client_of(join_identity(7)), self.node, "permits enrol only"
        )

    async def test_old_tls(self) -> None:
        """TLS 1.2 is refused, whatever the certificate."""
        careless = Careless(self.master, SSL.TLS1_2_VERSION)
        client = NodeRpc(reactor, lambda _: careless)
        await self._assert_refused(client, self.node, "protocol version")

    async def test_another_node(self) -> None:
        """The master refuses a node that presents another node's certificate."""
        meant = node_at(self.other.uuid, self.node.primary_ip, self.node.port)
        await self._assert_refused(
            client_of(self.master), meant, "presents the certificate of another node"
        )

    async def test_node_of_another_ca(self) -> None:
        """The master refuses a node whose certificate another CA signed."""
        believes_second = self.master.credentials(authority("second"))
        client = NodeRpc(reactor, creators_of(believes_second))
        await self._assert_refused(client, self.node, "not of the cluster's CA")

    async def test_certificate_on_record(self) -> None:
        """A node's good certificate is refused unless it is one of those on record."""
        shown = {self.served.identity.fingerprint}
        records: dict[str, set[str]] = {self.node.uuid: {"0" * 64}}
        client = NodeRpc(
            reactor,
            creators_of(self.master.credentials(), lambda uuid: records[uuid]),
        )
        await self._assert_refused(client, self.node, "not the one on record")
        records[self.node.uuid] |= shown
        await client.call(self.node, DELAY, NOW)
        self.assertEqual(self.obeyed, [self.master.uuid])

    async def test_new_credentials(self) -> None:
        """Connections that are kept are not used once there are new credentials."""
        client = self._client(client_of(self.master))
        (factory,) = self.served.factories
        await client.call(self.node, DELAY, NOW)
        old = {*factory.protocols}
        await deferLater(reactor, 0)
        await client.call(self.node, DELAY, NOW)
        self.assertEqual({*factory.protocols}, old)
        client.renew_connections()
        await client.call(self.node, DELAY, NOW)
        self.assertTrue({*factory.protocols} - old)

    async def test_join_certificate_serves_nobody(self) -> None:
        """A join certificate cannot be used to pose as a node."""
        poser = TlsNode(join_identity(2), {DELAY.name: self._delay}, self.master)
        node = await poser.listen()
        self.addCleanup(poser.stop)
        await self._assert_refused(client_of(self.master), node, "not one for servers")

    async def test_nothing_listens(self) -> None:
        """A node whose daemon is down is told apart, by name and address."""
        await self.served.stop()
        failed = self._client(client_of(self.master)).call(self.node, DELAY, NOW)
        error = await self.assertFailure(failed, NodeUnreachable)
        self.assertIn(f"node1.example (127.0.0.1:{self.node.port})", str(error))


class JoinTests(TestCase):
    """A master's node daemon, and hosts that join with the tokens it issued."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.ca = authority()
        self.submitted: list[Opcode] = []
        self.served = TlsNode(node_identity(1), {"enrol": self._enrol})
        master = await self.served.listen()
        self.now = time.time()
        self.config: MemoryConfig = first_config(port=master.port, now=self.now)

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.served.stop()

    def _enrol(self, request: EnrolCall, call: Call) -> Deferred[Enrolment]:
        asked = EnrolRequest(
            node_uuid=call.peer.uuid,
            token_fingerprint=call.peer.fingerprint,
            signing_request=request.signing_request,
        )
        return enrol(self.config, self.ca, asked, self._submit, self.now)

    def _submit(self, op: Opcode) -> Deferred[int]:
        self.submitted.append(op)
        return succeed(42)

    def _paths(self) -> Paths:
        root = tempfile.mkdtemp(dir="/tmp")
        self.addCleanup(shutil.rmtree, root)
        return Paths(Path(root))

    async def _token(self) -> str:
        issued = await issue_token(self.config, self.ca, "node7.example", self.now)
        return issued.token

    async def _assert_not_joined(
        self, paths: Paths, text: str, kind: type[Exception], reason: str
    ) -> None:
        joining = Deferred.fromCoroutine(join(reactor, paths, text, time.time()))
        error = await self.assertFailure(joining, kind)
        self.assertIn(reason, str(error))
        self.assertFalse(paths.node_certificate.exists())

    async def test_joins(self) -> None:
        """A token makes a host a node: it has certificate, CA and ssconf; the job that
        admits it is submitted."""
        paths = self._paths()
        enrolment = await join(reactor, paths, await self._token(), time.time())
        self.assertEqual(enrolment.job_id, 42)
        self.assertEqual(
            self.submitted,
            [OpNodeEnrol(node_uuid=node_uuid(7), name="node7.example")],
        )
        self.assertEqual(paths.ssconf("master_node").read_text(), "node1.example\n")

    async def test_can_serve(self) -> None:
        """A host that joined serves the master with the certificate it was given."""
        paths = self._paths()
        await join(reactor, paths, await self._token(), time.time())
        key = load_key(paths.node_key.read_bytes(), "node.key")
        certificate = load_credentials(paths).certificate
        joined = Identity(node_uuid(7), key, certificate)
        known = self.config.snapshot().tokens[node_uuid(7)].node
        self.assertEqual(known.certificate, joined.fingerprint)
        handlers = {DELAY.name: lambda request, call: succeed(Nothing())}
        served = TlsNode(joined, handlers, node_identity(1))
        self.addCleanup(served.stop)
        client = client_of(node_identity(1))
        self.addCleanup(client.close)
        await client.call(await served.listen(), DELAY, NOW)

    async def test_secrets_are_private(self) -> None:
        """The node's key can be read by its owner only."""
        paths = self._paths()
        await join(reactor, paths, await self._token(), time.time())
        self.assertEqual(stat.S_IMODE(paths.node_key.stat().st_mode), 0o600)
        self.assertFalse(paths.ca_key.exists())

    async def test_single_use(self) -> None:
        """A token that was used once is refused, and leaves no certificate."""
        text = await self._token()
        await join(reactor, self._paths(), text, time.time())
        await self._assert_not_joined(
            self._paths(), text, NotAllowed, "was used already"
        )
        self.assertEqual(len(self.submitted), 1)

    async def test_superseded(self) -> None:
        """A newer token makes the older one void."""
        old, new = await self._token(), await self._token()
        await self._assert_not_joined(self._paths(), old, NotAllowed, "given last")
        await join(reactor, self._paths(), new, time.time())

    async def test_expired_for_the_master(self) -> None:
        """The master's clock decides, whatever the joining host believes."""
        text = await self._token()
        self.now += 3700
        await self._assert_not_joined(self._paths(), text, NotAllowed, "expired")

    async def test_expired_by_the_clock_of_tls(self) -> None:
        """A join certificate that has expired does not get past TLS."""
        issued = await issue_token(
            self.config, self.ca, "node7.example", time.time() - 7200
        )
        joining = join(reactor, self._paths(), issued.token, time.time() - 7200)
        error = await self.assertFailure(
            Deferred.fromCoroutine(joining), AuthenticationFailed
        )
        self.assertIn("expired", str(error))

    async def test_bound_to_its_node(self) -> None:
        """The certificate is for the node that the token names, whatever is asked."""
        text = await self._token()
        mine = token.decode(text)
        other = replace(mine, node_uuid=node_uuid(8))
        paths = self._paths()
        joining = join(reactor, paths, token.encode(other), time.time())
        error = await self.assertFailure(Deferred.fromCoroutine(joining), Exception)
        self.assertIn("not one of node", str(error))
        self.assertFalse(self.config.snapshot().tokens[node_uuid(7)].used)

    async def test_wrong_ca(self) -> None:
        """A host that joins refuses a master whose CA is not the token's."""
        mine = token.decode(await self._token())
        other = replace(mine, ca_fingerprint="0" * 64)
        await self._assert_not_joined(
            self._paths(),
            token.encode(other),
            AuthenticationFailed,
            "the master's CA is not the one in the token",
        )
        self.assertFalse(self.config.snapshot().tokens[node_uuid(7)].used)

    async def test_another_node_than_the_master(self) -> None:
        """A host that joins refuses a member that is not the master."""
        await self.served.stop()
        impostor = TlsNode(node_identity(2), {"enrol": self._enrol})
        node = await impostor.listen()
        self.addCleanup(impostor.stop)
        self.config = first_config(port=node.port, now=self.now)
        await self._assert_not_joined(
            self._paths(), await self._token(), AuthenticationFailed, "another node"
        )

    async def test_master_down(self) -> None:
        """A master that is not there is told with its address; the token stays good."""
        await self.served.stop()
        await self._assert_not_joined(
            self._paths(), await self._token(), NodeUnreachable, "127.0.0.1:"
        )

    async def test_member_already(self) -> None:
        """A host joins one cluster only, and learns which file says that it has."""
        paths = self._paths()
        await join(reactor, paths, await self._token(), time.time())
        again = join(reactor, paths, await self._token(), time.time())
        error = await self.assertFailure(Deferred.fromCoroutine(again), WrongState)
        self.assertIn(str(paths.node_certificate), str(error))
