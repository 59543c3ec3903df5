"""All that the node daemon does on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTCP, IReactorTime, IReactorUNIX

from ganetix.errors import Unavailable
from ganetix.interfaces import IHypervisor, IOsProvider, IStorage, Offload
from ganetix.netutils.interfaces import is_own_address
from ganetix.node.calls import Subject
from ganetix.node.commands import CommandCalls
from ganetix.node.console import ConsoleCalls
from ganetix.node.create import CreateCalls
from ganetix.node.crypto import CryptoCalls
from ganetix.node.disks import DiskCalls
from ganetix.node.enrol import EnrolCalls, RelayEnrol
from ganetix.node.files import FileCalls, LocalFiles
from ganetix.node.guests import GuestCalls
from ganetix.node.info import InfoCalls, ReadHost, read_host
from ganetix.node.leave import DelayCalls, LeaveCalls
from ganetix.node.master_address import MasterAddressCalls
from ganetix.node.providers import Providers
from ganetix.node.replica import ReplicaCalls
from ganetix.node.replica_store import FileMedium, ReplicaStore
from ganetix.node.ssconf import SsconfCalls
from ganetix.node.stand_down import RelayStandDown, StandDownCalls
from ganetix.node.turns import Turns
from ganetix.node.verify import Find, HasAddress, VerifyCalls, finder
from ganetix.objects.replica import Claim
from ganetix.paths import Paths
from ganetix.process import Runner

if TYPE_CHECKING:
    from ganetix.rpc.server import Handler


_NO_MASTER = Unavailable("no master can be reached from here")


class NodeService:
    """A handler for each node RPC method.

    :param reactor: provides ``IReactorTime`` and ``IReactorUNIX``
    :param offload: runs what reads and writes files
    :param runner: runs administrators' commands
    :param relay_enrol: passes a joining node's request to the master on this host
    :param relay_stand_down: asks the master on this host to end
    :param on_left: called once this node is no member any more
    :param replica_offload: runs what the replica of the state store does, one thing at
        a time, in order; ``offload`` if it does the same
    :param reload_credentials: has the daemon use what the files of its certificate and
        the CAs hold now
    :param hear: told who is master, by ssconf or by a promise
    :param find: tells whether another node is at an address and port; from ``reactor``
        if it is not given
    """

    def __init__(
        self,
        *,
        reactor: object,
        paths: Paths,
        node_uuid: str,
        hypervisors: Mapping[str, IHypervisor],
        storages: Mapping[str, IStorage],
        os_provider: IOsProvider,
        offload: Offload,
        runner: Runner,
        relay_enrol: RelayEnrol,
        relay_stand_down: RelayStandDown = lambda successor: fail(_NO_MASTER),
        on_left: Callable[[], None] = lambda: None,
        read_host: ReadHost = read_host,
        has_address: HasAddress = is_own_address,
        replica_offload: Offload | None = None,
        reload_credentials: Callable[[], Deferred[None]] = lambda: succeed(None),
        find: Find | None = None,
        hear: Callable[[Claim], None] = lambda claim: None,
    ) -> None:
        providers = Providers(hypervisors, storages)
        turns, ssconf_turns = Turns(), Turns()
        clock = IReactorTime(reactor)
        self._consoles = ConsoleCalls(IReactorUNIX(reactor), providers, offload)
        medium = FileMedium(paths.state_db, replica_offload or offload)
        replica = ReplicaStore(node_uuid, medium, hear)
        self._replica = ReplicaCalls(paths, node_uuid, replica, offload)
        info = InfoCalls(clock, node_uuid, providers, read_host, offload)
        disks = DiskCalls(providers, turns)
        self._subjects: tuple[Subject, ...] = (
            info,
            VerifyCalls(
                clock,
                paths,
                providers,
                offload,
                has_address,
                info=info,
                disks=disks,
                os_provider=os_provider,
                find=find or finder(IReactorTCP(reactor)),
            ),
            CryptoCalls(paths, node_uuid, offload, reload_credentials),
            SsconfCalls(paths, ssconf_turns, offload, hear),
            LeaveCalls(
                paths,
                providers,
                turns,
                ssconf_turns,
                offload,
                on_left,
                self._replica.leave,
            ),
            GuestCalls(providers, turns, offload),
            CreateCalls(providers, turns, os_provider, read_host, offload),
            disks,
            self._consoles,
            EnrolCalls(relay_enrol),
            CommandCalls(runner),
            FileCalls(LocalFiles(paths, offload)),
            self._replica,
            StandDownCalls(clock, relay_stand_down, self._replica.is_serving),
            MasterAddressCalls(runner, offload, has_address),
            DelayCalls(clock),
        )

    def handlers(self) -> Mapping[str, Handler]:
        """What does each method, by the method's name."""
        return {
            name: handler
            for subject in self._subjects
            for name, handler in subject.handlers()
        }

    def close(self) -> None:
        """End console sessions; guests and what is under way are let be."""
        self._consoles.close()

    def finish(self) -> Deferred[None]:
        """Close the replica of the state, after what is under way."""
        return self._replica.close()
