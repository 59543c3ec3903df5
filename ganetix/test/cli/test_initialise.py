"""``gnt-cluster init`` where the addresses do not do."""

from __future__ import annotations

from twisted.internet.task import Clock

from ganetix.config.store import ConfigStore
from ganetix.flow.offload import inline_offload
from ganetix.paths import Paths
from ganetix.state.sqlite import SqliteEngine
from ganetix.state.store import StateStore
from ganetix.test.cli.support import CommandTestCase

INIT = "gnt-cluster init --enabled-hypervisors=fake --node-name=node1"


class InitTests(CommandTestCase):
    """One line each, and nothing is made."""

    async def _refused(self, line: str) -> str:
        before = sorted(self.root.rglob("*"))
        self.assertEqual(await self.run_line(line), 1)
        self.assertEqual(len(self.err.splitlines()), 1)
        self.assertEqual(sorted(self.root.rglob("*")), before)
        return self.err

    async def test_parameters(self) -> None:
        """What modify takes is taken here, and stands in the new configuration."""
        line = (
            f"{INIT} --primary-ip=127.0.0.11 -B memory=1G -N mode=none -D"
            " file:format=qcow2 -H fake:accel=kvm --node-parameters reserved_cpus=1"
            " --max-cpu-ratio 3 --cache-time 30m --candidate-pool-size 3 demo"
        )
        self.assertEqual(await self.run_line(line), 0)
        engine = SqliteEngine(Paths(self.root).state_db, inline_offload)
        store = StateStore(engine, Clock())
        await store.open()
        config = ConfigStore(store, Clock())
        await config.load()
        cluster = config.snapshot().cluster
        await engine.close()
        self.assertEqual(cluster.enabled_hypervisors, ("fake",))
        self.assertEqual(cluster.beparams.memory_mib, 1024)
        self.assertEqual(cluster.nic_mode, "none")
        self.assertEqual(cluster.diskparams, {"file": {"format": "qcow2"}})
        self.assertEqual(cluster.hvparams, {"fake": {"accel": "kvm"}})
        self.assertEqual(cluster.ndparams.reserved_cpus, 1)
        self.assertEqual(cluster.capacity.max_cpu_ratio, 3.0)
        self.assertEqual(
            (cluster.cache_seconds, cluster.candidate_pool_size), (1800, 3)
        )

    async def test_bad_parameters(self) -> None:
        """What modify refuses is refused here, by the option's name."""
        address = "--primary-ip=127.0.0.11"
        for options, text in (
            (
                "--master-ip=192.0.2.9 --master-netdev=nope0",
                "--master-netdev: 'nope0' ",
            ),
            ("--master-ip=192.0.2.9", "--master-netdev: missing"),
            ("--enabled-disk-templates=foo", "--enabled-disk-templates: 'foo' is not"),
            ("--default-template=drbd", "--default-template: 'drbd' is not enabled"),
        ):
            refusal = await self._refused(f"{INIT} {address} {options} demo")
            self.assertIn(text, refusal)

    async def test_there_already(self) -> None:
        """A host that has a cluster is told that, before any address is looked at."""
        await self.run_line(f"{INIT} --primary-ip=127.0.0.11 demo")
        line = "gnt-cluster init --node-name=localhost other"
        self.assertEqual(await self.run_line(line), 1)
        self.assertIn("there is a cluster here already, in ", self.err)
        self.assertNotIn("reaches", self.err)

    async def test_name_of_loopback(self) -> None:
        """A host name that means loopback is not taken for the node's address."""
        refusal = await self._refused(
            "gnt-cluster init --enabled-hypervisors=fake --node-name=localhost demo"
        )
        self.assertIn("127.0.0.1, which only this host reaches", refusal)
        self.assertIn("--primary-ip", refusal)

    async def test_ipv4_in_ipv6(self) -> None:
        """An IPv4 primary address in an IPv6 cluster."""
        refusal = await self._refused(
            f"{INIT} --primary-ip-version=6 --primary-ip=127.0.0.1 demo"
        )
        self.assertIn("--primary-ip: 127.0.0.1 is not an IPv6 address", refusal)

    async def test_ipv6_in_ipv4(self) -> None:
        """An IPv6 primary address in an IPv4 cluster."""
        refusal = await self._refused(f"{INIT} --primary-ip=::1 demo")
        self.assertIn("--primary-ip: ::1 is not an IPv4 address", refusal)

    async def test_no_secondary(self) -> None:
        """An IPv6 primary address alone."""
        refusal = await self._refused(
            f"{INIT} --primary-ip-version=6 --primary-ip=::1 demo"
        )
        self.assertIn("--secondary-ip: missing", refusal)

    async def test_ipv6_secondary(self) -> None:
        """An IPv6 secondary address that nobody permitted."""
        refusal = await self._refused(
            f"{INIT} --primary-ip-version=6 --primary-ip=::1 --secondary-ip=fd00::1 c1"
        )
        self.assertIn("--allow-ipv6-secondary", refusal)

    async def test_another_hosts(self) -> None:
        """An address that this host does not have."""
        refusal = await self._refused(f"{INIT} --primary-ip=198.51.100.7 demo")
        self.assertIn("198.51.100.7 is not an address of this host", refusal)
