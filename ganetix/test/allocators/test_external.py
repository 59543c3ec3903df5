"""Tests of allocators that are programs: shell scripts, and Debian's hail."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from ganetix.allocators.external import (
    AllocatorLimits,
    ExternalAllocators,
    find_allocator,
    search_path,
)
from ganetix.errors import BadParameter, CommandFailed, GanetixError, NotFound
from ganetix.flow.offload import inline_offload
from ganetix.paths import Paths
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    Answer,
    AnyRequest,
    Capacity,
    ChangeGroup,
    Moves,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
    Nodes,
    Placements,
    Relocate,
)
from ganetix.process import ProcessRunner
from ganetix.test.allocators.protocol_cases import CLUSTER, PAIR, SINGLE
from ganetix.test.allocators.support import HAIL
from ganetix.test.test_process import alive
from ganetix.testing.process import FakeRunner

GOOD = '{"success": true, "info": "fine", "result": ["n1", "n2"]}'
REQUEST = Allocate(instance=PAIR)


def lone(**changes: object) -> Newcomer:
    """An instance for one node, on no managed network."""
    fields = {
        "disk": 2048,
        "disks": (2048,),
        "networks": ("",),
        "restrict_to_nodes": (),
        **changes,
    }
    return msgspec.structs.replace(SINGLE, **fields)


class FindTests(SynchronousTestCase):
    """Where allocators are looked for."""

    def setUp(self) -> None:
        """Two directories."""
        root = Path(self.mktemp()).absolute()
        self.first, self.second = root / "first", root / "second"
        for directory in (self.first, self.second):
            directory.mkdir(parents=True)

    def put(self, directory: Path, name: str, mode: int = 0o755) -> Path:
        """A file."""
        path = directory / name
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
        return path

    def test_first_executable(self) -> None:
        """The first executable wins; what cannot be run is passed over."""
        there = self.put(self.second, "mine")
        directories = (self.first, self.second)
        self.put(self.first, "mine", 0o644)
        self.assertEqual(find_allocator("mine", directories), there)
        here = self.put(self.first, "mine")
        self.assertEqual(find_allocator("mine", directories), here)

    def test_missing(self) -> None:
        """The error says where was looked."""
        error = self.assertRaises(NotFound, find_allocator, "mine", (self.first,))
        self.assertIn(str(self.first), str(error))
        (self.first / "dir").mkdir()
        self.assertRaises(NotFound, find_allocator, "dir", (self.first,))

    def test_names(self) -> None:
        """A name is no path."""
        self.put(self.first, "mine")
        for name in ("", ".", "..", "../first/mine", "/bin/sh", "a b", "-x"):
            self.assertRaises(BadParameter, find_allocator, name, (self.first,))

    def test_order(self) -> None:
        """The administrator's directory comes first, Ganeti's last."""
        path = search_path(Paths(Path("/r")))
        self.assertEqual(path[0], Path("/r/etc/ganetix/iallocators"))
        self.assertEqual(path[-1], Path("/usr/lib/ganeti/iallocators"))


class InputTests(SynchronousTestCase):
    """The file that an allocator is given."""

    def setUp(self) -> None:
        """A runner that looks at the file."""
        self.root = Path(self.mktemp()).absolute()
        self.paths = Paths(self.root)
        program = self.paths.etc / "iallocators/mine"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        self.runner = FakeRunner()
        self.allocators = ExternalAllocators(
            self.runner,
            inline_offload,
            self.paths,
            search_path(self.paths)[:1],
            AllocatorLimits(seconds=7, memory_mib=64),
        )

    def files(self) -> list[Path]:
        """What lies in the runtime directory."""
        return list(self.paths.run.iterdir())

    def test_file(self) -> None:
        """Only we can read it, and it is gone afterwards."""
        seen: list[tuple[int, bytes]] = []

        def look(argv: object) -> None:
            assert isinstance(argv, list)
            path = Path(argv[-1])
            self.assertEqual(path.parent, self.paths.run)
            seen.append((path.stat().st_mode & 0o777, path.read_bytes()))

        self.runner.on("prlimit", stdout=GOOD.encode(), effect=look)
        asked = self.allocators.ask("mine", CLUSTER, REQUEST)
        answer = self.successResultOf(asked)
        self.assertEqual(answer, Answer(info="fine", result=Nodes(nodes=("n1", "n2"))))
        ((mode, data),) = seen
        self.assertEqual(mode, 0o600)
        self.assertEqual(json.loads(data)["request"]["name"], "new")
        self.assertEqual(self.files(), [])
        (call,) = self.runner.calls
        self.assertEqual(call.timeout_seconds, 7)
        self.assertEqual(call.argv[1], f"--as={64 << 20}")

    def test_cancelled(self) -> None:
        """The file goes when the wish to know goes, and the allocator is ended."""
        self.runner.on("prlimit", hangs=True)
        asked = self.allocators.ask("mine", CLUSTER, REQUEST)
        self.assertEqual(len(self.files()), 1)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(self.files(), [])

    def test_failed(self) -> None:
        """The file goes when the allocator fails; all that it said is shown."""
        self.runner.on("prlimit", status=1, stdout=b"out", stderr=b"one\n two\n")
        failure = self.failureResultOf(
            self.allocators.ask("mine", CLUSTER, REQUEST), CommandFailed
        )
        self.assertEqual(
            str(failure.value),
            "allocator mine failed with exit status 1: one; two; out",
        )
        self.assertEqual(self.files(), [])

    def test_warnings(self) -> None:
        """What it says on standard error is passed on, though it succeeds."""
        self.runner.on("prlimit", stdout=GOOD.encode(), stderr=b"careful\n")
        lines: list[str] = []
        asked = self.allocators.ask("mine", CLUSTER, REQUEST, say=lines.append)
        self.successResultOf(asked)
        self.assertEqual(lines, ["allocator mine: careful"])


class ScriptTests(TestCase):
    """Allocators that behave badly."""

    def setUp(self) -> None:
        """A runner of real commands."""
        self.root = Path(self.mktemp()).absolute()
        self.paths = Paths(self.root)
        self.directory = self.paths.etc / "iallocators"
        self.directory.mkdir(parents=True)
        self.runner = ProcessRunner(reactor)
        self.addCleanup(self.runner.close)

    def ask(
        self,
        script: str,
        limits: AllocatorLimits = AllocatorLimits(),  # noqa: B008
    ) -> Deferred[Answer]:
        """Ask a shell script."""
        program = self.directory / "script"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        allocators = ExternalAllocators(
            self.runner, inline_offload, self.paths, [self.directory], limits
        )
        return allocators.ask("script", CLUSTER, REQUEST)

    async def failure(self, script: str, limits: AllocatorLimits) -> str:
        """What is said of a script that fails."""
        try:
            await self.ask(script, limits)
        except GanetixError as error:
            self.assertEqual(list(self.paths.run.iterdir()), [])
            return str(error)
        self.fail("it succeeded")

    async def test_answer(self) -> None:
        """An answer comes back; the input is the file that is its argument."""
        answer = await self.ask(f"grep -q required_nodes \"$1\" && echo '{GOOD}'")
        self.assertEqual(answer.result, Nodes(nodes=("n1", "n2")))

    async def test_runaway(self) -> None:
        """One that never ends is ended with its children."""
        pids = self.root / "pids"
        message = await self.failure(
            f"sleep 1000 & echo $! > {pids}; echo working >&2; wait",
            AllocatorLimits(seconds=0.5),
        )
        self.assertEqual(
            message, "allocator script did not finish within 0.5 s: working"
        )
        pid = int(pids.read_text())
        for _ in range(200):
            if not alive(pid):
                return
            await deferLater(reactor, 0.02)
        self.fail("its child goes on")

    async def test_memory(self) -> None:
        """One that takes all memory fails, and the limit is named."""
        message = await self.failure(
            "exec python3 -c 'x = bytearray(1 << 30)'",
            AllocatorLimits(memory_mib=256),
        )
        self.assertIn("its memory is limited to 256 MiB", message)
        self.assertIn("MemoryError", message)

    async def test_signal(self) -> None:
        """One that is killed."""
        message = await self.failure("kill -9 $$", AllocatorLimits())
        self.assertIn("allocator script was ended by signal 9", message)

    async def test_not_an_answer(self) -> None:
        """One that says something else."""
        message = await self.failure("echo hello", AllocatorLimits())
        self.assertIn("allocator script: its answer is none", message)
        self.assertIn("hello", message)


class HailTests(TestCase):
    """Debian's allocator answers all that it knows."""

    def setUp(self) -> None:
        """The real thing."""
        if not os.access(HAIL, os.X_OK):
            raise SkipTest("ganeti-htools is not installed")
        runner = ProcessRunner(reactor)
        self.addCleanup(runner.close)
        paths = Paths(Path(self.mktemp()).absolute())
        self.allocators = ExternalAllocators(runner, inline_offload, paths)

    async def ask(self, request: AnyRequest) -> Answer:
        """Ask hail."""
        return await self.allocators.ask("hail", CLUSTER, request)

    async def test_allocate(self) -> None:
        """One and two nodes, anywhere and in a group."""
        found = (await self.ask(Allocate(instance=PAIR))).result
        assert isinstance(found, Nodes)
        self.assertEqual(len(found.nodes), 2)
        found = (await self.ask(Allocate(instance=PAIR, group="g2"))).result
        assert isinstance(found, Nodes)
        self.assertEqual(set(found.nodes), {"far", "far2"})

    async def test_restricted(self) -> None:
        """Only certain nodes."""
        request = Allocate(instance=lone(restrict_to_nodes=("n4",)))
        answer = await self.ask(request)
        self.assertEqual(answer.result, Nodes(nodes=("n4",)))

    async def test_no_room(self) -> None:
        """No solution is an answer with its reasons."""
        request = Allocate(instance=lone(memory=30000))
        answer = await self.ask(request)
        self.assertIsNone(answer.result)
        self.assertIn("FailMem", answer.info)

    async def test_multi_allocate(self) -> None:
        """Several at once."""
        request = MultiAllocate(instances=(PAIR, lone()))
        found = (await self.ask(request)).result
        assert isinstance(found, Placements)
        self.assertEqual(len(found.placed), 2)

    async def test_relocate(self) -> None:
        """A new secondary node."""
        request = Relocate(instance="i1", relocate_from=("n2",))
        found = (await self.ask(request)).result
        assert isinstance(found, Nodes)
        self.assertIn(found.nodes[0], ("n3", "n4"))

    async def test_evacuate(self) -> None:
        """Each mode."""
        for mode, length in (("primary-only", 1), ("secondary-only", 1), ("all", 3)):
            request = NodeEvacuate(instances=("i1",), mode=mode)  # type: ignore[arg-type]
            found = (await self.ask(request)).result
            assert isinstance(found, Moves)
            self.assertEqual(len(found.moved), 1, found)
            self.assertEqual(len(found.jobs[0]), length)

    async def test_change_group(self) -> None:
        """Both nodes of the other group."""
        request = ChangeGroup(instances=("i1",), target_groups=("u2",))
        found = (await self.ask(request)).result
        assert isinstance(found, Moves)
        self.assertEqual(set(found.moved[0].nodes), {"far", "far2"})
        self.assertEqual(found.moved[0].group, "g2")

    async def test_secondary(self) -> None:
        """A node for an instance that becomes mirrored."""
        found = (await self.ask(AllocateSecondary(instance="i2"))).result
        assert isinstance(found, Nodes)
        self.assertIn(found.nodes[0], ("n2", "n3", "n4"))

    async def test_capacity(self) -> None:
        """What it does not know it refuses, and its words are shown."""
        try:
            await self.ask(Capacity())
        except CommandFailed as error:
            self.assertEqual(
                str(error),
                "allocator hail failed with exit status 1: Error: Invalid request"
                " type 'capacity'",
            )
        else:
            self.fail("it knows capacity")
