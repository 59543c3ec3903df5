"""Tests of how capacity sees the running cluster."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.objects import CapacityOverrides, CapacityParams, GuestInfo, InstanceSize
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.node_calls import DiskSpace, NodeInfo
from ganetix.plan.capacity.tiered import tiered
from ganetix.plan.capacity.view import cap_cluster, request_of
from ganetix.testing.config import make_instance, make_node, make_snapshot, uuid_of


def info_of(name: str, *running: str, free_mib: int = 14000) -> NodeInfo:
    """A node with 16 GiB of memory, 4 CPUs and 1 TiB of disk, and what runs there."""
    return NodeInfo(
        version="1",
        node_uuid=uuid_of(name),
        boot_id="b",
        time=0.0,
        memory_total_mib=16384,
        memory_free_mib=free_mib,
        cpus=4,
        disk_space=(DiskSpace(template="file", total_mib=1 << 20, free_mib=900_000),),
        guests=tuple(
            GuestInfo(
                uuid=uuid_of(guest), name=guest, hypervisor="fake", state="running"
            )
            for guest in running
        ),
    )


class ViewTests(SynchronousTestCase):
    """From configuration and reports to what is computed with."""

    def setUp(self) -> None:
        """Two nodes, of which the first has an instance that runs and one down."""
        self.snapshot = make_snapshot(
            make_node("node1"),
            make_node("node2", last=12),
            instances=(
                replace(make_instance("web1", "node1", 2048), admin_state="up"),
                make_instance("web2", "node1", 512),
            ),
        )
        self.infos = {
            uuid_of("node1"): info_of("node1", "web1"),
            uuid_of("node2"): info_of("node2"),
        }

    def test_nodes_and_instances(self) -> None:
        """Reported figures are taken over, and the host's own share is known."""
        cluster = cap_cluster(self.snapshot, self.infos)
        first = cluster.nodes[0]
        self.assertEqual((first.total_memory, first.node_memory), (16384, 1024))
        self.assertEqual((first.free_memory, first.free_disk), (14000, 900_000))
        statuses = {i.name: (i.status, i.memory) for i in cluster.instances}
        expected = {"web1": ("running", 2048), "web2": ("ADMIN_down", 512)}
        self.assertEqual(statuses, expected)

    def test_promised_memory_is_not_free(self) -> None:
        """What is to run and does not yet is taken off what a node has free."""
        self.infos[uuid_of("node1")] = info_of("node1")
        cluster = cap_cluster(self.snapshot, self.infos)
        self.assertEqual(cluster.nodes[0].free_memory, 14000 - 2048)

    def test_being_made(self) -> None:
        """An instance that a job is making counts as there."""
        new = replace(make_instance("web3", "node2", 1000), admin_state="up")
        intent = InstanceIntent(instance=new, job_id=1, step="disks")
        snapshot = replace(self.snapshot, intents={new.uuid: intent})
        cluster = cap_cluster(snapshot, self.infos)
        self.assertIn("web3", [i.name for i in cluster.instances])
        self.assertEqual(cluster.nodes[1].free_memory, 13000)

    def test_unusable_nodes(self) -> None:
        """Drained, offline and silent nodes take nothing."""
        node = self.snapshot.nodes[uuid_of("node1")]
        for flags in ({"drained": True}, {"offline": True}, {"vm_capable": False}):
            nodes = {**self.snapshot.nodes, node.uuid: replace(node, **flags)}
            cluster = cap_cluster(replace(self.snapshot, nodes=nodes), self.infos)
            self.assertTrue(cluster.nodes[0].offline)
        del self.infos[node.uuid]
        cluster = cap_cluster(self.snapshot, self.infos)
        self.assertTrue(cluster.nodes[0].offline)

    def test_group_parameters(self) -> None:
        """A group's own CPU ratio is its policy; a request's is above it."""
        uuid = uuid_of("default")
        group = self.snapshot.groups[uuid]
        own = replace(group, capacity=CapacityOverrides(max_cpu_ratio=2.0))
        snapshot = replace(self.snapshot, groups={uuid: own})
        (seen,) = cap_cluster(snapshot, self.infos).groups
        self.assertEqual(seen.policy.vcpu_ratio, 2.0)
        asked = {uuid: CapacityParams(max_cpu_ratio=8.0)}
        (seen,) = cap_cluster(snapshot, self.infos, parameters=asked).groups
        self.assertEqual(seen.policy.vcpu_ratio, 8.0)

    def test_computed(self) -> None:
        """The numbers that come out are those of an administrator's arithmetic."""
        params = CapacityParams(
            max_inst_spec=InstanceSize(memory_mib=4096, disk_mib=10240, vcpus=2),
            default_template="diskless",
            capacity_checks=False,
        )
        cluster = cap_cluster(self.snapshot, self.infos)
        first, *_rest = tiered(cluster, request_of(params)).tspecs
        # node1 has 13 GiB left and node2 13.7 GiB: three on each.
        self.assertEqual((first.memory, first.count), (4096, 6))
