"""Tests for parameters that inherit: values in effect and their origins."""

from __future__ import annotations

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.objects import (
    BackendParams,
    CapacityOverrides,
    CapacityParams,
    InstanceSize,
    NicParams,
    NodeParams,
    NodeParamValue,
)
from ganetix.opcodes import parameters
from ganetix.plan.guest import guest_spec
from ganetix.plan.params import (
    BackendOf,
    Layer,
    backend_layers,
    backend_params,
    capacity_layers,
    capacity_params,
    effective,
    group_of,
    hv_params,
    hypervisor_layers,
    nic_layers,
    nic_params,
    node_layers,
    node_params,
    origins,
)
from ganetix.testing.config import (
    apply,
    make_instance,
    make_node,
    make_snapshot,
    uuid_of,
)

LAYERS = st.lists(
    st.builds(
        Layer,
        origin=st.sampled_from(["default", "cluster", "group rack1", "node n1"]),
        given=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3)),
    ),
    max_size=4,
)


def world() -> Snapshot:
    """Something is set on every level; node1 is in rack1, node2 in default."""
    web1 = replace(
        make_instance("web1", "node1"),
        beparams={"vcpus": 3},
        hvparams={"kernel_args": "own"},
    )
    db1 = replace(make_instance("db1", "node2"), beparams={})
    first = replace(make_node("node1", "rack1"), ndparams={"cpu_speed": 2.0})
    snapshot = make_snapshot(
        first,
        make_node("node2", "default", 12),
        groups=("default", "rack1"),
        instances=(web1, db1),
    )
    cluster = replace(
        snapshot.cluster,
        beparams=BackendParams(memory_mib=256),
        hvparams={"fake": {"accel": "tcg", "kernel_args": "all"}},
        ndparams=NodeParams(reserved_memory_mib=2048),
        capacity=CapacityParams(max_cpu_ratio=6.0),
    )
    rack1 = replace(
        snapshot.group("rack1"),
        beparams={"memory_mib": 512, "vcpus": 2},
        hvparams={"fake": {"tcg_tb_size": 64}},
        ndparams={"spindle_count": 4},
        capacity=CapacityOverrides(
            max_inst_spec=InstanceSize(memory_mib=4096, disk_mib=51200, vcpus=2)
        ),
    )
    return apply(snapshot, Edits(put=(cluster, rack1)))


class MechanismTests(SynchronousTestCase):
    """Tests for ``effective`` and ``origins``."""

    @settings(deadline=None)
    @given(LAYERS)
    def test_the_last_decides(self, layers: list[Layer]) -> None:
        """Each parameter has the value and the origin of the last layer with it."""
        found = origins(layers)
        self.assertEqual(
            {name: each.value for name, each in found.items()}, effective(layers)
        )
        for name, each in found.items():
            last = [layer for layer in layers if name in layer.given][-1]
            self.assertEqual((each.value, each.origin), (last.given[name], last.origin))

    @settings(deadline=None)
    @given(LAYERS)
    def test_nothing_is_lost(self, layers: list[Layer]) -> None:
        """What any layer gives has a value."""
        self.assertEqual(
            set(effective(layers)), {name for layer in layers for name in layer.given}
        )


class InheritanceTests(SynchronousTestCase):
    """Tests for what objects of a cluster inherit."""

    def setUp(self) -> None:
        """Something is set on every level."""
        self.world = world()
        self.rack1 = self.world.group("rack1")
        self.web1 = self.world.instance("web1")

    def test_group_acts_on_its_instances(self) -> None:
        """An instance has its group's memory, and another group's has not."""
        self.assertEqual(
            backend_params(self.web1, self.world),
            BackendParams(memory_mib=512, vcpus=3),
        )
        self.assertEqual(
            backend_params(self.world.instance("db1"), self.world),
            BackendParams(memory_mib=256, vcpus=1),
        )

    def test_node_is_told(self) -> None:
        """What a node is told of a guest has the parameters of its group."""
        guest = guest_spec(self.web1, self.world)
        self.assertEqual((guest.memory_mib, guest.vcpus), (512, 3))
        self.assertEqual(
            guest.hvparams, {"accel": "tcg", "kernel_args": "own", "tcg_tb_size": 64}
        )

    def test_group_to_come_to(self) -> None:
        """An instance without a node has the parameters of the group it comes to."""
        placeless = replace(self.web1, primary_node="")
        found = backend_params(placeless, self.world, self.rack1)
        self.assertEqual(found.memory_mib, 512)
        self.assertIsNone(group_of(self.world, ""))
        self.assertEqual(backend_params(placeless, self.world).memory_mib, 256)
        self.assertIn("tcg_tb_size", hv_params(placeless, self.world, self.rack1))

    def test_backend_origins(self) -> None:
        """Default, cluster, group and instance are told apart."""
        layers = backend_layers(self.world.cluster, self.rack1, self.web1)
        self.assertEqual(
            {name: found.origin for name, found in origins(layers).items()},
            {
                "memory_mib": "group rack1",
                "vcpus": "instance web1",
                "auto_balance": "default",
            },
        )
        layers = backend_layers(self.world.cluster, self.world.group("default"))
        self.assertEqual(origins(layers)["memory_mib"].origin, "cluster")

    def test_hypervisor_origins(self) -> None:
        """Built-in values are there only if they are asked for."""
        given = (self.world.cluster, self.rack1, self.web1)
        bare = origins(hypervisor_layers("fake", *given))
        full = origins(hypervisor_layers("fake", *given, defaults={"cpu_type": ""}))
        self.assertNotIn("cpu_type", bare)
        self.assertEqual(full["cpu_type"].origin, "default")
        self.assertEqual(full["accel"].origin, "cluster")
        self.assertEqual(full["tcg_tb_size"].origin, "group rack1")
        self.assertEqual(full["kernel_args"].origin, "instance web1")

    def test_node_parameters(self) -> None:
        """A node's parameters come from all three levels."""
        node1 = self.world.node("node1")
        self.assertEqual(
            node_params(node1, self.world),
            NodeParams(reserved_memory_mib=2048, spindle_count=4, cpu_speed=2.0),
        )
        layers = node_layers(self.world.cluster, self.rack1, node1)
        self.assertEqual(origins(layers)["cpu_speed"].origin, "node node1")

    def test_nics(self) -> None:
        """What NICs are like comes from the cluster and the group."""
        cluster = replace(self.world.cluster, nic_link="br0")
        rack1 = replace(self.rack1, nicparams={"mode": "bridged"})
        self.assertEqual(
            nic_params(cluster, rack1), NicParams(mode="bridged", link="br0")
        )
        shown = origins(nic_layers(cluster, rack1))
        self.assertEqual(
            (shown["mode"].origin, shown["link"].origin), ("group rack1", "cluster")
        )

    def test_capacity(self) -> None:
        """A group's capacity parameters go over the cluster's, one by one."""
        found = capacity_params(self.world.cluster, self.rack1)
        self.assertEqual(found.max_inst_spec.memory_mib, 4096)
        self.assertEqual(found.max_cpu_ratio, 6.0)
        layers = capacity_layers(self.world.cluster, self.rack1)
        shown = {name: each.origin for name, each in origins(layers).items()}
        self.assertEqual(shown["max_inst_spec"], "group rack1")
        self.assertEqual(shown["max_cpu_ratio"], "cluster")
        self.assertEqual(shown["capacity_checks"], "default")
        self.assertEqual(
            capacity_params(self.world.cluster, None), self.world.cluster.capacity
        )

    def test_unset_override_inherits(self) -> None:
        """A group that overrides nothing has exactly the cluster's parameters."""
        default = self.world.groups[uuid_of("default")]
        self.assertEqual(
            capacity_params(self.world.cluster, default), self.world.cluster.capacity
        )


class SharedTests(SynchronousTestCase):
    """Parameters of many instances at once."""

    def test_same(self) -> None:
        """They are what each has for itself, and equal ones are the same value."""
        world = make_snapshot(
            make_node("node1"),
            instances=(
                make_instance("web1", "node1", 512),
                make_instance("web2", "node1", 512),
                make_instance("web3", "node1", 64),
                make_instance("lost", "node9", 64),
            ),
        )
        found = BackendOf(world)
        for instance in world.instances.values():
            self.assertEqual(found(instance), backend_params(instance, world))
        one, two = world.instance("web1"), world.instance("web2")
        self.assertIs(found(one), found(two))


class TableTests(SynchronousTestCase):
    """Tests for the tables of parameters."""

    def test_tables_are_complete(self) -> None:
        """Each table has just the fields of its value."""
        for table, value in (
            (parameters.BACKEND, BackendParams()),
            (parameters.NIC, NicParams()),
            (parameters.NODE, NodeParams()),
            (parameters.SIZE, InstanceSize(memory_mib=1, disk_mib=1, vcpus=1)),
        ):
            with self.subTest(value=value):
                self.assertEqual(set(table), set(asdict(value)))
        self.assertEqual(
            {*parameters.CAPACITY, "max_inst_spec"}, set(asdict(CapacityParams()))
        )

    def test_built_in_values_are_good(self) -> None:
        """The built-in values pass the tables' own checks."""
        parameters.check_given("be", parameters.BACKEND, asdict(BackendParams()))
        parameters.check_given("nic", parameters.NIC, asdict(NicParams()))
        parameters.check_given("nd", parameters.NODE, asdict(NodeParams()))
        for value in asdict(NodeParams()).values():
            self.assertIsInstance(value, get_args(NodeParamValue))

    def test_bad_values(self) -> None:
        """Each refusal names the parameter, the value and what is allowed."""
        for table, given_, text in (
            (parameters.BACKEND, {"colour": 1}, "'colour' is not one of memory_mib"),
            (parameters.BACKEND, {"vcpus": 0}, "vcpus: 0 is not between 1 and 1024"),
            (parameters.BACKEND, {"vcpus": True}, "vcpus: True is not a whole number"),
            (parameters.BACKEND, {"memory_mib": 1.5}, "1.5 is not a whole number"),
            (parameters.BACKEND, {"auto_balance": 1}, "1 is not yes or no"),
            (parameters.NODE, {"cpu_speed": "x"}, "cpu_speed: 'x' is not a number"),
            (parameters.CAPACITY, {"max_disk_usage": 1.1}, "between 0.01 and 1"),
            (parameters.CAPACITY, {"max_cpu_ratio": float("nan")}, "nan is not"),
            (parameters.CAPACITY, {"default_template": ""}, "'' is not a word"),
        ):
            with self.subTest(given=given_):
                error = self.assertRaises(
                    ValueError, parameters.check_given, "x", table, given_
                )
                self.assertIn(text, str(error))
