"""The contract of hypervisors that move running guests between hosts, as tests."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from twisted.trial.unittest import TestCase

from ganetix.errors import GanetixError, WrongState
from ganetix.interfaces import IHypervisor
from ganetix.objects import GuestInfo, GuestSpec, new_uuid


@dataclass(frozen=True, kw_only=True)
class Host:
    """A hypervisor, the UUID of its node, and an address of the host."""

    hypervisor: IHypervisor
    node_uuid: str
    address: str


@dataclass(frozen=True, kw_only=True)
class MoveBed:
    """Two hosts of one cluster; ``guest`` makes the description of a new guest."""

    source: Host
    target: Host
    guest: Callable[[str], GuestSpec]


def make_move_tests(make: Callable[[TestCase], MoveBed]) -> type[TestCase]:
    """Tests that each hypervisor passes that can move guests."""

    class MoveContract(TestCase):
        """What users rely on when they move a guest."""

        def setUp(self) -> None:
            self.bed = make(self)
            self.guest = self.bed.guest("web1")
            self.source, self.target = self.bed.source, self.bed.target

        async def error_of(self, waiting: Awaitable[object]) -> GanetixError:
            try:
                result = await waiting
            except GanetixError as error:
                return error
            self.fail(f"it succeeded: {result}")

        async def state_on(self, host: Host) -> str:
            info = await host.hypervisor.info(self.guest.uuid)
            return info.state if info else ""

        async def assert_states(self, source: str, target: str) -> None:
            found = await self.state_on(self.source), await self.state_on(self.target)
            self.assertEqual(found, (source, target))

        async def started(self) -> GuestInfo:
            return await self.source.hypervisor.start(self.guest, [], lambda _: None)

        async def awaited(self) -> int:
            return await self.target.hypervisor.receive(
                self.guest,
                [],
                self.target.address,
                self.source.node_uuid,
                lambda _: None,
            )

        async def sent(self, port: int) -> None:
            await self.source.hypervisor.send(
                self.guest.uuid,
                self.target.address,
                port,
                self.target.node_uuid,
                lambda _: None,
            )

        async def test_move_and_back(self) -> None:
            """A guest runs on one host at a time; what has left is forgotten."""
            await self.started()
            for _ in range(2):
                port = await self.awaited()
                await self.assert_states("running", "arriving")
                await self.sent(port)
                await self.assert_states("left", "arriving")
                info = await self.target.hypervisor.accept(self.guest.uuid)
                self.assertEqual(info.state, "running")
                await self.source.hypervisor.forget(self.guest.uuid)
                await self.assert_states("", "running")
                self.source, self.target = self.target, self.source

        async def test_running_spec(self) -> None:
            """A guest is described as it runs; one that does not run is not."""
            uuid = self.guest.uuid
            self.assertIsNone(await self.source.hypervisor.running_spec(uuid))
            await self.started()
            spec = await self.source.hypervisor.running_spec(uuid)
            assert spec is not None
            self.guest = spec
            await self.sent(await self.awaited())
            self.assertIsNone(await self.source.hypervisor.running_spec(uuid))

        async def test_accept_again(self) -> None:
            """A guest that was accepted is left alone by a second word."""
            await self.started()
            await self.sent(await self.awaited())
            first = await self.target.hypervisor.accept(self.guest.uuid)
            again = await self.target.hypervisor.accept(self.guest.uuid)
            self.assertEqual(again, first)

        async def test_nobody_comes(self) -> None:
            """A place that was made ready in vain is given up without a trace."""
            await self.started()
            await self.awaited()
            await self.target.hypervisor.forget(self.guest.uuid)
            await self.assert_states("running", "")

        async def test_made_ready_again(self) -> None:
            """A place can be made ready once more, as after a failure."""
            await self.started()
            await self.awaited()
            await self.sent(await self.awaited())
            await self.assert_states("left", "arriving")

        async def test_left_and_started_again(self) -> None:
            """Where the other host was lost, a guest can be started where it left."""
            await self.started()
            await self.sent(await self.awaited())
            await self.target.hypervisor.forget(self.guest.uuid)
            self.assertEqual((await self.started()).state, "running")

        async def test_stop_what_is_not_here(self) -> None:
            """What has left or is yet to come counts as down here."""
            await self.started()
            await self.sent(await self.awaited())
            for host in (self.source, self.target):
                outcome = await host.hypervisor.stop(self.guest.uuid, 5, lambda _: None)
                self.assertEqual(outcome, "was-down")

        async def test_where_it_runs(self) -> None:
            """A host that runs the guest does not wait for it."""
            await self.started()
            self.target = self.source
            self.assertIsInstance(await self.error_of(self.awaited()), WrongState)
            await self.assert_states("running", "running")

        async def test_only_what_runs(self) -> None:
            """A guest that does not run cannot be sent, nor called back."""
            self.assertIsInstance(await self.error_of(self.sent(1)), WrongState)
            uuid = self.guest.uuid
            self.assertFalse(await self.source.hypervisor.cancel_send(uuid))
            await self.started()
            self.assertFalse(await self.source.hypervisor.cancel_send(uuid))
            await self.assert_states("running", "")

        async def test_accept_nothing(self) -> None:
            """Nothing is accepted that has not come."""
            accepting = self.target.hypervisor.accept(new_uuid())
            self.assertIsInstance(await self.error_of(accepting), WrongState)

    return MoveContract
