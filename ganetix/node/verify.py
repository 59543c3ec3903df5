"""What a node finds out about itself."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTCP, IReactorTime

from ganetix import __version__
from ganetix.bootstrap.pki import expiry, fingerprint
from ganetix.bootstrap.ssconf import ssconf_names
from ganetix.errors import GanetixError
from ganetix.flow.pool import for_each
from ganetix.interfaces import IOsProvider, Offload
from ganetix.netutils.interfaces import is_own_address, own_interface_names
from ganetix.netutils.probe import Reach, reach
from ganetix.node.calls import handler
from ganetix.node.disks import DiskCalls
from ganetix.node.info import InfoCalls
from ganetix.node.providers import Providers
from ganetix.objects.base import Value
from ganetix.objects.node_calls import (
    Neighbour,
    NodeInfoRequest,
    NodeVerify,
    VerifyRequest,
)
from ganetix.paths import Paths
from ganetix.rpc.methods import NODE_VERIFY

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

T = TypeVar("T")

HasAddress = Callable[[str], bool]

Find = Callable[[str, int], "Deferred[bool]"]
"""Whether a host answers at an address and port, be it by a refusal."""

FIND_SECONDS = 5.0


def finder(reactor: IReactorTCP) -> Find:
    """Tries connections; provides ``IReactorTime`` too."""

    def find(ip_address: str, port: int) -> Deferred[bool]:
        tried = reach(reactor, ip_address, port, FIND_SECONDS)
        return tried.addCallback(lambda found: found is not Reach.SILENT)

    return find


class _Files(Value, frozen=True, kw_only=True):
    """What the files of a node say."""

    certificate_fingerprint: str = ""
    certificate_expires: float = 0.0
    authorities: tuple[str, ...] = ()
    ssconf: dict[str, str] = {}
    loose_secrets: tuple[str, ...] = ()
    master_files: tuple[str, ...] = ()
    missing_addresses: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class VerifyCalls:
    """Does ``node_verify``."""

    def __init__(
        self,
        clock: IReactorTime,
        paths: Paths,
        providers: Providers,
        offload: Offload,
        has_address: HasAddress = is_own_address,
        *,
        info: InfoCalls,
        disks: DiskCalls,
        os_provider: IOsProvider,
        find: Find,
    ) -> None:
        self._clock = clock
        self._paths = paths
        self._providers = providers
        self._offload = offload
        self._has_address = has_address
        self._info = info
        self._disks = disks
        self._os_provider = os_provider
        self._find = find

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(NODE_VERIFY, self._verify)

    async def _verify(self, request: VerifyRequest, call: Call) -> NodeVerify:
        problems: list[str] = []
        for name in request.hypervisors:
            lines = await self._providers.hypervisor(name).check()
            problems += (f"hypervisor {name}: {line}" for line in lines)
        for template in request.disk_templates:
            lines = await self._providers.storage(template).check()
            problems += (f"disk template {template}: {line}" for line in lines)
        files = await self._offload(lambda: self._look(request.addresses))
        interfaces = None
        if request.interfaces:
            interfaces = await self._offload(own_interface_names)
        info, disks, os_names = None, None, None
        if (wanted := request.state) is not None:
            resources = NodeInfoRequest(
                hypervisors=wanted.hypervisors, disk_templates=wanted.disk_templates
            )
            info = await _or_problem(problems, self._info.look(resources))
            disks = await _or_problem(problems, self._disks.all_disks())
            if wanted.os_names:
                os_names = await _or_problem(problems, self._os_names())
        return NodeVerify(
            version=__version__,
            time=self._clock.seconds(),
            certificate_fingerprint=files.certificate_fingerprint,
            certificate_expires=files.certificate_expires,
            authorities=files.authorities,
            ssconf=files.ssconf,
            missing_addresses=files.missing_addresses,
            silent_addresses=await self._silent(request.neighbours),
            problems=(*problems, *files.problems),
            loose_secrets=files.loose_secrets,
            master_files=files.master_files,
            info=info,
            disks=disks,
            os_names=os_names,
            interfaces=interfaces,
        )

    async def _os_names(self) -> tuple[str, ...]:
        """The usable definitions, with each of their variants."""
        return tuple(
            f"{each.name}+{variant}" if variant else each.name
            for each in await self._os_provider.definitions()
            if not each.problem
            for variant in each.variants or ("",)
        )

    async def _silent(self, neighbours: Sequence[Neighbour]) -> tuple[str, ...]:
        silent: list[str] = []

        async def look(neighbour: Neighbour) -> None:
            if not await self._find(neighbour.address, neighbour.port):
                silent.append(neighbour.address)

        await for_each(neighbours, look, at_once=len(neighbours))
        return tuple(sorted(silent))

    def _look(self, addresses: Sequence[str]) -> _Files:
        problems: list[str] = []
        shown = _certificates(self._paths.node_certificate, problems)
        authorities = _certificates(self._paths.ca_certificate, problems)
        if not self._paths.node_key.exists():
            problems.append(f"{self._paths.node_key} is missing")
        return _Files(
            certificate_fingerprint=fingerprint(shown[0]) if shown else "",
            certificate_expires=expiry(shown[0]) if shown else 0.0,
            authorities=tuple(map(fingerprint, authorities)),
            ssconf=self._digests(problems),
            loose_secrets=tuple(str(path) for path in self._secrets() if _loose(path)),
            master_files=tuple(
                str(path)
                for path in (
                    self._paths.state_db,
                    self._paths.ca_key,
                    self._paths.next_ca_key,
                )
                if path.exists()
            ),
            missing_addresses=tuple(
                address for address in addresses if not self._has_address(address)
            ),
            problems=tuple(problems),
        )

    def _secrets(self) -> tuple[Path, ...]:
        return (
            self._paths.node_key,
            self._paths.next_node_key,
            self._paths.ca_key,
            self._paths.next_ca_key,
        )

    def _digests(self, problems: list[str]) -> dict[str, str]:
        digests = {}
        for name in sorted(ssconf_names(self._paths)):
            try:
                contents = self._paths.ssconf(name).read_bytes()
            except OSError as error:
                problems.append(f"{error.filename} cannot be read: {error.strerror}")
                continue
            digests[name] = hashlib.sha256(contents).hexdigest()
        return digests


def _loose(path: Path) -> bool:
    """Whether others than the owner may do anything with an existing file."""
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except FileNotFoundError:
        return False


def _certificates(path: Path, problems: list[str]) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
    except ValueError:
        problems.append(f"{path} holds no certificate")
    return []


async def _or_problem(
    problems: list[str], work: Coroutine[Deferred[Any], Any, T]
) -> T | None:
    """What came of it, or None and a line more among the problems."""
    try:
        return await work
    except GanetixError as error:
        problems.append(str(error))
        return None
