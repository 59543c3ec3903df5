"""Values of node calls about one guest: its life, its moves, its disks and console."""

from __future__ import annotations

from ganetix.objects.base import Value
from ganetix.objects.guest import GuestInfo, GuestSpec, StopOutcome


class GuestStart(Value, frozen=True, kw_only=True):
    """Start this guest."""

    guest: GuestSpec


class GuestStop(Value, frozen=True, kw_only=True):
    """Stop a guest; 0 s ends it at once."""

    hypervisor: str
    uuid: str
    timeout_seconds: float


class GuestStopped(Value, frozen=True, kw_only=True):
    """How a guest was stopped."""

    outcome: StopOutcome


class GuestName(Value, frozen=True, kw_only=True):
    """One guest of one hypervisor."""

    hypervisor: str
    uuid: str


class GuestPurge(Value, frozen=True, kw_only=True):
    """Forget a guest: end it, remove its disks of these templates, its records."""

    uuid: str
    hypervisors: tuple[str, ...]
    disk_templates: tuple[str, ...]


class Purged(Value, frozen=True, kw_only=True):
    """What a purge removed."""

    guest: bool
    disks: int


class RunningSpec(Value, frozen=True, kw_only=True):
    """A guest as it was started; None if it does not run."""

    guest: GuestSpec | None


class GuestReceive(Value, frozen=True, kw_only=True):
    """Make ready for a guest that the node ``sender`` will send to ``address``."""

    guest: GuestSpec
    address: str
    sender: str


class GuestAwaited(Value, frozen=True, kw_only=True):
    """The port to which the guest is to be sent."""

    port: int


class GuestSend(Value, frozen=True, kw_only=True):
    """Send a running guest to the node ``receiver``, which is ready for it."""

    hypervisor: str
    uuid: str
    address: str
    port: int
    receiver: str


class SendCancelled(Value, frozen=True, kw_only=True):
    """``stays``: the guest was being sent, and stays now."""

    stays: bool


class DisksCreate(Value, frozen=True, kw_only=True):
    """Create all disks of a guest; all or none."""

    guest: GuestSpec


class GuestList(Value, frozen=True, kw_only=True):
    """All guests of a node."""

    guests: tuple[GuestInfo, ...]


class GuestListRequest(Value, frozen=True, kw_only=True):
    """Which hypervisors to ask."""

    hypervisors: tuple[str, ...]


class OsCreate(Value, frozen=True, kw_only=True):
    """Run the OS definition's create script for a guest."""

    guest: GuestSpec
    reinstall: bool = False


class CreateCheck(Value, frozen=True, kw_only=True):
    """May this guest be created here? Disk space, hypervisor, OS, parameters."""

    guest: GuestSpec


class ConsoleTailRequest(Value, frozen=True, kw_only=True):
    """The last lines of a guest's serial console log."""

    hypervisor: str
    uuid: str
    lines: int


class ConsoleText(Value, frozen=True, kw_only=True):
    """Console output, decoded with replacement characters."""

    text: str


class ConsoleAttach(Value, frozen=True, kw_only=True):
    """Open a guest's serial console; output comes as base64 progress lines.

    ``session`` is a name that the caller chooses; input refers to it.
    """

    hypervisor: str
    uuid: str
    session: str


class ConsoleInput(Value, frozen=True, kw_only=True):
    """Bytes typed at an attached console; ``close`` ends the session."""

    session: str
    data: bytes = b""
    close: bool = False
