"""Tests of queries: cells, sources, and who is asked."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.api.types import Cell, QueryKind, QueryRequest, QueryResult
from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import BadParameter, GanetixError, NodeUnreachable, NotFound
from ganetix.jobs.model import Dependency, Job, LogLine, OpRun
from ganetix.objects import CapacityOverrides, Disk, GuestInfo, JoinToken
from ganetix.objects.guest_calls import GuestList, GuestListRequest
from ganetix.objects.node_calls import NodeInfo, NodeInfoRequest, OsInfo, OsList
from ganetix.opcodes import OpGroupAdd, OpTestDelay
from ganetix.query.service import QueryService
from ganetix.rpc.methods import Nothing
from ganetix.rpc.server import Call, Handler
from ganetix.testing.config import (
    apply,
    make_instance,
    make_node,
    make_snapshot,
    uuid_of,
)
from ganetix.testing.rpc import FakeNodeRpc


class OneSnapshot:
    """A configuration that tests exchange."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.current = snapshot

    def snapshot(self) -> Snapshot:
        """It."""
        return self.current


class SomeJobs:
    """Jobs that were made up."""

    def __init__(self) -> None:
        done = OpRun(op=OpGroupAdd(name="rack2"), status="success")
        waiting = OpRun(op=OpTestDelay(duration=1), status="waiting", priority=-10)
        self.all = {
            1: Job(id=1, ops=(done,), received=1.0, ended=2.0, log_serial=1),
            2: Job(id=2, ops=(done, waiting), received=2.0),
        }

    def jobs(
        self,
        limit: int | None,
        ids: Sequence[int] | None,
        finished: bool,
        archived: bool,
    ) -> Deferred[Sequence[Job]]:
        """The jobs; archived ones only if asked for."""
        for job_id in ids or ():
            if job_id not in self.all:
                return fail(NotFound(f"there is no job {job_id}"))
        chosen = [job for job in self.all.values() if not ids or job.id in ids]
        if not ids and not archived:
            chosen = [job for job in chosen if not job.archived]
        return succeed(chosen[-limit:] if limit else chosen)

    def log(self, job_id: int, after_serial: int) -> Deferred[Sequence[LogLine]]:
        """A line."""
        return succeed([LogLine(serial=1, time=1.5, op=0, text="made it")])

    def why(self, job_id: int) -> str | None:
        """A reason."""
        return f"job {job_id} waits for group rack2"


def handlers(name: str, *guests: GuestInfo) -> dict[str, Handler]:
    """What a node answers."""

    def node_info(request: NodeInfoRequest, call: Call) -> Deferred[NodeInfo]:
        return succeed(
            NodeInfo(
                version="1",
                node_uuid=uuid_of(name),
                boot_id="b",
                time=1.0,
                memory_total_mib=1024,
                memory_free_mib=512,
                cpus=4,
            )
        )

    def guest_list(request: GuestListRequest, call: Call) -> Deferred[GuestList]:
        return succeed(GuestList(guests=guests))

    def os_list(request: Nothing, call: Call) -> Deferred[OsList]:
        found = [OsInfo(name="noop", path="/x", api_versions=(20,), variants=("a",))]
        if name == "node2":
            found.append(OsInfo(name="tiny", path="/y", problem="no create script"))
        return succeed(OsList(definitions=tuple(found)))

    return {"node_info": node_info, "guest_list": guest_list, "os_list": os_list}


class QueryTests(SynchronousTestCase):
    """Two groups: node1 and node2 in default, node3 in rack2."""

    def setUp(self) -> None:
        """web1 runs on node1, web2 should run on node3, db1 is down on node2."""
        nodes = (
            make_node("node1"),
            make_node("node2", last=12),
            make_node("node3", group="rack2", last=13),
        )
        web1 = replace(make_instance("web1", "node1"), admin_state="up")
        web2 = replace(make_instance("web2", "node3"), admin_state="up")
        db1 = make_instance("db1", "node2", 256)
        self.config = OneSnapshot(
            make_snapshot(
                *nodes, instances=(web1, web2, db1), groups=("default", "rack2")
            )
        )
        guest = GuestInfo(
            uuid=web1.uuid,
            name="web1",
            hypervisor="fake",
            state="running",
            memory_mib=120,
        )
        self.rpc = FakeNodeRpc(
            {
                uuid_of("node1"): handlers("node1", guest),
                uuid_of("node2"): handlers("node2"),
                uuid_of("node3"): handlers("node3"),
            }
        )
        self.jobs = SomeJobs()
        self.service = QueryService(
            Clock(), self.config, self.rpc, self.jobs, {"fake": {"accel": "tcg"}}
        )

    def ask(
        self,
        kind: QueryKind,
        *fields: str,
        names: tuple[str, ...] = (),
        group: str | None = None,
        limit: int | None = None,
    ) -> QueryResult:
        """The answer to a query."""
        request = QueryRequest(
            kind=kind, fields=fields, names=names, group=group, limit=limit
        )
        return self.successResultOf(self.service.query(request))

    def cells(
        self, kind: QueryKind, *fields: str, names: tuple[str, ...] = ()
    ) -> list[tuple[Cell, ...]]:
        """The cells of all rows."""
        return [row.cells for row in self.ask(kind, *fields, names=names).rows]

    def refusal(self, request: QueryRequest) -> GanetixError:
        """The error that a query ends with."""
        error = self.failureResultOf(self.service.query(request)).value
        assert isinstance(error, GanetixError)
        return error

    def asked(self) -> list[str]:
        """Names of the nodes that were called, in the order of names."""
        names = {node.uuid: node.name for node in self.config.current.nodes.values()}
        return sorted(names[call.node_uuid] for call in self.rpc.calls)

    def test_readd(self) -> None:
        """A member that was promised to join again is marked until it has."""
        before = self.config.snapshot()
        token = JoinToken(node=before.node("node2"))
        self.config.current = before.changed(tokens={token.node.uuid: token})
        cells = [row.cells for row in self.ask("node", "name", "readd").rows]
        self.assertEqual(cells, [("node1", False), ("node2", True), ("node3", False)])

    def test_config_needs_no_node(self) -> None:
        """Fields of the configuration are answered without asking any node."""
        self.ask("node", "name", "pip", "pinst_list", "role", "tags")
        self.ask("instance", "name", "pnode", "be/memory", "admin_state")
        self.assertEqual(self.rpc.calls, [])

    def test_one_call_a_node(self) -> None:
        """All live fields together cost one call for each node."""
        self.ask("node", "mtotal", "mfree", "ctotal", "dfree")
        self.assertEqual(self.asked(), ["node1", "node2", "node3"])

    def test_group_contacts_no_other(self) -> None:
        """A query on one group contacts no node of another, even if all are down."""
        self.rpc.set_down(uuid_of("node1"))
        self.rpc.set_down(uuid_of("node2"))
        self.ask("node", "mfree", group="rack2")
        self.ask("instance", "status", group="rack2")
        self.ask("os", group="rack2")
        self.assertEqual(set(self.asked()), {"node3"})

    def test_only_nodes_of_instances(self) -> None:
        """Of named instances only their own nodes are asked."""
        self.ask("instance", "status", names=("web1",))
        self.assertEqual(self.asked(), ["node1"])

    def test_status(self) -> None:
        """Wish and fact of each instance make its status."""
        rows = self.ask("instance", "name", "status", "oper_ram", "be/memory").rows
        self.assertEqual(
            [row.cells for row in rows],
            [
                ("db1", "ADMIN_down", None, 256),
                ("web1", "running", 120, 128),
                ("web2", "ERROR_down", None, 128),
            ],
        )
        self.assertEqual({row.source for row in rows}, {"live"})

    def test_unreachable(self) -> None:
        """A node that does not answer leaves cells empty and says so."""
        self.rpc.set_down(uuid_of("node1"))
        (row,) = self.ask("node", "name", "mfree", names=("node1",)).rows
        self.assertEqual((row.cells, row.source), (("node1", None), "unreachable"))
        (row,) = self.ask("instance", "status", "oper_state", names=("web1",)).rows
        self.assertEqual(row.cells, ("ERROR_nodedown", None))

    def test_offline(self) -> None:
        """A node that is marked offline is not asked."""
        node = replace(self.config.current.nodes[uuid_of("node1")], offline=True)
        nodes = {**self.config.current.nodes, node.uuid: node}
        self.config.current = replace(self.config.current, nodes=nodes)
        (row,) = self.ask("node", "mfree", names=("node1",)).rows
        self.assertEqual((row.cells, row.source), ((None,), "offline"))
        (row,) = self.ask("instance", "status", names=("web1",)).rows
        self.assertEqual(row.cells, ("ERROR_nodeoffline",))
        self.assertEqual(self.rpc.calls, [])

    def test_names(self) -> None:
        """Named rows come in the order asked, by name or UUID, once each."""
        names = ("node3", uuid_of("node1"), "node3")
        self.assertEqual(
            self.cells("node", "name", names=names), [("node3",), ("node1",)]
        )

    def test_unknown_names(self) -> None:
        """A name that does not exist is refused, with those that are close."""
        for kind in ("node", "group", "instance", "job", "os"):
            with self.subTest(kind=kind):
                request = QueryRequest(kind=kind, names=("99",))
                self.assertIsInstance(self.refusal(request), NotFound)
        error = self.refusal(QueryRequest(kind="node", names=("nod1",)))
        self.assertIn("did you mean", str(error))

    def test_not_in_group(self) -> None:
        """A named object of another group is refused rather than left out."""
        request = QueryRequest(kind="node", names=("node1",), group="rack2")
        self.assertIn("node1 is not in group rack2", str(self.refusal(request)))

    def test_wrong_requests(self) -> None:
        """Unknown fields, groups of what has none and wild limits are refused."""
        for request in (
            QueryRequest(kind="node", fields=("nonsense",)),
            QueryRequest(kind="instance", fields=("hv/nonsense",)),
            QueryRequest(kind="job", group="default"),
            QueryRequest(kind="node", limit=0),
            QueryRequest(kind="job", names=("one",)),
            QueryRequest(kind="job", names=("9" * 5000,)),
        ):
            with self.subTest(request=request):
                self.assertIsInstance(self.refusal(request), BadParameter)
        self.assertEqual(self.rpc.calls, [])

    def test_hypervisor_parameters(self) -> None:
        """hv/NAME shows the default, the cluster's or the instance's value."""
        self.assertEqual(
            self.cells("instance", "hv/accel", names=("web1",)), [("tcg",)]
        )
        snapshot = self.config.current
        cluster = replace(snapshot.cluster, hvparams={"fake": {"accel": "kvm"}})
        self.config.current = replace(snapshot, cluster=cluster)
        self.assertEqual(
            self.cells("instance", "hv/accel", names=("web1",)), [("kvm",)]
        )

    def test_parameters_with_origin(self) -> None:
        """Each parameter of instances, nodes and groups says where it comes from."""
        snapshot = self.config.current
        cluster = replace(snapshot.cluster, hvparams={"fake": {"accel": "kvm"}})
        rack2 = replace(
            snapshot.group("rack2"),
            beparams={"vcpus": 4},
            ndparams={"spindle_count": 3},
            nicparams={"link": "br2"},
            diskparams={"file": {"format": "qcow2"}},
            capacity=CapacityOverrides(max_cpu_ratio=2.0),
        )
        self.config.current = apply(snapshot, Edits(put=(cluster, rack2)))
        ((shown,),) = self.cells("instance", "params", names=("web2",))
        assert isinstance(shown, dict)
        self.assertEqual(shown["be/vcpus"], {"value": 4, "origin": "group rack2"})
        self.assertEqual(shown["be/memory"], {"value": 128, "origin": "instance web2"})
        self.assertEqual(shown["hv/accel"], {"value": "kvm", "origin": "cluster"})
        self.assertEqual(shown["nic/0/mode"], {"value": "user", "origin": "default"})
        self.assertEqual(shown["nic/0/link"], {"value": "br2", "origin": "group rack2"})
        self.assertEqual(
            self.cells("instance", "be/vcpus", "hv/accel", names=("web2",)),
            [(4, "kvm")],
        )
        ((shown,),) = self.cells("node", "params", names=("node3",))
        assert isinstance(shown, dict)
        self.assertEqual(
            shown["nd/spindle_count"], {"value": 3, "origin": "group rack2"}
        )
        ((shown,),) = self.cells("group", "params", names=("rack2",))
        assert isinstance(shown, dict)
        self.assertEqual(
            shown["capacity/max_cpu_ratio"], {"value": 2.0, "origin": "group rack2"}
        )
        self.assertEqual(
            shown["capacity/max_disk_usage"], {"value": 1.0, "origin": "default"}
        )
        self.assertEqual(shown["hv/fake/accel"]["origin"], "cluster")  # type: ignore[index]
        self.assertEqual(
            shown["disk/file/format"], {"value": "qcow2", "origin": "group rack2"}
        )
        self.assertEqual(
            self.cells(
                "group", "capacity/max_cpu_ratio", "nd/spindle_count", "be/vcpus"
            ),
            [(4.0, 1, 1), (2.0, 3, 4)],
        )
        self.assertEqual(self.rpc.calls, [])

    def test_nics_and_disks(self) -> None:
        """Each NIC and disk shows its own and its inherited parameters as such."""
        snapshot = self.config.current
        web1 = snapshot.instance("web1")
        nics = tuple(replace(nic, mode="bridged", link="br1") for nic in web1.nics)
        disk = Disk(uuid="d", size_mib=1, params={"format": "qcow2"})
        web1 = replace(web1, nics=nics, disks=(disk, replace(disk, params={})))
        self.config.current = apply(snapshot, Edits(put=(web1,)))
        ((shown, modes, links),) = self.cells(
            "instance", "params", "nic.modes", "nic.links", names=("web1",)
        )
        assert isinstance(shown, dict)
        own = "instance web1"
        self.assertEqual(shown["nic/0/link"], {"value": "br1", "origin": own})
        self.assertEqual(shown["disk/0/format"], {"value": "qcow2", "origin": own})
        self.assertEqual(shown["disk/1/format"], {"value": "raw", "origin": "default"})
        self.assertEqual((modes, links), (["bridged"], ["br1"]))

    def test_cluster_origins(self) -> None:
        """What was set for the cluster is told from what is built in."""
        snapshot = self.config.current
        cluster = replace(snapshot.cluster, diskparams={"file": {"format": "qcow2"}})
        self.config.current = apply(snapshot, Edits(put=(cluster,)))
        shown = self.service.cluster_origins()
        self.assertEqual(shown["disk/file/format"], "cluster")
        self.assertEqual(shown["be/memory"], "default")
        self.assertNotIn("mac_prefix", shown)

    def test_cluster_parameters(self) -> None:
        """Every parameter of the cluster is a field, and stands in its info."""
        shown = self.service.cluster_parameters()
        for name in (
            "default_group",
            "candidate_pool_size",
            "be/memory",
            "hv/fake/accel",
            "nd/reserved_memory",
            "capacity/max_inst_spec",
            "nic/mode",
            "cache_time",
            "watcher_interval",
            "remote_commands",
            "master_ip",
        ):
            self.assertIn(name, shown)
        names = [field.name for field in self.service.fields("cluster")]
        self.assertEqual(
            {name for name in shown if not name.startswith("hv/")} - {*names}, set()
        )
        self.cells("cluster", *names)

    def test_hypervisor_parameters_of_a_group(self) -> None:
        """What a group's instances inherit under a hypervisor is a field each."""
        (cell,) = self.cells("group", "hv/kvm/qemu_path", names=("rack2",))
        self.assertEqual(len(cell), 1)
        request = QueryRequest(kind="group", fields=("hv/fake/accel",))
        self.assertIn("hv/fake/accel", str(self.refusal(request)))

    def test_sums_of_a_group(self) -> None:
        """Sums over a group ask its nodes only; none is told where one is silent."""
        self.assertEqual(
            self.cells("group", "mtotal", "mfree", names=("default",)), [(2048, 1024)]
        )
        self.assertEqual(self.asked(), ["node1", "node2"])
        self.rpc.set_down(uuid_of("node1"))
        (row,) = self.ask("group", "mfree", names=("default",)).rows
        self.assertEqual((row.cells, row.source), ((None,), "unreachable"))
        self.rpc.set_down(uuid_of("node3"))
        (row,) = self.ask("group", "mfree", names=("rack2",)).rows
        self.assertEqual(row.cells, (None,))

    def test_candidates_of_a_group(self) -> None:
        """A group shows how many candidates it wants and has."""
        snapshot = self.config.current
        rack2 = replace(snapshot.group("rack2"), min_candidates=2)
        node3 = replace(snapshot.node("node3"), master_candidate=True)
        self.config.current = apply(snapshot, Edits(put=(rack2, node3)))
        self.assertEqual(
            self.cells("group", "min_candidates", "candidate_cnt"), [(0, 0), (2, 1)]
        )

    def test_groups(self) -> None:
        """Groups count their nodes and instances."""
        self.assertEqual(
            self.cells("group", "name", "node_cnt", "pinst_list", "default"),
            [("default", 2, ["web1", "db1"], True), ("rack2", 1, ["web2"], False)],
        )

    def test_cluster(self) -> None:
        """The cluster is one row."""
        self.assertEqual(
            self.cells("cluster", "name", "master_node"), [("test.example", "node1")]
        )

    def test_every_field(self) -> None:
        """Every field of every kind has a value of a cell's type."""
        for kind in ("cluster", "node", "group", "instance", "job", "os"):
            names = [field.name for field in self.service.fields(kind)]
            with self.subTest(kind=kind):
                result = self.ask(kind, *names)
                self.assertTrue(result.rows)
                self.assertEqual([field.name for field in result.fields], names)

    def test_jobs(self) -> None:
        """Jobs show status and priority of the opcode that comes next."""
        self.assertEqual(
            self.cells("job", "id", "status", "priority", "why"),
            [
                (1, "success", 0, None),
                (2, "waiting", -10, "job 2 waits for group rack2"),
            ],
        )

    def test_newest_jobs(self) -> None:
        """A limit keeps the newest jobs."""
        self.assertEqual([r.cells for r in self.ask("job", "id", limit=1).rows], [(2,)])

    def test_archived_jobs(self) -> None:
        """Archived jobs are found by number and on demand, and marked."""
        self.jobs.all[1] = replace(self.jobs.all[1], archived=True)
        self.assertEqual(self.cells("job", "id"), [(2,)])
        self.assertEqual(self.cells("job", "archived", names=("1",)), [(True,)])
        request = QueryRequest(kind="job", fields=("id",), archived=True)
        rows = self.successResultOf(self.service.query(request)).rows
        self.assertEqual([row.cells for row in rows], [(1,), (2,)])
        request = QueryRequest(kind="node", archived=True)
        self.assertIn("archived: nodes are not", str(self.refusal(request)))

    def test_job_depends(self) -> None:
        """Dependencies are shown as commands take them."""
        depends = (Dependency(1, ("success", "error")), Dependency(3, ()))
        self.jobs.all[2] = replace(self.jobs.all[2], depends=depends)
        ((shown,),) = self.cells("job", "depends", names=("2",))
        self.assertEqual(shown, ["1:success+error", "3:any"])

    def test_job_log(self) -> None:
        """The log comes if it is asked for."""
        self.assertEqual(self.cells("job", "oplog", names=("1",)), [(["made it"],)])

    def test_oses(self) -> None:
        """A definition is valid if every node that answered has it in order."""
        self.assertEqual(
            self.cells("os", "name", "valid", "nodes", "variants"),
            [("noop", True, ["node1", "node2"], ["a"]), ("tiny", False, [], [])],
        )
        ((problem,),) = self.cells("os", "problem", names=("tiny",))
        self.assertEqual(problem, {"node1": "not there", "node2": "no create script"})

    def test_no_node_answers(self) -> None:
        """Definitions of a group of which no node answers are an error, not none."""
        self.rpc.set_down(uuid_of("node3"))
        error = self.refusal(QueryRequest(kind="os", group="rack2"))
        self.assertIsInstance(error, NodeUnreachable)
        self.assertIn("node3", str(error))
