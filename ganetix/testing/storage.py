"""A storage that keeps its disks in mind only, and the contract of all storages."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ganetix.errors import AlreadyExists, BadParameter, GanetixError, NoResources
from ganetix.interfaces import IStorage, Say
from ganetix.objects import GuestDisk, new_uuid
from ganetix.objects.node_calls import DiskInfo, DiskSpace
from ganetix.storage.base import checked_uuid

StorageFactory = Callable[[TestCase], IStorage]


@implementer(IStorage)
class FakeStorage:
    """Disks without a medium, of a medium's limited space.

    ``failures`` befall the next calls of ``create``, one each, in their order: an
    error, None for success, or a Deferred for a call that hangs. Those in
    ``removal_failures`` befall ``remove``. ``problems`` are what ``check`` says.
    """

    def __init__(self, template: str = "file", total_mib: int = 102_400) -> None:
        self.template = template
        self.failures: list[GanetixError | Deferred[None] | None] = []
        self.removal_failures: list[GanetixError] = []
        self.problems: list[str] = []
        self._total_mib = total_mib
        self._disks: dict[tuple[str, str], GuestDisk] = {}

    def check(self) -> Deferred[Sequence[str]]:
        """What a test has put into ``problems``."""
        return succeed(tuple(self.problems))

    def create(self, instance_uuid: str, disk: GuestDisk, say: Say) -> Deferred[None]:
        """Note a disk; see ``IStorage``."""
        try:
            self.path(instance_uuid, disk)
        except BadParameter:
            return fail()
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Deferred):
            return failure
        key = (instance_uuid, disk.uuid)
        if failure is None and key in self._disks:
            failure = AlreadyExists(f"disk {disk.uuid} exists already")
        if failure is None and disk.size_mib > self._free_mib():
            failure = NoResources(
                f"disk of {disk.size_mib} MiB does not fit:"
                f" {self._free_mib()} MiB are free"
            )
        if failure is not None:
            return fail(failure)
        self._disks[key] = disk
        say(f"made disk {disk.uuid}: {disk.size_mib} MiB")
        return succeed(None)

    def remove(self, instance_uuid: str, disk_uuid: str) -> Deferred[bool]:
        """Strike a disk out."""
        if self.removal_failures:
            return fail(self.removal_failures.pop(0))
        return succeed(self._disks.pop((instance_uuid, disk_uuid), None) is not None)

    def remove_all(self, instance_uuid: str) -> Deferred[int]:
        """Strike all disks of an instance out."""
        mine = [key for key in self._disks if key[0] == instance_uuid]
        for key in mine:
            del self._disks[key]
        return succeed(len(mine))

    def path(self, instance_uuid: str, disk: GuestDisk) -> Path:
        """A path that nothing has."""
        checked_uuid("instance", instance_uuid)
        checked_uuid("disk", disk.uuid)
        return Path("/nonexistent", self.template, instance_uuid, disk.uuid)

    def disks(self) -> Deferred[Sequence[DiskInfo]]:
        """All disks noted."""
        return succeed(
            tuple(
                DiskInfo(
                    template=self.template,
                    instance_uuid=instance_uuid,
                    disk_uuid=disk.uuid,
                    path=str(self.path(instance_uuid, disk)),
                    size_mib=disk.size_mib,
                    used_mib=0,
                )
                for (instance_uuid, _), disk in self._disks.items()
            )
        )

    def space(self) -> Deferred[DiskSpace | None]:
        """As if each disk took its whole size."""
        return succeed(
            DiskSpace(
                template=self.template,
                total_mib=self._total_mib,
                free_mib=self._free_mib(),
            )
        )

    def _free_mib(self) -> int:
        used = sum(disk.size_mib for disk in self._disks.values())
        return self._total_mib - used


def ignore(line: str) -> None:
    """A ``say`` that nobody listens to."""


def make_istorage_tests(
    factory: StorageFactory, params: Mapping[str, str] | None = None
) -> type[TestCase]:
    """The contract of a storage that holds disks, as a test case to inherit from.

    :param factory: a fresh empty storage; gets the test case, for its clean-ups
    :param params: parameters of the disks to make
    """

    class StorageContract(TestCase):
        """What every storage with disks must do."""

        def setUp(self) -> None:
            """Make a storage and name an instance."""
            self.storage = factory(self)
            self.instance = new_uuid()
            self.lines: list[str] = []

        def disk(self, size_mib: int = 8) -> GuestDisk:
            """A disk to make."""
            return GuestDisk(
                uuid=new_uuid(),
                template=self.storage.template,
                size_mib=size_mib,
                params=dict(params or {}),
            )

        async def make(self, disk: GuestDisk) -> GuestDisk:
            """Make a disk of the instance."""
            await self.storage.create(self.instance, disk, self.lines.append)
            return disk

        async def listed(self) -> list[tuple[str, str, int]]:
            """Instance, disk and size of all disks there are."""
            return sorted(
                (disk.instance_uuid, disk.disk_uuid, disk.size_mib)
                for disk in await self.storage.disks()
            )

        def test_provides_interface(self) -> None:
            """It has all methods of the interface."""
            self.assertTrue(verifyObject(IStorage, self.storage))

        async def test_starts_empty(self) -> None:
            """A fresh one holds no disks."""
            self.assertEqual(await self.listed(), [])

        async def test_works_here(self) -> None:
            """It says of itself that nothing keeps it from working."""
            self.assertEqual(list(await self.storage.check()), [])

        async def test_creates_with_exact_size(self) -> None:
            """A disk that was made is listed with its size."""
            disk = await self.make(self.disk(size_mib=17))
            self.assertEqual(await self.listed(), [(self.instance, disk.uuid, 17)])

        async def test_says_what_it_made(self) -> None:
            """Creation tells the user of the disk."""
            disk = await self.make(self.disk())
            self.assertIn(disk.uuid, "".join(self.lines))

        async def test_lists_path(self) -> None:
            """A disk is listed with the path that the hypervisor is given."""
            disk = await self.make(self.disk())
            (listed,) = await self.storage.disks()
            self.assertEqual(listed.path, str(self.storage.path(self.instance, disk)))

        async def test_paths_differ(self) -> None:
            """Two disks never share a path."""
            one, other = self.disk(), self.disk()
            self.assertNotEqual(
                self.storage.path(self.instance, one),
                self.storage.path(self.instance, other),
            )

        async def test_refuses_existing(self) -> None:
            """A disk is never made over one that exists."""
            disk = await self.make(self.disk())
            bigger = GuestDisk(
                uuid=disk.uuid,
                template=disk.template,
                size_mib=9,
                params=disk.params,
            )
            await self.assertFailure(
                self.storage.create(self.instance, bigger, ignore), AlreadyExists
            )
            self.assertEqual(await self.listed(), [(self.instance, disk.uuid, 8)])

        async def test_refuses_what_does_not_fit(self) -> None:
            """A disk larger than the medium is refused, both figures are named."""
            space = await self.storage.space()
            assert space is not None
            size_mib = space.total_mib + 1_000_000
            refused = self.storage.create(self.instance, self.disk(size_mib), ignore)
            with self.assertRaisesRegex(NoResources, rf"{size_mib} MiB.*\d+ MiB"):
                await refused
            self.assertEqual(await self.listed(), [])

        async def test_refuses_foreign_names(self) -> None:
            """A UUID that is none, and might be a path, is refused."""
            for name in ("", "..", "../x", "/etc/passwd", new_uuid().upper() + "/x"):
                await self.assertFailure(
                    self.storage.create(name, self.disk(), ignore), BadParameter
                )
                self.assertRaises(BadParameter, self.storage.path, name, self.disk())
            self.assertEqual(await self.listed(), [])

        async def test_removes(self) -> None:
            """A removed disk is gone, others stay."""
            gone, stays = await self.make(self.disk()), await self.make(self.disk())
            self.assertTrue(await self.storage.remove(self.instance, gone.uuid))
            self.assertEqual(await self.listed(), [(self.instance, stays.uuid, 8)])

        async def test_removing_nothing(self) -> None:
            """Removing a disk that does not exist says so and is no error."""
            self.assertFalse(await self.storage.remove(self.instance, new_uuid()))

        async def test_removes_all_of_one(self) -> None:
            """An instance's disks are removed together, others' stay."""
            await self.make(self.disk())
            await self.make(self.disk())
            other, kept = new_uuid(), self.disk()
            await self.storage.create(other, kept, ignore)
            self.assertEqual(await self.storage.remove_all(self.instance), 2)
            self.assertEqual(await self.listed(), [(other, kept.uuid, 8)])

        async def test_removing_all_of_none(self) -> None:
            """Removing the disks of an instance without any is no error."""
            self.assertEqual(await self.storage.remove_all(self.instance), 0)

        async def test_can_be_made_again(self) -> None:
            """After removal the same disk can be made anew."""
            disk = await self.make(self.disk())
            await self.storage.remove_all(self.instance)
            await self.make(disk)
            self.assertEqual(await self.listed(), [(self.instance, disk.uuid, 8)])

        async def test_space_is_sane(self) -> None:
            """Free space is positive and no more than all space."""
            space = await self.storage.space()
            assert space is not None
            self.assertEqual(space.template, self.storage.template)
            self.assertTrue(0 < space.free_mib <= space.total_mib, space)

    return StorageContract
