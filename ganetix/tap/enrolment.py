"""How the master lets nodes join: tokens, and requests of those who have one."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.bootstrap import enrol
from ganetix.bootstrap.authorities import CertificateAuthorities
from ganetix.config.store import ConfigStore
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken
from ganetix.opcodes import OpNodeEnrol
from ganetix.rpc.identity import fingerprint
from ganetix.rpc.tls import LiveCredentials


class Enrolments:
    """Issues tokens, and takes nodes in that come with one.

    :param submit: submits the job that makes the node a member
    """

    def __init__(
        self,
        clock: IReactorTime,
        config: ConfigStore,
        authorities: CertificateAuthorities,
        credentials: LiveCredentials,
        submit: Callable[[OpNodeEnrol], Deferred[int]],
    ) -> None:
        self._clock = clock
        self._config = config
        self._authorities = authorities
        self._credentials = credentials
        self._submit = submit

    def issue_token(self, name: str, lifetime_seconds: float) -> Deferred[IssuedToken]:
        """A token for a node that has been reserved."""
        shown = self._credentials.current.issuer
        renewal = self._config.snapshot().cluster.ca_renewal
        return enrol.issue_token(
            self._config,
            self._authorities.signing(renewal),
            name,
            self._clock.seconds(),
            lifetime_seconds,
            ca_fingerprint=fingerprint(shown) if shown else None,
        )

    def enrol(self, request: EnrolRequest) -> Deferred[Enrolment]:
        """Sign a node's request, and have it made a member."""
        renewal = self._config.snapshot().cluster.ca_renewal
        return enrol.enrol(
            self._config,
            self._authorities.signing(renewal),
            request,
            self._submit,
            self._clock.seconds(),
            trusted=self._authorities.bundle(renewal),
        )
