"""Tests of what a node says of its resources."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter, ClusterFault
from ganetix.node.info import HostState, parse_meminfo, read_host
from ganetix.objects.node_calls import NodeInfoRequest
from ganetix.rpc.methods import NODE_INFO
from ganetix.test.node.support import NODE_UUID, NodeCase, guest

MEMINFO = """MemTotal:        8131072 kB
MemFree:          215040 kB
MemAvailable:    4194304 kB
Cached:          1024000 kB
HugePages_Total:       0
"""


class MeminfoTests(SynchronousTestCase):
    """Reading /proc."""

    def test_available(self) -> None:
        """Free memory is what can be had without swapping."""
        self.assertEqual(parse_meminfo(MEMINFO), (7940, 4096))

    def test_old_kernel(self) -> None:
        """Without that line, free memory and caches count."""
        lines = [line for line in MEMINFO.splitlines() if "Available" not in line]
        self.assertEqual(parse_meminfo("\n".join(lines)), (7940, 1210))

    def test_nonsense(self) -> None:
        """A text without memory is a fault, not a node without memory."""
        self.assertRaises(ClusterFault, parse_meminfo, "MemTotal: kB\n\nfoo\n")

    def test_read_host(self) -> None:
        """Memory and boot id come from the kernel's files."""
        proc = Path(self.mktemp())
        (proc / "sys/kernel/random").mkdir(parents=True)
        (proc / "meminfo").write_text(MEMINFO)
        (proc / "sys/kernel/random/boot_id").write_text("b-1\n")
        host = read_host(proc)
        self.assertEqual(
            host,
            HostState(
                boot_id="b-1",
                memory_total_mib=7940,
                memory_free_mib=4096,
                cpus=host.cpus,
            ),
        )
        self.assertGreaterEqual(host.cpus, 1)


class NodeInfoTests(NodeCase):
    """The method ``node_info``."""

    def test_resources(self) -> None:
        """Identity, time and resources are those of the host."""
        self.reactor.advance(5.0)
        info = self.ask(NODE_INFO, NodeInfoRequest())
        self.assertEqual(
            (info.node_uuid, info.boot_id, info.time, info.memory_free_mib, info.cpus),
            (NODE_UUID, "boot-1", 5.0, 1000, 4),
        )

    def test_asks_only_what_is_wanted(self) -> None:
        """Guests and disk space are listed for what the request names."""
        known = self.hypervisor.add(guest())
        nothing = self.ask(NODE_INFO, NodeInfoRequest())
        self.assertEqual((nothing.guests, nothing.disk_space), ((), ()))
        info = self.ask(
            NODE_INFO,
            NodeInfoRequest(hypervisors=("stub",), disk_templates=("file", "diskless")),
        )
        self.assertEqual(info.guests, (known,))
        self.assertEqual([space.template for space in info.disk_space], ["file"])

    def test_unknown_hypervisor(self) -> None:
        """An unknown hypervisor is refused with the names of the known ones."""
        text = self.refusal(
            NODE_INFO, NodeInfoRequest(hypervisors=("xen",)), BadParameter
        )
        self.assertIn("'xen'; it has: stub", text)
