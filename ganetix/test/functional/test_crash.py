"""The master is killed at every batch of an instance's creation, and started again."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Literal

from twisted.internet import reactor
from twisted.internet.defer import Deferred, TimeoutError
from twisted.trial.unittest import TestCase

from ganetix.errors import GanetixError, Unavailable
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import (
    AnyOpcode,
    DiskRequest,
    OpClusterDestroy,
    OpInstanceCreate,
    OpInstanceRemove,
)
from ganetix.test.functional import crashing_master
from ganetix.testing.cluster import FINAL, RealCluster

MOST_BATCHES = 40

When = Literal["before", "behind"]


class CrashTests(TestCase):
    """One node, the hypervisor ``fake``, disks as real files."""

    timeout = 900

    async def setUp(self) -> None:  # type: ignore[override]
        """Start node and master."""
        self.cluster = RealCluster(reactor, 1)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        await self.cluster.start()
        await self.cluster.end("master")
        await self.start_mortal()

    async def start_mortal(self) -> None:
        """Start a master that can be told to die."""
        self.master = await self.cluster.start_master(
            sys.executable, crashing_master.__file__, str(self.cluster.paths().root)
        )

    def arm(self, number: int, when: When = "before") -> None:
        """Have the master die at that batch from now on; 0 is never."""
        (self.cluster.paths().root / "crash").write_text(f"{number} {when}")
        self.master.kill(signal.SIGUSR1)

    async def submit(self, op: AnyOpcode) -> int | None:
        """Submit a job; None if the master died before it said that it has it."""
        request = SubmitRequest(ops=(op,))
        try:
            return (await self.cluster.ask(lambda api: api.submit([request])))[0]
        except Unavailable:
            return None

    async def crash_at(
        self, number: int, when: When, op: AnyOpcode
    ) -> tuple[int | None, bool]:
        """Have the master die there; the job's number, and whether it died."""
        self.arm(number, when)
        job_id = await self.submit(op)

        async def is_over() -> bool:
            return self.is_dead() or await self.has_ended(job_id)

        await self.cluster.until(is_over, f"batch {number} or the end of job {job_id}")
        died = self.is_dead()
        if died:
            self.assertEqual(self.master.status, -signal.SIGKILL)
            await self.start_mortal()
        else:
            self.arm(0)
        return job_id, died

    def is_dead(self) -> bool:
        """Whether the master has died."""
        return self.master.status is not None

    async def has_ended(self, job_id: int | None) -> bool:
        """Whether a job is known to have ended."""
        if job_id is None:
            return False
        try:
            (status,) = await self.cluster.column("job", "status", str(job_id))
        except (Unavailable, TimeoutError):
            return False
        return status in FINAL

    async def quiet(self) -> None:
        """Wait until all jobs have ended and nothing is left half done."""

        async def is_quiet() -> bool:
            statuses = await self.cluster.column("job", "status")
            return set(statuses) <= FINAL and await self.cluster.is_green()

        await self.cluster.until(is_quiet, "verify is green by itself")

    def files(self) -> list[Path]:
        """All disks and guest records on the node."""
        paths = self.cluster.paths()
        places = (paths.file_storage, paths.lib / "guests", paths.run / "guests")
        return [path for place in places for path in place.rglob("*")]

    async def check(self, job_id: int | None, name: str, should_exist: bool) -> None:
        """The instance is there wholly or not at all, as its job says."""
        await self.quiet()
        names = await self.cluster.column("instance", "name")
        if job_id is not None:
            (status,) = await self.cluster.column("job", "status", str(job_id))
            succeeded = status == "success"
            self.assertEqual(name in names, succeeded is should_exist)
        if name in names:
            (state,) = await self.cluster.column("instance", "status", name)
            self.assertEqual(state, "running")
        else:
            self.assertEqual(self.files(), [])

    async def test_creation(self) -> None:
        """Killed at any batch, the instance exists wholly or not at all."""
        op = OpInstanceCreate(
            name="web1", os="noop", disks=(DiskRequest(size_mib=8),), node="node1"
        )
        crashes = 0
        for number in range(1, MOST_BATCHES):
            died_before = crashes
            for when in ("before", "behind"):
                job_id, died = await self.crash_at(number, when, op)
                crashes += died
                await self.check(job_id, "web1", should_exist=True)
                if "web1" in await self.cluster.column("instance", "name"):
                    await self.submit(OpInstanceRemove(name="web1", timeout=0))
                    await self.quiet()
            if crashes == died_before:
                break
        self.assertGreaterEqual(crashes, 12)

    async def test_removal(self) -> None:
        """Killed at any batch of a removal, the instance is there or gone wholly."""
        create = OpInstanceCreate(
            name="web1", os="noop", disks=(DiskRequest(size_mib=8),), node="node1"
        )
        remove = OpInstanceRemove(name="web1", timeout=0)
        crashes = 0
        for number in range(1, MOST_BATCHES):
            if "web1" not in await self.cluster.column("instance", "name"):
                await self.submit(create)
                await self.quiet()
            job_id, died = await self.crash_at(number, "before", remove)
            crashes += died
            await self.quiet()
            if job_id is not None and await self.has_succeeded(job_id):
                self.assertEqual(self.files(), [])
            if not died:
                break
        self.assertGreaterEqual(crashes, 3)

    async def test_destruction(self) -> None:
        """Killed once its node had left, the master ends what it began when started
        again, and another cluster can be made."""
        # The second batch: after the job's own record, which says that it runs.
        self.arm(2)
        await self.submit(OpClusterDestroy())

        await self.master.ended
        self.assertEqual(self.master.status, -signal.SIGKILL)
        again = await self.cluster.start_master()
        await again.ended
        self.assertEqual(again.status, 1)
        self.assertIn(b"is destroyed", again.out + again.err)
        await self.cluster.daemons["node1"].ended
        await self.cluster.init()
        self.cluster.start_node("node1")
        await self.cluster.start_master()
        await self.quiet()

    async def has_succeeded(self, job_id: int) -> bool:
        """Whether a job is known to have succeeded."""
        try:
            (status,) = await self.cluster.column("job", "status", str(job_id))
        except GanetixError:
            return False
        return status == "success"
