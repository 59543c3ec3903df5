"""What a node finds out about itself."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from twisted.internet.interfaces import IReactorTime

from ganetix import __version__
from ganetix.bootstrap.pki import expiry, fingerprint
from ganetix.bootstrap.ssconf import ssconf_names
from ganetix.interfaces import Offload
from ganetix.netutils.interfaces import is_own_address
from ganetix.node.calls import handler
from ganetix.node.providers import Providers
from ganetix.objects.base import Value
from ganetix.paths import Paths
from ganetix.rpc.methods import NODE_VERIFY, NodeVerify, VerifyRequest

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

HasAddress = Callable[[str], bool]


class _Files(Value, frozen=True, kw_only=True):
    """What the files of a node say."""

    certificate_fingerprint: str = ""
    certificate_expires: float = 0.0
    ca_fingerprint: str = ""
    ssconf: dict[str, str] = {}
    loose_secrets: tuple[str, ...] = ()
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
    ) -> None:
        self._clock = clock
        self._paths = paths
        self._providers = providers
        self._offload = offload
        self._has_address = has_address

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
        return NodeVerify(
            version=__version__,
            time=self._clock.seconds(),
            certificate_fingerprint=files.certificate_fingerprint,
            certificate_expires=files.certificate_expires,
            ca_fingerprint=files.ca_fingerprint,
            ssconf=files.ssconf,
            missing_addresses=files.missing_addresses,
            problems=(*problems, *files.problems),
            loose_secrets=files.loose_secrets,
        )

    def _look(self, addresses: Sequence[str]) -> _Files:
        problems: list[str] = []
        certificate = _certificate(self._paths.node_certificate, problems)
        ca = _certificate(self._paths.ca_certificate, problems)
        if not self._paths.node_key.exists():
            problems.append(f"{self._paths.node_key} is missing")
        return _Files(
            certificate_fingerprint=fingerprint(certificate) if certificate else "",
            certificate_expires=expiry(certificate) if certificate else 0.0,
            ca_fingerprint=fingerprint(ca) if ca else "",
            ssconf=self._digests(problems),
            loose_secrets=tuple(str(path) for path in self._secrets() if _loose(path)),
            missing_addresses=tuple(
                address for address in addresses if not self._has_address(address)
            ),
            problems=tuple(problems),
        )

    def _secrets(self) -> tuple[Path, ...]:
        return (self._paths.node_key, self._paths.ca_key)

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


def _certificate(path: Path, problems: list[str]) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
    except ValueError:
        problems.append(f"{path} holds no certificate")
    return None
