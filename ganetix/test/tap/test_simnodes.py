"""Options of the simulated nodes, and the places that they give them."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import StateFault
from ganetix.node.sim import SimResources
from ganetix.tap.simjoin import SimPlace, bounded, joined_below
from ganetix.tap.simnodes import Options


class OptionsTests(SynchronousTestCase):
    """The command line of ``twistd ganetix-simnodes``."""

    def setUp(self) -> None:
        """A root."""
        self.root = Path(self.mktemp())
        self.root.mkdir()

    def parsed(self, *arguments: str) -> Options:
        """The options of a command line."""
        options = Options()
        options.parseOptions([f"--root={self.root}", *arguments])
        return options

    def assert_refused(self, message: str, *arguments: str) -> None:
        """The command line is refused with this in the message."""
        with self.assertRaisesRegex(UsageError, message):
            self.parsed(*arguments)

    def test_places(self) -> None:
        """Each node has a name and an address of its own."""
        places = self.parsed("--count=600", "--network=127.9").places
        self.assertEqual(len({place.address for place in places}), 600)
        self.assertEqual(places[0], SimPlace(name="sim1", address="127.9.0.1"))
        self.assertEqual(places[250].address, "127.9.1.1")
        self.assertEqual(places[599].name, "sim600")

    def test_groups(self) -> None:
        """They are spread evenly over groups, in order."""
        places = self.parsed("--count=10", "--groups=3", "--prefix=big").places
        groups = [place.group for place in places]
        expected = {"big-group1": 4, "big-group2": 3, "big-group3": 3}
        self.assertEqual({g: groups.count(g) for g in groups}, expected)
        self.assertEqual(groups, sorted(groups))

    def test_resources(self) -> None:
        """The hosts are as large as is said."""
        options = self.parsed("--memory=1024", "--disk=2048", "--cpus=2")
        expected = SimResources(memory_mib=1024, disk_mib=2048, cpus=2)
        self.assertEqual(options.resources, expected)

    def test_wrong(self) -> None:
        """What cannot be is refused, with what may be."""
        self.assert_refused("--count: '0' is not a number from 1 to", "--count=0")
        self.assert_refused("--count: 'many'", "--count=many")
        self.assert_refused("--groups: 3 is more than", "--count=2", "--groups=3")
        self.assert_refused("--cpus: '-1'", "--cpus=-1")
        self.assert_refused("--port: '99999'", "--port=99999")
        for network in ("10.1", "127.256", "127", "127.1.2", "127.1\n"):
            self.assert_refused("--network: .* is not 127.N", f"--network={network}")
        for prefix in ("", "1a", "A", "x_y", "sim-"):
            self.assert_refused("--prefix", f"--prefix={prefix}")

    def test_tokens(self) -> None:
        """A file that has no tokens in it is refused."""
        self.assert_refused("--tokens: .*No such file", f"--tokens={self.root}/none")
        file = self.root / "tokens"
        file.write_text("gnx1.nonsense")
        self.assert_refused("--tokens: token 1: .*damaged", f"--tokens={file}")


class JoinedTests(SynchronousTestCase):
    """What is known of nodes that have joined before."""

    def setUp(self) -> None:
        """A root."""
        self.root = Path(self.mktemp())
        self.root.mkdir()

    def put(self, name: str, text: str) -> SimPlace:
        """The notes of one node, which has a certificate."""
        place = SimPlace(name=name, address="127.9.0.1")
        paths = place.paths(self.root)
        paths.lib.mkdir(parents=True)
        paths.node_certificate.touch()
        (paths.root / "sim.json").write_text(text)
        return place

    def test_joined(self) -> None:
        """Those with a certificate have joined."""
        place = self.put("sim1", '{"name":"sim1","address":"127.9.0.1"}')
        self.put("sim2", '{"name":"sim2","address":"127.9.0.2"}')
        (self.root / "sim2/var/lib/ganetix/node.pem").unlink()
        (self.root / "else").mkdir()
        self.assertEqual(joined_below(self.root), (place,))

    def test_damaged(self) -> None:
        """Notes that cannot be read are named."""
        self.put("sim1", "{")
        with self.assertRaisesRegex(StateFault, r"sim1/sim\.json cannot be read"):
            joined_below(self.root)


class BoundedTests(SynchronousTestCase):
    """Doing many things, a few at a time."""

    def test_bound(self) -> None:
        """The third begins when the first is done; the end is that of the last."""
        begun: list[Deferred[None]] = []

        async def work(number: int) -> None:
            begun.append(Deferred())
            await begun[-1]

        done = Deferred.fromCoroutine(bounded(2, work, range(3)))
        self.assertEqual(len(begun), 2)
        begun[0].callback(None)
        self.assertEqual(len(begun), 3)
        begun[1].callback(None)
        self.assertNoResult(done)
        begun[2].callback(None)
        self.successResultOf(done)

    def test_error(self) -> None:
        """An error comes out when what was under way has ended."""

        async def work(number: int) -> None:
            if number == 1:
                raise StateFault("one failed")

        done = Deferred.fromCoroutine(bounded(2, work, range(5)))
        self.failureResultOf(done, StateFault)
