"""The node daemon's ear at each running guest: a monitor connection held open."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ganetix.errors import HypervisorFault
from ganetix.hypervisor.qmp import QmpClient, QmpEvent, RunState, connect_qmp

STATUS_SECONDS = 4.0

CHANGES = frozenset(
    ("SHUTDOWN", "STOP", "RESUME", "RESET", "GUEST_PANICKED", "SUSPEND", "WAKEUP")
)
"""Events after which a guest may be in another state."""


class GuestWatch:
    """Hears the events of one guest and answers for its run state.

    :param on_change: called when the guest's state may have changed, also when the
        connection is gone; must only take note
    """

    _log = Logger()

    def __init__(
        self, reactor: IReactorTime, uuid: str, on_change: Callable[[str], None]
    ) -> None:
        self._reactor = reactor
        self._uuid = uuid
        self._on_change = on_change
        self._client: QmpClient | None = None
        self.is_closed = False
        self.end_reason = ""

    @property
    def is_attached(self) -> bool:
        """Whether the connection stands."""
        return self._client is not None and not self._client.is_lost

    async def attach(self, socket_name: str) -> QmpClient:
        """Connect, unless that was done; fails with ``HypervisorFault``."""
        if self._client is None or self._client.is_lost:
            client = await connect_qmp(
                self._reactor, socket_name, self._event, self._lost
            )
            if self.is_closed:
                client.disconnect()
                raise HypervisorFault("the hypervisor was closed")
            self._client = client
        return self._client

    async def status(self, socket_name: str) -> RunState | None:
        """The guest's run state, None if QEMU does not answer."""
        try:
            client = await self.attach(socket_name)
            return await client.status(timeout_seconds=STATUS_SECONDS)
        except HypervisorFault as error:
            self._log.warn(
                "QEMU of guest {instance} does not answer: {reason}",
                instance=self._uuid,
                reason=error,
            )
            return None

    def detach(self) -> None:
        """Leave the guest alone."""
        self.is_closed = True
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _event(self, event: QmpEvent) -> None:
        self._log.debug(
            "guest {instance}: {event} {data}",
            instance=self._uuid,
            event=event.event,
            data=event.data,
        )
        if event.event == "SHUTDOWN":
            self.end_reason = str(event.data.get("reason", ""))
        if event.event in CHANGES:
            self._on_change(self._uuid)

    def _lost(self) -> None:
        self._on_change(self._uuid)
