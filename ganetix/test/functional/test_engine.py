"""Clients at work while the master is killed again and again.

``GANETIX_TEST_SEED`` repeats what a run did, as far as the machine does;
``GANETIX_TEST_KILLS`` is how often the master is killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from ganetix.api.client import ApiClient
from ganetix.errors import Unavailable
from ganetix.flow.settle import settle
from ganetix.jobs.model import RUNNING, Dependency, Job
from ganetix.jobs.rows import FINISHED, UNFINISHED, job_of
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import SUBMIT_PRIORITIES, OpTestDelay
from ganetix.state.rows import Row
from ganetix.testing.cluster import RealCluster

CLIENTS = 8
KILLS = int(os.environ.get("GANETIX_TEST_KILLS", "30"))
PAUSE_SECONDS = 0.05


class Known:
    """What clients were told, and what was seen on the disk: it must stay true."""

    def __init__(self) -> None:
        self.priorities: dict[int, int | None] = {}
        self.finals: dict[int, Job] = {}
        self.interrupted: set[int] = set()
        self.canceled: set[int] = set()
        self.wrong: list[str] = []

    def ended(self, job: Job) -> None:
        """A job was seen ended; nothing of it may be different ever after."""
        before = self.finals.setdefault(job.id, job)
        if before != job:
            self.wrong.append(f"an end changed: {before} is now {job}")
        if job.status == "success" and job.id in self.interrupted:
            self.wrong.append(f"ran twice: {job}")
        if job.id in self.canceled and job.status != "canceled":
            self.wrong.append(f"was canceled: {job}")

    def on_disk(self, jobs: dict[int, Job]) -> None:
        """What a killed master has left."""
        for job_id in self.priorities.keys() - jobs.keys():
            self.wrong.append(f"job {job_id} was acknowledged and is lost")
        for job_id in self.finals.keys() - jobs.keys():
            self.wrong.append(f"job {job_id} had ended and is lost")
        for job in jobs.values():
            if job.is_final:
                self.ended(job)
                self.check_dependencies(job, jobs)
            elif job.id in self.finals:
                self.wrong.append(f"had ended: {job}")
            elif job.status in RUNNING:
                self.interrupted.add(job.id)
            elif job.id in self.interrupted:
                self.wrong.append(f"begun, and queued again: {job}")
            priority = self.priorities.get(job.id)
            if job.status == "queued" and priority not in (None, job.priority):
                self.wrong.append(f"had priority {priority}: {job}")

    def check_dependencies(self, job: Job, jobs: dict[int, Job]) -> None:
        """A job that succeeded has had what it depends on."""
        if job.status != "success":
            return
        for dependency in job.depends:
            other = jobs[dependency.job_id]
            if not dependency.is_met_by(other.status):
                self.wrong.append(f"ran in spite of job {other.id}: {job}")


class Client:
    """Submits, cancels, changes priorities and waits, whatever the master does."""

    def __init__(self, known: Known, socket: Path, seed: int) -> None:
        self._known = known
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._api = ApiClient(_reactor(), socket, "", _no_matter)
        self.is_over = False

    async def work(self) -> None:
        """Go on until it is over."""
        while not self.is_over:
            try:
                await self._round()
            except Unavailable:
                await self.pause()
        self._api.close()

    async def pause(self) -> None:
        """Let others do something."""
        await deferLater(_reactor(), PAUSE_SECONDS)

    async def _round(self) -> None:
        draw = self._random
        requests = [self._request(n) for n in range(draw.randint(1, 4))]
        ids = await self._api.submit(requests)
        for job_id, request in zip(ids, requests, strict=True):
            self._known.priorities[job_id] = request.priority
        chosen = draw.choice(ids)
        what = draw.random()
        if what < 0.3:
            done, said = await self._api.cancel(chosen)
            if done and "was canceled" in said:
                self._known.canceled.add(chosen)
        elif what < 0.6:
            priority = draw.choice(SUBMIT_PRIORITIES)
            self._known.priorities[chosen] = None
            done, _ = await self._api.change_priority(chosen, priority)
            if done:
                self._known.priorities[chosen] = priority
        if draw.random() < 0.5:
            for job in await self._api.follow_many(ids):
                self._known.ended(job)
        else:
            await self.pause()

    def _request(self, index: int) -> SubmitRequest:
        draw = self._random
        ops = tuple(
            OpTestDelay(
                duration=draw.choice((0, 0, 0.02, 0.3)), fail=not draw.randrange(8)
            )
            for _ in range(draw.randint(1, 2))
        )
        depends = (Dependency(-1),) if index and draw.random() < 0.3 else ()
        priority = draw.choice(SUBMIT_PRIORITIES)
        return SubmitRequest(ops=ops, priority=priority, depends=depends)


class EngineTests(TestCase):
    """One master, no node."""

    timeout = 600

    async def setUp(self) -> None:  # type: ignore[override]
        """Initialise the cluster."""
        given = os.environ.get("GANETIX_TEST_SEED")
        self.seed = int(given) if given else random.SystemRandom().getrandbits(32)
        sys.stdout.write(f"(GANETIX_TEST_SEED={self.seed}) ")
        self.cluster = RealCluster(reactor, 5)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        (self.cluster.base / "node1").mkdir()
        await self.cluster.init()
        self.known = Known()

    def disk(self) -> dict[int, Job]:
        """All jobs, out of copies of the state store's files.

        Opened in place they would be put in order, which is the master's to do.
        """
        source = self.cluster.paths().state_db
        copy = self.cluster.base / "copy.db"
        copy.with_name("copy.db-wal").unlink(missing_ok=True)
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{source}{end}", f"{copy}{end}")
        query = "SELECT kind, key, data FROM rows WHERE kind IN (?, ?)"
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            rows = connection.execute(query, (UNFINISHED, FINISHED)).fetchall()
        jobs = [job_of(Row(*row)) for row in rows]
        self.assertEqual(
            len({job.id for job in jobs}), len(jobs), "a job is there twice"
        )
        return {job.id: job for job in jobs}

    async def kill_at_random(self, draw: random.Random) -> None:
        """Kill the master that runs, or one that starts, and look at the disk."""
        await deferLater(_reactor(), draw.uniform(0, 0.8))
        await self.cluster.end("master", signal.SIGKILL)
        self.known.on_disk(self.disk())
        if not draw.randrange(6):
            argv = self.cluster.twistd("ganetix-master", "node1")
            self.cluster.daemons["master"] = self.cluster.spawn(argv)
            await deferLater(_reactor(), draw.uniform(0.3, 1.0))
            await self.cluster.end("master", signal.SIGKILL)
            self.known.on_disk(self.disk())

    async def test_kills(self) -> None:
        """No acknowledged job is lost, none runs twice, no end and no priority changes.

        Eight clients submit, cancel, change priorities and wait all the while.
        """
        draw = random.Random(self.seed)  # noqa: S311 - not a secret
        socket = self.cluster.paths().master_socket
        clients = [Client(self.known, socket, self.seed + n) for n in range(CLIENTS)]
        await self.cluster.start_master()
        working = settle([Deferred.fromCoroutine(each.work()) for each in clients])
        try:
            for _ in range(KILLS):
                await self.kill_at_random(draw)
                self.assertEqual(self.known.wrong, [])
                await self.cluster.start_master()
        finally:
            for client in clients:
                client.is_over = True
            await working
        await self.check_all()
        jobs = self.known.finals.values()
        self.assertGreater(len(jobs), 100)
        self.assertGreater(len(self.known.interrupted), 0)
        statuses = {job.status for job in jobs}
        self.assertEqual(statuses, {"success", "error", "canceled"})

    async def check_all(self) -> None:
        """In the end every job has ended, and is as it was ever seen."""
        api = ApiClient(_reactor(), self.cluster.paths().master_socket, "", _no_matter)
        ids = sorted(self.known.priorities)
        for job in await api.follow_many(ids):
            self.known.ended(job)
        api.close()
        await self.cluster.end("master")
        jobs = self.disk()
        self.known.on_disk(jobs)
        self.assertEqual(self.known.wrong, [])
        self.assertEqual([job for job in jobs.values() if not job.is_final], [])


def _reactor() -> Any:
    return reactor


def _no_matter(line: str) -> None:
    """What is said of lost connections."""
