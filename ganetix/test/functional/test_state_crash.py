"""What was acknowledged is there after ``kill -9``: a real process, a real file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from ganetix.flow.offload import inline_offload
from ganetix.state.sqlite import SqliteEngine

DEADLINE_SECONDS = 60.0

WRITER = """
import itertools, os, sys
from pathlib import Path
from twisted.internet import task
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.threadpool import ThreadPool
from ganetix.flow.offload import thread_offload
from ganetix.state.sqlite import SqliteEngine
from ganetix.state.store import StateStore
from ganetix.testing.state import put

def acknowledged(number, revision):
    os.write(1, b"%d %d\\n" % (number, revision))

async def main(reactor):
    pool = ThreadPool(1, 1, "state")
    pool.start()
    offload = thread_offload(reactor, pool)
    store = StateStore(SqliteEngine(Path(sys.argv[1]), offload), reactor)
    await store.open()
    numbers = itertools.count()
    writers = [write(store, numbers) for _ in range(5)]
    await gatherResults([Deferred.fromCoroutine(writer) for writer in writers])

async def write(store, numbers):
    for number in numbers:
        rows = [put(sys.argv[2], f"{number:08}/{p}", b"x" * 300) for p in range(3)]
        acknowledged(number, await store.write(rows))

task.react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
"""


class _Victim(ProcessProtocol):
    """Collects what the writer says and kills it after so many lines."""

    def __init__(self, lines: int) -> None:
        self.output = b""
        self.errors = b""
        self.ended: Deferred[None] = Deferred()
        self._lines = lines

    def outReceived(self, data: bytes) -> None:
        self.output += data
        if self.output.count(b"\n") >= self._lines:
            self.kill()

    def errReceived(self, data: bytes) -> None:
        self.errors += data

    def kill(self) -> None:
        """End the process without a warning."""
        if self.transport is not None and self.transport.pid is not None:
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)


class StateCrashTests(TestCase):
    """A process that writes without pause is killed at several points."""

    async def test_kill(self) -> None:
        """All acknowledged batches are there, each batch is whole, and it goes on."""
        path = Path(self.mktemp())
        path.parent.mkdir(parents=True, exist_ok=True)
        revision = 0
        for kind, lines in (("a", 1), ("b", 40), ("c", 333)):
            acknowledged = await self.write_until_killed(path, kind, lines)
            self.assertEqual(
                acknowledged, [(n, revision + n + 1) for n in range(len(acknowledged))]
            )
            engine = SqliteEngine(path, inline_offload)
            now = await engine.open()
            keys = [row.key for row in await engine.load([kind])]
            await engine.close()
            batches = now - revision
            self.assertGreaterEqual(batches, len(acknowledged))
            self.assertEqual(
                keys, [f"{n:08}/{part}" for n in range(batches) for part in range(3)]
            )
            revision = now

    async def write_until_killed(
        self, path: Path, kind: str, lines: int
    ) -> list[tuple[int, int]]:
        """Batches' numbers and the revisions the dead process acknowledged."""
        victim = _Victim(lines)
        IReactorProcess(reactor).spawnProcess(
            victim,
            sys.executable,
            [sys.executable, "-c", WRITER, str(path), kind],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        deadline = IReactorTime(reactor).callLater(DEADLINE_SECONDS, victim.kill)
        await victim.ended
        if deadline.active():
            deadline.cancel()
        complete = victim.output[: victim.output.rfind(b"\n") + 1]
        told = [tuple(map(int, line.split())) for line in complete.splitlines()]
        self.assertGreaterEqual(len(told), lines, victim.errors.decode())
        return [(number, revision) for number, revision in told]
