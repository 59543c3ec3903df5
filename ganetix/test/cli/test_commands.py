"""Tests of commands: what they ask, print and end with."""

from __future__ import annotations

import json

from msgspec.structs import replace
from twisted.internet.defer import succeed

from ganetix.api.types import (
    FieldInfo,
    QueryRequest,
    QueryResult,
    QueryRow,
)
from ganetix.errors import NoResources, StateFault, WrongState
from ganetix.jobs.model import Dependency
from ganetix.jobs.values import Drain, LockInfo, LockOwner, LockWaiter
from ganetix.opcodes import (
    OpClusterRenewCrypto,
    OpClusterVerify,
    OpGroupAdd,
    OpInstanceRemove,
    OpInstanceShutdown,
    OpInstanceStartup,
    OpNodeAdd,
)
from ganetix.test.cli.support import CommandTestCase
from ganetix.testing.api import CLUSTER_INFO

NAME = FieldInfo(name="name", title="Node", doc="Its name", default=True)
FREE = FieldInfo(name="mfree", title="MFree", kind="mib", doc="Free", live=True)
UP = FieldInfo(name="up", title="Up", kind="bool", doc="Up")
TABLE = QueryResult(
    fields=(NAME, FREE, UP),
    rows=(
        QueryRow(cells=("node1", 1536, True), source="live", age_seconds=0.5),
        QueryRow(cells=("node10", None, None), source="unreachable"),
        QueryRow(cells=("node2", None, False), source="offline"),
    ),
)


class ListTests(CommandTestCase):
    """Tables."""

    async def setUp(self) -> None:  # type: ignore[override]
        """Every query answers one table."""
        await super().setUp()
        self.requests: list[QueryRequest] = []

        def answer(request: QueryRequest) -> object:
            self.requests.append(request)
            return succeed(TABLE)

        self.master._queries = answer  # type: ignore[assignment]

    async def test_table(self) -> None:
        """Columns are aligned, numbers to the right; what is not known is marked."""
        self.assertEqual(await self.run_line("gnt-node list"), 0)
        self.assertEqual(
            self.out,
            "Node   MFree Up\nnode1   1.5G Y\nnode10     ? ?\nnode2      * N\n",
        )
        self.assertIn("a node did not answer for 1 row", self.err)

    async def test_for_scripts(self) -> None:
        """With a separator sizes are bare MiB."""
        await self.run_line("gnt-node list --no-headers --separator=:")
        self.assertEqual(self.out, "node1:1536:Y\nnode10:?:?\nnode2:*:N\n")

    async def test_units(self) -> None:
        """A unit may be chosen."""
        await self.run_line("gnt-node list --no-headers --separator=: --units g")
        self.assertIn("node1:1.5:Y", self.out)

    async def test_json(self) -> None:
        """JSON has plain values by field, null for unknown ones, and the source."""
        await self.run_line("gnt-node list --json")
        rows = json.loads(self.out)
        self.assertEqual(
            rows[0],
            {
                "name": "node1",
                "mfree": 1536,
                "up": True,
                "_source": "live",
                "_age_seconds": 0.5,
            },
        )
        self.assertIsNone(rows[1]["mfree"])

    async def test_request(self) -> None:
        """Names, group and fields go to the master as they were given."""
        await self.run_line("gnt-node list -g rack2 -o +sip,pip node1")
        self.assertEqual(
            self.requests,
            [
                QueryRequest(
                    kind="node",
                    fields=("+sip", "pip"),
                    names=("node1",),
                    group="rack2",
                )
            ],
        )

    async def test_refused(self) -> None:
        """A refusal is one line and status 1."""
        self.master.error = WrongState("no\nway")
        self.assertEqual(await self.run_line("gnt-node list"), 1)
        self.assertEqual((self.out, self.err), ("", "gnt-node: error: no; way\n"))

    async def test_fields(self) -> None:
        """--help-fields lists what there is."""
        self.master.field_infos = {"node": (NAME, FREE)}
        await self.run_line("gnt-node list --help-fields")
        self.assertIn("* name   Its name\n", self.out)
        self.assertIn("mfree  Free (asked of the nodes)", self.out)

    async def test_locks(self) -> None:
        """Locks show their holders."""
        owner = LockOwner(job_id=7, name="job 7", mode="exclusive")
        waiter = LockWaiter(job_id=8, name="job 8", mode="shared", priority=0)
        lock = LockInfo(
            level="node",
            name="n1",
            mode="exclusive",
            owners=(owner,),
            pending=(waiter,),
        )
        self.master.held = (lock,)
        await self.run_line("gnt-debug locks --separator=:")
        self.assertIn("node:n1:exclusive:job 7:job 8 shared +0", self.out)


class JobTests(CommandTestCase):
    """Commands that make jobs."""

    async def test_success(self) -> None:
        """A job's progress goes to stderr, and nothing to stdout."""
        self.assertEqual(await self.run_line("gnt-group add rack2"), 0)
        self.assertEqual(self.master.submitted[0].ops, (OpGroupAdd(name="rack2"),))
        self.assertEqual(self.out, "")
        self.assertIn("job 1: success, GROUP_ADD(rack2)", self.err)

    async def test_failure(self) -> None:
        """A job that fails is status 1, with the reason in one line."""
        self.master.failures[OpGroupAdd] = NoResources("no room")
        self.assertEqual(await self.run_line("gnt-group add rack2"), 1)
        self.assertTrue(self.err.endswith("gnt-group: error: job 1: no room\n"))

    async def test_submit(self) -> None:
        """--submit prints the number alone and does not wait."""
        self.master.automatic = False
        line = "gnt-group add --submit --priority high --reason why rack2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual((self.out, self.err), ("1\n", ""))
        self.assertEqual(self.master.submitted[0].priority, -10)
        self.assertEqual(self.master.submitted[0].reason, "why")

    async def test_wrong_value(self) -> None:
        """A value that an opcode refuses is usage, and nothing is submitted."""
        self.assertEqual(await self.run_line("gnt-group add /bad"), 2)
        self.assertIn("gnt-group: error: name: '/bad' is not a name", self.err)
        self.assertEqual(self.master.submitted, [])

    async def test_interrupt(self) -> None:
        """Ctrl-C says that the job goes on, and how to follow and cancel it."""
        self.master.automatic = False
        running = self.start("gnt-group add rack2")
        await self.until(lambda: self.master.watches)
        await self.until(lambda: self.master.watches[0]._wake)
        running.cancel()
        self.assertEqual(await running, 130)
        self.assertIn("job 1 goes on", self.err)
        self.assertIn("gnt-job cancel 1", self.err)
        self.assertEqual(self.master.jobs[1].status, "queued")

    async def test_several(self) -> None:
        """Several instances are a job each; one failure is status 1."""
        self.assertEqual(await self.run_line("gnt-instance start web1 web2 web1"), 0)
        self.assertEqual(
            [request.ops for request in self.master.submitted],
            [(OpInstanceStartup(name="web1"),), (OpInstanceStartup(name="web2"),)],
        )
        self.master.failures[OpInstanceShutdown] = NoResources("no")
        self.assertEqual(
            await self.run_line("gnt-instance stop --timeout 5s web1 web2"), 1
        )
        self.assertIn("2 of 2 jobs failed: 3, 4", self.err)
        self.assertEqual(
            self.master.submitted[-1].ops,
            (OpInstanceShutdown(name="web2", timeout=5.0),),
        )

    async def test_selection(self) -> None:
        """-g and --all select by query; nothing selected is usage."""
        field = FieldInfo(name="name", title="I", doc="d")
        rows = (QueryRow(cells=("web1",)), QueryRow(cells=("web2",)))
        result = QueryResult(fields=(field,), rows=rows)
        self.master._queries = lambda request: succeed(result)
        self.assertEqual(await self.run_line("gnt-instance start -g rack2"), 0)
        self.assertEqual(len(self.master.submitted), 2)
        self.assertEqual(await self.run_line("gnt-instance stop"), 2)
        self.assertIn("which instances?", self.err)
        self.assertEqual(await self.run_line("gnt-instance stop --all"), 1)
        self.assertIn("give -f", self.err)
        self.assertEqual(await self.run_line("gnt-instance stop -f --all"), 0)
        self.assertEqual(len(self.master.submitted), 4)

    async def test_remove_needs_force(self) -> None:
        """Where nobody can answer, removal needs -f."""
        self.assertEqual(await self.run_line("gnt-instance remove web1", "y\n"), 1)
        self.assertEqual(self.master.submitted, [])
        self.assertEqual(await self.run_line("gnt-instance remove -f web1"), 0)
        self.assertEqual(self.master.submitted[0].ops, (OpInstanceRemove(name="web1"),))

    async def test_depends(self) -> None:
        """--depends names jobs and how they may end; success if it says nothing."""
        line = (
            "gnt-debug delay --depends 7 --depends 8:error+canceled --depends 9:any 1"
        )
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(
            self.master.submitted[0].depends,
            (
                Dependency(7, ("success",)),
                Dependency(8, ("error", "canceled")),
                Dependency(9, ()),
            ),
        )

    async def test_wrong_depends(self) -> None:
        """What is no job, or no way to end, is usage."""
        for text, said in (
            ("x", "'x' is not the number of a job"),
            ("-1", "'-1' is not the number of a job"),
            ("0:error", "'0' is not the number of a job"),
            ("7:running", "'running' is not one of success, error, canceled, or any"),
            ("7:", "'' is not one of"),
        ):
            self.assertEqual(
                await self.run_line(f"gnt-debug delay --depends {text} 1"), 2
            )
            self.assertIn(said, self.err)
        self.assertEqual(self.master.submitted, [])

    async def test_change_priority(self) -> None:
        """A priority is a word or a number; jobs that have ended are refused."""
        self.master.automatic = False
        await self.run_line("gnt-debug delay --submit 1")
        await self.run_line("gnt-debug delay --submit 1")
        self.assertEqual(await self.run_line("gnt-job change-priority high 1"), 0)
        self.assertEqual(self.out, "job 1 has priority -10\n")
        self.assertEqual(await self.run_line("gnt-job change-priority -10 2"), 0)
        self.assertEqual(self.master.jobs[2].priority, -10)
        self.master.advance(1, "success")
        self.assertEqual(await self.run_line("gnt-job change-priority low 1 2"), 1)
        self.assertEqual(self.out, "job 2 has priority 10\n")
        self.assertIn("error: job 1 has ended already: success", self.err)
        self.assertEqual(await self.run_line("gnt-job change-priority 5 1"), 2)
        self.assertIn("PRIORITY: '5' is not one of low, normal, high", self.err)

    async def test_archive(self) -> None:
        """Jobs are archived by number, by age, or all."""
        self.master.automatic = False
        for _ in range(3):
            await self.run_line("gnt-debug delay --submit 1")
        self.master.advance(1, "success")
        self.assertEqual(await self.run_line("gnt-job archive 1 2"), 1)
        self.assertEqual(self.out, "job 1 is archived\n")
        self.assertIn("error: job 2 has not ended: it is queued", self.err)
        self.master.advance(2, "success")
        self.assertEqual(await self.run_line("gnt-job archive --older-than 1h"), 0)
        self.assertEqual(self.out, "archived 0 jobs\n")
        self.assertEqual(await self.run_line("gnt-job archive --all"), 0)
        self.assertEqual(self.out, "archived 1 job\n")

    async def test_archive_what(self) -> None:
        """Without jobs, or with several ways to name them, it is usage."""
        for rest in ("", " --all 1", " --all --older-than 1h", " --older-than x"):
            self.assertEqual(await self.run_line(f"gnt-job archive{rest}"), 2)
        self.assertEqual(await self.run_line("gnt-job archive 99"), 1)
        self.assertEqual(self.err, "gnt-job: error: there is no job 99\n")

    async def test_list_archived(self) -> None:
        """--archived is asked for."""
        requests: list[QueryRequest] = []

        def answer(request: QueryRequest) -> object:
            requests.append(request)
            return succeed(QueryResult(fields=(), rows=()))

        self.master._queries = answer  # type: ignore[assignment]
        await self.run_line("gnt-job list --archived")
        await self.run_line("gnt-job list")
        self.assertEqual([r.archived for r in requests], [True, False])

    async def test_why(self) -> None:
        """What jobs wait for is a line each."""
        names = ("id", "status", "summary", "why")
        fields = tuple(FieldInfo(name=name, title=name, doc="d") for name in names)
        rows = (
            QueryRow(cells=(7, "queued", "TEST_DELAY(1)", "waits for job 6")),
            QueryRow(cells=(8, "running", "TEST_DELAY(1)", None)),
        )
        result = QueryResult(fields=fields, rows=rows)
        self.master._queries = lambda request: succeed(result)
        self.assertEqual(await self.run_line("gnt-job why 7 8"), 0)
        self.assertEqual(
            self.out,
            "job 7, TEST_DELAY(1): queued, waits for job 6\n"
            "job 8, TEST_DELAY(1): running, waits for nothing\n",
        )

    async def test_wait(self) -> None:
        """wait prints how jobs ended; watch their logs from the beginning."""
        self.master.automatic = False
        await self.run_line("gnt-debug delay --submit 1")
        self.master.advance(1, "error", ["one"])
        self.assertEqual(await self.run_line("gnt-job wait 1"), 1)
        self.assertEqual((self.out, self.err), ("1 error\n", ""))
        self.assertEqual(await self.run_line("gnt-job watch 1"), 1)
        self.assertIn("  one\n", self.err)
        self.assertEqual(await self.run_line("gnt-job wait 99"), 1)
        self.assertEqual(self.err, "gnt-job: error: there is no job 99\n")

    async def test_cancel(self) -> None:
        """A job that has ended cannot be cancelled: status 1."""
        await self.run_line("gnt-debug delay 1")
        self.assertEqual(await self.run_line("gnt-job cancel 1"), 1)
        self.assertIn("ended already", self.err)

    async def test_node_add(self) -> None:
        """The token alone is on stdout."""
        line = "gnt-node add --primary-ip 127.0.0.12 --token-lifetime 5m node2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(self.out, "gnx1.node2\n")
        self.assertEqual(self.master.tokens, [("node2", 300.0)])
        self.assertEqual(
            self.master.submitted[0].ops,
            (OpNodeAdd(name="node2", primary_ip="127.0.0.12"),),
        )
        self.assertIn("ganetix-node join", self.err)

    async def test_console_log(self) -> None:
        """The end of the console's log is printed, without its control sequences."""
        self.master.console_log = "one\nguest# \x1b[6n\x1b[1;32mtwo\x07\r\n"
        self.assertEqual(await self.run_line("gnt-instance console --log -n 1 w"), 0)
        self.assertEqual(self.out, "guest# two\n")

    async def test_console_needs_terminal(self) -> None:
        """Without a terminal there is no console."""
        self.assertEqual(await self.run_line("gnt-instance console web1"), 1)
        self.assertIn("needs a terminal", self.err)


class ClusterTests(CommandTestCase):
    """``gnt-cluster``."""

    FINDING = {
        "level": "error",
        "code": "ENODERPC",
        "kind": "node",
        "name": "node2",
        "message": "does not answer",
    }

    async def test_verify_clean(self) -> None:
        """Nothing found is status 0."""
        self.master.results[OpClusterVerify] = {"groups": ["default"]}
        self.assertEqual(await self.run_line("gnt-cluster verify"), 0)
        self.assertIn("in default: 0 errors, 0 warnings", self.out)

    async def test_verify_errors(self) -> None:
        """Findings are grouped; an error is status 1."""
        self.master.results[OpClusterVerify] = {
            "findings": [self.FINDING, {**self.FINDING, "level": "warning"}],
            "repaired": ["removed a disk"],
            "groups": ["default"],
            "checked_nodes": 2,
        }
        self.assertEqual(await self.run_line("gnt-cluster verify"), 1)
        self.assertIn(
            "node:\n  ERROR node2: does not answer [ENODERPC]\n  WARNING", self.out
        )
        self.assertIn("repaired: removed a disk", self.out)
        self.assertIn("checked 2 nodes and 0 instances", self.out)

    async def test_verify_all_groups(self) -> None:
        """--all-groups is a job for each group, and one report."""
        rows = (QueryRow(cells=("default",)), QueryRow(cells=("rack2",)))
        result = QueryResult(fields=(NAME,), rows=rows)
        self.master._queries = lambda request: succeed(result)
        self.master.results[OpClusterVerify] = {"findings": [self.FINDING]}
        line = "gnt-cluster verify --all-groups --repair --json"
        self.assertEqual(await self.run_line(line), 1)
        self.assertEqual(len(json.loads(self.out)["findings"]), 1)
        self.assertEqual(
            [request.ops for request in self.master.submitted],
            [
                (OpClusterVerify(group="default", repair=True),),
                (OpClusterVerify(group="rack2", repair=True),),
            ],
        )

    async def test_verify_error_codes(self) -> None:
        """For scripts a finding is one line, whatever is in its message."""
        hostile = {**self.FINDING, "level": "warning", "message": "a: b\nc"}
        self.master.results[OpClusterVerify] = {"findings": [self.FINDING, hostile]}
        self.assertEqual(await self.run_line("gnt-cluster verify --error-codes"), 1)
        first, second = self.out.splitlines()
        self.assertEqual(first, "ERROR:ENODERPC:node:node2:does not answer")
        self.assertTrue(second.startswith("WARNING:ENODERPC:node:node2:a: b"))

    async def test_verify_ignores(self) -> None:
        """Codes to ignore go with the job; one that is unknown is wrong usage."""
        self.master.results[OpClusterVerify] = {}
        line = "gnt-cluster verify --ignore-errors ENODETIME --ignore-errors ENODEDISK"
        self.assertEqual(await self.run_line(line), 0)
        (request,) = self.master.submitted
        op = OpClusterVerify(ignore_errors=("ENODETIME", "ENODEDISK"))
        self.assertEqual(request.ops, (op,))
        wrong = "gnt-cluster verify --ignore-errors ENODETIMES"
        self.assertEqual(await self.run_line(wrong), 2)
        self.assertIn("no code 'ENODETIMES'; did you mean ENODETIME", self.err)
        self.assertEqual(len(self.master.submitted), 1)

    async def test_verify_list_codes(self) -> None:
        """All codes are listed with their meanings, without a job."""
        self.assertEqual(await self.run_line("gnt-cluster verify --list-codes"), 0)
        self.assertRegex(self.out, r"(?m)^ENODERPC +the node does not answer$")
        self.assertEqual(self.master.submitted, [])

    async def test_renew_crypto(self) -> None:
        """What to renew must be said; nodes may be named."""
        line = "gnt-cluster renew-crypto"
        self.assertEqual(await self.run_line(line), 2)
        self.assertIn("nothing to renew", self.err)
        line += " --new-node-certificates --node node2"
        self.assertEqual(await self.run_line(line), 0)
        (request,) = self.master.submitted
        op = OpClusterRenewCrypto(new_node_certificates=True, nodes=("node2",))
        self.assertEqual(request.ops, (op,))

    async def test_verify_without_medium(self) -> None:
        """If the master can write no job, that is what is wrong."""
        self.master.error = StateFault("state store: the disk is full")
        self.assertEqual(await self.run_line("gnt-cluster verify"), 1)
        self.assertIn("the disk is full [ECLUSTERSTATE]", self.out)
        self.assertIn("1 error,", self.out)
        self.assertEqual(await self.run_line("gnt-cluster verify --json"), 1)
        (finding,) = json.loads(self.out)["findings"]
        self.assertEqual(finding["code"], "ECLUSTERSTATE")

    async def test_queue(self) -> None:
        """The queue is drained and undrained, and shows how it is."""
        self.assertEqual(await self.run_line("gnt-cluster queue info"), 0)
        self.assertEqual(
            self.out,
            "Queue: takes jobs\n"
            "Jobs: 1 running, 0 waiting for locks, 2 queued; 64 slots\n",
        )
        await self.run_line("gnt-cluster queue drain --reason upgrade")
        self.assertRegex(self.out, "Queue: drained since .*: upgrade\n")
        await self.run_line("gnt-cluster queue info --json")
        self.assertEqual(json.loads(self.out)["drain"]["reason"], "upgrade")
        await self.run_line("gnt-cluster queue undrain")
        self.assertIn("Queue: takes jobs\n", self.out)
        self.assertEqual(await self.run_line("gnt-cluster queue"), 2)
        self.assertEqual(await self.run_line("gnt-cluster queue stop"), 2)
        self.assertEqual(await self.run_line("gnt-cluster queue info --reason x"), 2)

    async def test_info(self) -> None:
        """What is wrong with the state medium, and a drain, stand in the info."""
        self.master.info = replace(
            CLUSTER_INFO,
            drain=Drain(since=5.0, reason="upgrade"),
            faults=("state store: the disk is full",),
        )
        self.assertEqual(await self.run_line("gnt-cluster info"), 0)
        self.assertRegex(self.out, "Queue: drained since .*: upgrade\n")
        self.assertIn("Fault: state store: the disk is full\n", self.out)

    async def test_getmaster(self) -> None:
        """The master's name comes from ssconf, without a daemon."""
        self.assertEqual(await self.run_line("gnt-cluster getmaster"), 1)
        self.assertIn("this host is in no cluster", self.err)
        path = self.root / "var/lib/ganetix/ssconf_master_node"
        path.parent.mkdir(parents=True)
        path.write_text("node1\n")
        self.assertEqual(await self.run_line("gnt-cluster getmaster"), 0)
        self.assertEqual(self.out, "node1\n")

    async def test_destroy(self) -> None:
        """Destroying needs the word."""
        self.assertEqual(await self.run_line("gnt-cluster destroy"), 2)
        self.assertEqual(self.master.submitted, [])

    async def test_no_master(self) -> None:
        """Without a master: one line, with what to do."""
        await self.stop_listening()
        self.assertEqual(await self.run_line("gnt-cluster info"), 1)
        self.assertIn("ganetix-master does not run here", self.err)
        self.assertEqual(self.err.count("\n"), 1)
        await self.listen()

    async def test_internal_error(self) -> None:
        """An unexpected exception is a line, never a traceback."""
        self.master.results[OpClusterVerify] = {"findings": "nonsense"}
        self.assertEqual(await self.run_line("gnt-cluster verify"), 1)
        self.assertIn("internal error: ValidationError", self.err)
        self.assertNotIn("Traceback", self.err)


class TerminalTests(CommandTestCase):
    """Where a human looks on."""

    is_terminal = True

    async def test_confirm(self) -> None:
        """Removal asks; anything but yes does nothing."""
        self.assertEqual(await self.run_line("gnt-instance remove web1", "\n"), 1)
        self.assertIn("nothing was done", self.err)
        self.assertEqual(self.master.submitted, [])
        self.assertEqual(await self.run_line("gnt-instance remove web1", "y\n"), 0)
        self.assertEqual(len(self.master.submitted), 1)

    async def test_status_line(self) -> None:
        """The status is written over; log lines and the end stay."""
        self.master.automatic = False
        running = self.start("gnt-group add rack2")
        await self.until(lambda: "queued" in self.err)
        self.master.advance(1, "running", ["a line"])
        await self.until(lambda: "running" in self.err)
        self.master.advance(1, "success")
        self.assertEqual(await running, 0)
        kept = [text.rpartition("\r\x1b[K")[2] for text in self.err.split("\n")]
        self.assertEqual(kept[0], "  a line")
        self.assertTrue(kept[1].startswith("job 1: success"))
        self.assertEqual(kept[2], "")
