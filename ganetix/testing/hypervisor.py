"""The contract of all hypervisors, as tests."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from ganetix.errors import (
    BadParameter,
    GanetixError,
    HypervisorFault,
    NotFound,
    WrongState,
)
from ganetix.interfaces import IHypervisor
from ganetix.objects import GuestDisk, GuestInfo, GuestSpec, new_uuid


@dataclass(frozen=True, kw_only=True)
class HypervisorBed:
    """A hypervisor in a place of its own, and what happens to its guests.

    ``guest`` makes the description of a new guest that starts quickly; ``restarted``
    gives a new hypervisor object on the same place, as a new daemon would have one,
    after the last one was closed. ``crash`` ends a guest by force from outside and
    ``power_off`` has it shut down from inside; both may be done when they return or
    take a moment. ``wait`` lets a little time pass.
    """

    hypervisor: IHypervisor
    guest: Callable[[str], GuestSpec]
    restarted: Callable[[], Deferred[IHypervisor]]
    crash: Callable[[GuestInfo], None]
    power_off: Callable[[GuestInfo], Deferred[None]]
    wait: Callable[[], Deferred[None]]
    directory: Path
    stop_seconds: float = 30.0


BedFactory = Callable[[TestCase], HypervisorBed]


def make_ihypervisor_tests(make: BedFactory) -> type[TestCase]:
    """Tests that each hypervisor passes; ``make`` is called for each of them."""

    class HypervisorContract(TestCase):
        """What users of a hypervisor rely on."""

        def setUp(self) -> None:
            self.bed = make(self)
            self.hypervisor = self.bed.hypervisor
            self.said: list[str] = []

        async def started(self, name: str = "web1") -> GuestInfo:
            return await self.hypervisor.start(
                self.bed.guest(name), [], self.said.append
            )

        async def state_of(self, uuid: str) -> str:
            info = await self.hypervisor.info(uuid)
            return "" if info is None else info.state

        async def until(self, uuid: str, state: str) -> None:
            for _ in range(150):
                if await self.state_of(uuid) == state:
                    return
                await self.bed.wait()
            self.assertEqual(await self.state_of(uuid), state)

        async def error_of(self, waiting: Awaitable[object]) -> GanetixError:
            try:
                result = await waiting
            except GanetixError as error:
                return error
            self.fail(f"it succeeded: {result}")

        def test_provides_the_interface(self) -> None:
            """It has all methods, with the right arguments."""
            self.assertTrue(verifyObject(IHypervisor, self.hypervisor))

        async def test_check(self) -> None:
            """Where the tests run, nothing keeps it from working."""
            self.assertEqual(list(await self.hypervisor.check()), [])

        async def test_start(self) -> None:
            """A started guest runs, is known, and has written to its console."""
            info = await self.started()
            self.assertEqual((info.name, info.state), ("web1", "running"))
            self.assertEqual(await self.hypervisor.info(info.uuid), info)
            self.assertEqual(list(await self.hypervisor.guests()), [info])
            console = self.hypervisor.console_log(info.uuid)
            self.assertIn("HB 1 ", console.read_text(errors="replace"))
            self.assertEqual(console.stat().st_mode & 0o777, 0o600)

        async def test_start_again(self) -> None:
            """Starting a guest that runs leaves it as it is."""
            guest = self.bed.guest("web1")
            first = await self.hypervisor.start(guest, [], self.said.append)
            again = await self.hypervisor.start(guest, [], self.said.append)
            self.assertEqual(again, first)
            self.assertEqual(self.said[-1], "web1 runs already")

        async def test_stop(self) -> None:
            """A guest asked to power off does, and is down by the administrator."""
            info = await self.started()
            outcome = await self.hypervisor.stop(
                info.uuid, self.bed.stop_seconds, self.said.append
            )
            self.assertEqual(outcome, "shutdown")
            self.assertEqual(await self.state_of(info.uuid), "admin-down")

        async def test_stop_at_once(self) -> None:
            """With no time given a guest is ended without being asked."""
            info = await self.started()
            outcome = await self.hypervisor.stop(info.uuid, 0, self.said.append)
            self.assertEqual(outcome, "ended")
            self.assertEqual(await self.state_of(info.uuid), "admin-down")

        async def test_stop_again(self) -> None:
            """Stopping a guest that is down, or unknown, says that it was."""
            info = await self.started()
            await self.hypervisor.stop(info.uuid, 0, self.said.append)
            for uuid in (info.uuid, new_uuid()):
                outcome = await self.hypervisor.stop(uuid, 1, self.said.append)
                self.assertEqual(outcome, "was-down")

        async def test_user_shutdown(self) -> None:
            """A guest shut down from inside is told apart, until it is stopped."""
            info = await self.started()
            await self.bed.power_off(info)
            await self.until(info.uuid, "user-down")
            await self.hypervisor.stop(info.uuid, 1, self.said.append)
            self.assertEqual(await self.state_of(info.uuid), "admin-down")

        async def test_crash(self) -> None:
            """A guest that dies has crashed; it can be started again."""
            guest = self.bed.guest("web1")
            info = await self.hypervisor.start(guest, [], self.said.append)
            self.bed.crash(info)
            await self.until(info.uuid, "crashed")
            again = await self.hypervisor.start(guest, [], self.said.append)
            self.assertEqual(again.state, "running")

        async def test_daemon_restart(self) -> None:
            """A guest goes on while its daemon restarts, and is known after it."""
            info = await self.started()
            self.hypervisor = await self.bed.restarted()
            self.assertEqual(await self.hypervisor.info(info.uuid), info)

        async def test_forget(self) -> None:
            """A forgotten guest is ended, and leaves no trace."""
            info = await self.started()
            await self.hypervisor.forget(info.uuid)
            self.assertIsNone(await self.hypervisor.info(info.uuid))
            self.assertEqual(list(await self.hypervisor.guests()), [])
            self.assertFalse(self.hypervisor.console_log(info.uuid).parent.exists())

        async def test_forget_unknown(self) -> None:
            """Forgetting what is not known is no error."""
            await self.hypervisor.forget(new_uuid())

        async def test_unknown(self) -> None:
            """Nothing is known of a guest that was never started."""
            self.assertIsNone(await self.hypervisor.info(new_uuid()))

        async def test_reset_down(self) -> None:
            """Only a guest that runs can be reset."""
            error = await self.error_of(self.hypervisor.reset(new_uuid()))
            self.assertIsInstance(error, NotFound)
            info = await self.started()
            await self.hypervisor.stop(info.uuid, 0, self.said.append)
            error = await self.error_of(self.hypervisor.reset(info.uuid))
            self.assertIsInstance(error, WrongState)

        async def test_missing_disk(self) -> None:
            """A guest whose disk is missing does not start, and is not known then."""
            disk = GuestDisk(uuid=new_uuid(), template="file", size_mib=1)
            guest = replace(self.bed.guest("web1"), disks=(disk,))
            path = self.bed.directory / "no-such-disk"
            error = await self.error_of(
                self.hypervisor.start(guest, [path], self.said.append)
            )
            self.assertIsInstance(error, HypervisorFault)
            self.assertIn("no-such-disk", str(error))
            self.assertIsNone(await self.hypervisor.info(guest.uuid))

        async def test_bad_parameter(self) -> None:
            """A parameter that it does not take is refused by name."""
            guest = replace(self.bed.guest("web1"), hvparams={"colour": "red"})
            error = await self.error_of(
                self.hypervisor.start(guest, [], self.said.append)
            )
            self.assertIsInstance(error, BadParameter)
            self.assertIn("colour", str(error))

        async def test_bad_uuid(self) -> None:
            """What is no UUID never becomes a path."""
            error = await self.error_of(self.hypervisor.forget("../../etc"))
            self.assertIsInstance(error, BadParameter)

    return HypervisorContract
