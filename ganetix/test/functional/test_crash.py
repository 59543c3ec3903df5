"""The master is killed at every batch of an instance's creation, and started again."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any, Literal

from twisted.internet import reactor
from twisted.internet.defer import Deferred, TimeoutError
from twisted.trial.unittest import TestCase

from ganetix.api.client import ApiClient, connect
from ganetix.api.types import QueryRequest
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
from ganetix.testing.cluster import RealCluster, Running

MOST_BATCHES = 40


class CrashTests(TestCase):
    """One node, the hypervisor ``fake``, disks as real files."""

    timeout = 900

    async def setUp(self) -> None:  # type: ignore[override]
        """Start node and master."""
        self.cluster = RealCluster(reactor, 1)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        await self.cluster.start()

    async def client(self) -> ApiClient:
        """A connection to the master."""
        socket = self.cluster.paths().master_socket
        api: Any = reactor
        return await connect(api, socket)

    async def submit(self, op: AnyOpcode) -> int | None:
        """Submit a job; None if the master died before it said that it has it."""
        client = await self.client()
        try:
            return (await client.submit([SubmitRequest(ops=(op,))]))[0]
        except Unavailable:
            return None
        finally:
            client.close()

    async def crash_at(
        self, number: int, when: Literal["before", "behind"], op: AnyOpcode
    ) -> tuple[int | None, bool]:
        """Have the master die there; the job's number, and whether it died."""
        await self.cluster.end("master")
        master = await self.start_crashing(number, when)
        job_id = await self.submit(op) if master.status is None else None

        async def is_over() -> bool:
            return master.status is not None or await self.has_ended(job_id, master)

        await self.cluster.until(is_over, f"batch {number} or the end of job {job_id}")
        await self.cluster.end("master")
        await self.cluster.start_master()
        return job_id, master.status == -signal.SIGKILL

    async def start_crashing(
        self, number: int, when: Literal["before", "behind"]
    ) -> Running:
        """Start a master that dies at that batch, unless it ends before."""
        return await self.cluster.start_master(
            sys.executable,
            crashing_master.__file__,
            str(self.cluster.paths().root),
            str(number),
            when,
        )

    async def has_ended(self, job_id: int | None, master: Running) -> bool:
        """Whether a job is known to have ended."""
        if job_id is None:
            return False
        try:
            (status,) = await self.column("job", "status", str(job_id))
        except (Unavailable, TimeoutError):
            return False
        return status in ("success", "error", "canceled")

    async def column(self, kind: Any, field: str, *names: str) -> list[object]:
        """The values of one field."""
        client = await self.client()
        try:
            result = await client.query(
                QueryRequest(kind=kind, fields=(field,), names=names)
            )
        finally:
            client.close()
        return [row.cells[0] for row in result.rows]

    async def quiet(self) -> None:
        """Wait until all jobs have ended and nothing is left half done."""

        async def is_quiet() -> bool:
            statuses = await self.column("job", "status")
            if not set(statuses) <= {"success", "error", "canceled"}:
                return False
            verified = await self.cluster.run("gnt-cluster", "verify")
            return verified.status == 0

        await self.cluster.until(is_quiet, "verify is green by itself")

    def files(self) -> list[Path]:
        """All disks and guest records on the node."""
        paths = self.cluster.paths()
        places = (paths.file_storage, paths.lib / "guests", paths.run / "guests")
        return [path for place in places for path in place.rglob("*")]

    async def check(self, job_id: int | None, name: str, should_exist: bool) -> None:
        """The instance is there wholly or not at all, as its job says."""
        await self.quiet()
        names = await self.column("instance", "name")
        if job_id is not None:
            (status,) = await self.column("job", "status", str(job_id))
            succeeded = status == "success"
            self.assertEqual(name in names, succeeded is should_exist)
        if name in names:
            (state,) = await self.column("instance", "status", name)
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
                if "web1" in await self.column("instance", "name"):
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
            if "web1" not in await self.column("instance", "name"):
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
        await self.cluster.end("master")
        # The second batch: after the job's own record, which says that it runs.
        master = await self.start_crashing(2, "before")
        await self.submit(OpClusterDestroy())

        async def is_dead() -> bool:
            return master.status is not None

        await self.cluster.until(is_dead, "the master dies")
        self.assertEqual(master.status, -signal.SIGKILL)
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
            (status,) = await self.column("job", "status", str(job_id))
        except GanetixError:
            return False
        return status == "success"
