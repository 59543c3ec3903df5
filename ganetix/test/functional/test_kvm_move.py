"""Running guests moved from one QEMU to another, with certificates of two nodes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from ganetix.bootstrap import pki
from ganetix.bootstrap.dirs import make_directories, write_file, write_secret
from ganetix.errors import GanetixError, HypervisorFault
from ganetix.hypervisor.qmp import connect_qmp
from ganetix.objects import GuestInfo, GuestSpec
from ganetix.paths import Paths
from ganetix.test.functional.test_kvm import MISSING, KvmPlace, pause
from ganetix.testing.moves import Host, MoveBed, make_move_tests
from ganetix.testing.pki import authority, node_identity, node_uuid

ADDRESS = "127.211.0.2"


def enrol(paths: Paths, number: int, ca_name: str = "first") -> None:
    """Give a root the certificate of a node."""
    identity = node_identity(number, ca_name)
    make_directories(paths)
    write_file(paths.ca_certificate, authority(ca_name).certificate_pem)
    write_secret(paths.node_key, pki.key_pem(identity.key))
    write_file(paths.node_certificate, pki.pem(identity.certificate))


def kvm_move_bed(test: TestCase) -> MoveBed:
    """Two nodes on this host."""
    source, target = KvmPlace(test), KvmPlace(test)
    for number, place in enumerate((source, target), 1):
        enrol(place.paths, number)
    return MoveBed(
        source=Host(
            hypervisor=source.hypervisor, node_uuid=node_uuid(1), address=ADDRESS
        ),
        target=Host(
            hypervisor=target.hypervisor, node_uuid=node_uuid(2), address=ADDRESS
        ),
        guest=source.guest,
    )


class KvmMoveContractTests(make_move_tests(kvm_move_bed)):  # type: ignore[misc]
    """The contract, on QEMU."""

    timeout = 600
    skip = MISSING or None


class KvmMoveTests(TestCase):
    """What QEMU adds to the contract."""

    timeout = 600
    skip = MISSING or None

    async def setUp(self) -> None:  # type: ignore[override]
        """A guest that runs on the first of two nodes."""
        self.here, self.there = KvmPlace(self), KvmPlace(self)
        enrol(self.here.paths, 1)
        enrol(self.there.paths, 2)
        self.guest: GuestSpec = self.here.guest("web1")
        self.said: list[str] = []
        self.info: GuestInfo = await self.here.hypervisor.start(
            self.guest, [], self.said.append
        )

    def log(self, place: KvmPlace) -> Path:
        """A place's console log of the guest."""
        return place.hypervisor.console_log(self.guest.uuid)

    async def beats(self, place: KvmPlace, after: int = 0) -> int:
        """Wait for a heartbeat beyond one; its number."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            words = [line.split() for line in self.log(place).read_text().splitlines()]
            found = [int(w[1]) for w in words if w[:1] == ["HB"] and len(w) == 3]
            if found and found[-1] > after:
                return found[-1]
            await pause()
        self.fail(f"no heartbeat after {after}")

    async def receive(self, sender: int = 1) -> int:
        """Have the second place wait for a node's guest."""
        return await self.there.hypervisor.receive(
            self.guest, [], ADDRESS, node_uuid(sender), self.said.append
        )

    def send(self, port: int, receiver: int = 2) -> Deferred[None]:
        """Send to the second place."""
        return self.here.hypervisor.send(
            self.guest.uuid, ADDRESS, port, node_uuid(receiver), self.said.append
        )

    async def slow_down(self) -> None:
        """Have the guest take many seconds on its way."""
        socket = str(self.here.paths.guest_run(self.guest.uuid) / "qmp")
        client = await connect_qmp(reactor, socket)
        await client.execute("migrate-set-parameters", {"max-bandwidth": 2 << 20})
        client.disconnect()

    async def arriving_pid(self) -> int:
        """The process that waits for the guest."""
        info = await self.there.hypervisor.info(self.guest.uuid)
        assert info is not None and info.pid is not None
        return info.pid

    async def fault_of(self, sending: Awaitable[None]) -> str:
        """Why the guest was not moved; it runs on."""
        try:
            await sending
        except GanetixError as error:
            self.assertIsInstance(error, HypervisorFault)
            info = await self.here.hypervisor.info(self.guest.uuid)
            self.assertEqual(info and info.state, "running")
            await self.beats(self.here, await self.beats(self.here))
            return str(error)
        self.fail("it was sent")

    async def test_goes_on(self) -> None:
        """The guest goes on where it was: its heartbeat has no gap."""
        await self.beats(self.here, 1)
        await self.send(await self.receive())
        last = await self.beats(self.here)
        await self.there.hypervisor.accept(self.guest.uuid)
        await self.beats(self.there, last + 1)
        first = self.log(self.there).read_text().split("HB ")[1]
        self.assertEqual(int(first.split()[0]), last + 1)

    async def test_daemons_restart_in_between(self) -> None:
        """What has been sent can be accepted after both daemons were restarted."""
        await self.send(await self.receive())
        for place, state in ((self.here, "left"), (self.there, "arriving")):
            hypervisor = await place.restart()
            info = await hypervisor.info(self.guest.uuid)
            self.assertEqual(info and info.state, state)
        info = await self.there.hypervisor.accept(self.guest.uuid)
        self.assertEqual(info.state, "running")
        await self.beats(self.there)

    async def test_other_sender(self) -> None:
        """A place waits for one node; another one's guest is not taken."""
        await self.fault_of(self.send(await self.receive(sender=3)))

    async def test_other_receiver(self) -> None:
        """A guest is sent to the node that is meant, and to no other."""
        text = await self.fault_of(self.send(await self.receive(), receiver=3))
        self.assertIn("certificate", text.lower())

    async def test_other_cluster(self) -> None:
        """A node of another cluster gets nothing."""
        enrol(self.there.paths, 2, "second")
        await self.fault_of(self.send(await self.receive()))

    async def test_nobody_listens(self) -> None:
        """Where nobody waits the guest stays."""
        port = await self.receive()
        await self.there.hypervisor.forget(self.guest.uuid)
        text = await self.fault_of(self.send(port))
        self.assertIn("Connection refused", text)

    async def test_call_back(self) -> None:
        """A guest is called back while it is being sent."""
        await self.slow_down()
        sending = self.send(await self.receive())
        await pause(1)
        self.assertTrue(await self.here.hypervisor.cancel_send(self.guest.uuid))
        self.assertIn("called back", await self.fault_of(sending))

    async def test_receiver_hangs_at_once(self) -> None:
        """A receiver that never says a word is left."""
        port = await self.receive()
        os.kill(await self.arriving_pid(), signal.SIGSTOP)
        sending = self.send(port)
        await self.fault_of(sending)
        os.kill(await self.arriving_pid(), signal.SIGCONT)

    async def test_receiver_hangs(self) -> None:
        """A receiver that hangs half-way does not keep the guest from being called
        back."""
        await self.slow_down()
        sending = self.send(await self.receive())
        await pause(1)
        os.kill(await self.arriving_pid(), signal.SIGSTOP)
        await pause(1)
        self.assertTrue(await self.here.hypervisor.cancel_send(self.guest.uuid))
        await self.fault_of(sending)
        os.kill(await self.arriving_pid(), signal.SIGCONT)

    async def test_receiver_dies(self) -> None:
        """If the receiver dies half-way the guest runs on where it was."""
        await self.slow_down()
        sending = self.send(await self.receive())
        await pause(0.5)
        os.kill(await self.arriving_pid(), signal.SIGKILL)
        await self.fault_of(sending)
        info = await self.there.hypervisor.info(self.guest.uuid)
        self.assertEqual(info and info.state, "crashed")
