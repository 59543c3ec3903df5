"""Live migration: one QEMU receives what another sends, by TLS, memory and all.

The receiver holds the guest stopped until it is accepted: so a guest never runs twice,
whatever becomes of either node in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ganetix.errors import CommandFailed, HypervisorFault, WrongState
from ganetix.hypervisor.kvm_argv import qemu_argv
from ganetix.hypervisor.kvm_guest import KvmGuest, KvmHost
from ganetix.hypervisor.kvm_start import GuestStart
from ganetix.hypervisor.kvm_tls import make_tls_directory, offer_tls, use_tls
from ganetix.hypervisor.qmp import QmpClient, QmpLost
from ganetix.interfaces import Say
from ganetix.objects import GuestInfo, GuestSpec, Value

POLL_SECONDS = 0.1
SAY_SECONDS = 2.0
HANG_SECONDS = 5.0
CANCEL_SECONDS = 10.0
ACCEPT_SECONDS = 10.0
MIB = 1 << 20

# The events tell nothing that polling would not; without the return path the sender
# would call done what the receiver could not take.
_CAPABILITIES = {
    "capabilities": [
        {"capability": "events", "state": True},
        {"capability": "return-path", "state": True},
    ]
}
_UNDER_WAY = frozenset(
    ("setup", "active", "device", "pre-switchover", "postcopy-active", "cancelling")
)


class _Memory(Value, frozen=True, kw_only=True):
    total: int = 0
    transferred: int = 0
    remaining: int = 0


class _Socket(Value, frozen=True, kw_only=True):
    port: str = ""


class _Migration(
    Value,
    frozen=True,
    kw_only=True,
    rename={"error": "error-desc", "sockets": "socket-address"},
):
    """The answer to ``query-migrate``."""

    status: str = "none"
    ram: _Memory = _Memory()
    error: str = ""
    sockets: tuple[_Socket, ...] = ()


class GuestArrival(GuestStart):
    """A guest's QEMU made ready to receive; fails leaving nothing behind."""

    def __init__(
        self,
        host: KvmHost,
        target: KvmGuest,
        guest: GuestSpec,
        disk_paths: Sequence[Path],
        say: Say,
    ) -> None:
        super().__init__(host, target, guest, disk_paths, say)
        self._accelerator = str(self._hvparams["accel"]).split(":")[0]

    async def expect(self, address: str, sender_uuid: str) -> int:
        """Wait for one sender; the port at which it is awaited."""
        info = await self._target.find()
        if info is not None and info.pid is not None:
            if info.state not in ("arriving", "left"):
                raise WrongState(
                    f"guest {self._guest.name} is {info.state} on this node"
                )
            await self._target.end()
        record = self._record(self._accelerator)
        await self._host.records.put(replace(record, moving="arriving"))
        try:
            places = await self._places(self._program())
            argv = qemu_argv(self._guest, self._hvparams, places, self._accelerator)
            await self._host.taps.make(self._guest)
            await self._target.process.spawn([*argv, "-incoming", "defer"])
            return await self._listen(address, sender_uuid)
        except Exception:
            await self._target.end()
            await self._host.records.remove(self._guest.uuid)
            raise

    async def _listen(self, address: str, sender_uuid: str) -> int:
        directory = await _tls_directory(self._host, self._target)
        client = await self._target.watch.attach(self._target.events_socket())
        await client.execute("migrate-set-capabilities", _CAPABILITIES)
        await offer_tls(client, directory, sender_uuid)
        await client.execute("migrate-incoming", {"uri": _uri(address, 0)})
        sockets = (await client.query("query-migrate", _Migration)).sockets
        if not sockets:
            raise HypervisorFault(f"QEMU does not listen at {address}")
        return int(sockets[0].port)


class Connection:
    """A migration on its way to a receiver, which may hang.

    QEMU may hang with it, guest and all: in the greeting, for instance, it waits
    without end. Then the connection is cut, which fails the migration.
    """

    def __init__(
        self, host: KvmHost, client: QmpClient, address: str, port: int
    ) -> None:
        self._host = host
        self._client = client
        self._receiver = (address, port)

    async def progress(self) -> _Migration:
        """How far the migration is."""
        for cut in (self._yank, self._kill):
            try:
                return await self._client.query(
                    "query-migrate", _Migration, timeout_seconds=HANG_SECONDS
                )
            except QmpLost:
                raise
            except HypervisorFault:
                await cut()
        return await self._client.query("query-migrate", _Migration)

    async def _yank(self) -> None:
        """Have QEMU shut the connection, which it can do once the greeting is over."""
        await self._client.execute(
            "yank", {"instances": [{"type": "migration"}]}, out_of_band=True
        )

    async def _kill(self) -> None:
        """Have the kernel end the connection."""
        address, port = self._receiver
        command = ["ss", "-K", "dst", address, "dport", "=", f":{port}"]
        with suppress(CommandFailed):
            await self._host.runner.run(command, timeout_seconds=HANG_SECONDS)


class GuestDeparture:
    """A running guest, being sent away."""

    def __init__(self, host: KvmHost, source: KvmGuest, say: Say) -> None:
        self._host = host
        self._source = source
        self._say = say

    async def run(self, address: str, port: int, receiver_uuid: str) -> None:
        """Send it; on failure it runs on here."""
        info = await self._source.look()
        record = self._source.record
        if info is None or record is None or info.state != "running":
            state = info.state if info else "not there"
            raise WrongState(f"guest {self._source.uuid} does not run here: {state}")
        client = await self._source.watch.attach(self._source.events_socket())
        directory = await _tls_directory(self._host, self._source)
        await client.execute("migrate-set-capabilities", _CAPABILITIES)
        await use_tls(client, directory, receiver_uuid)
        await client.execute("migrate", {"uri": _uri(address, port)})
        connection = Connection(self._host, client, address, port)
        outcome = await self._finish(connection, info.name)
        if outcome.status != "completed":
            await _run_on(client)
            called_back = "it was called back"
            reason = outcome.error or (
                called_back if outcome.status == "cancelled" else outcome.status
            )
            raise HypervisorFault(f"{info.name} could not be moved: {reason}")
        await self._host.records.put(replace(record, moving="left"))

    async def _finish(self, connection: Connection, name: str) -> _Migration:
        clock = self._host.reactor
        say_at = clock.seconds() + SAY_SECONDS
        while (state := await connection.progress()).status in _UNDER_WAY:
            if clock.seconds() >= say_at:
                sent, left = state.ram.transferred, state.ram.remaining
                self._say(f"{name}: {sent // MIB} MiB sent, {left // MIB} MiB to go")
                say_at = clock.seconds() + SAY_SECONDS
            await deferLater(clock, POLL_SECONDS)
        if state.status == "completed":
            self._say(f"{name}: all of {state.ram.transferred // MIB} MiB sent")
        return state


async def cancel_departure(clock: IReactorTime, source: KvmGuest) -> bool:
    """Call a guest back; False if there is nothing to call back, or it has gone."""
    if source.process.pid() is None:
        return False
    client = await source.watch.attach(source.events_socket())
    if (await client.query("query-migrate", _Migration)).status not in _UNDER_WAY:
        return False
    await client.execute("migrate_cancel")
    deadline = clock.seconds() + CANCEL_SECONDS
    while (
        state := await client.query("query-migrate", _Migration)
    ).status in _UNDER_WAY:
        if clock.seconds() > deadline:
            raise HypervisorFault("QEMU does not end the migration")
        await deferLater(clock, POLL_SECONDS)
    return state.status != "completed"


async def accept_arrival(host: KvmHost, target: KvmGuest) -> GuestInfo:
    """Let a guest go on here, once all of it has come."""
    record, info = target.record, await target.look()
    if record is None or info is None or info.pid is None or info.state == "left":
        raise WrongState(f"guest {target.uuid} has not come to this node")
    if not record.moving:
        return info
    client = await target.watch.attach(target.events_socket())
    deadline = host.reactor.seconds() + ACCEPT_SECONDS
    # The sender is told just before the last of the receiver's work is done.
    while (await client.status()).status == "inmigrate":
        if host.reactor.seconds() > deadline:
            raise WrongState(f"guest {info.name} has not come to this node as a whole")
        await deferLater(host.reactor, POLL_SECONDS)
    await client.execute("cont")
    record = replace(record, moving="", seen_alive=True, since=host.reactor.seconds())
    await host.records.put(record)
    return record.info("running", info.pid)


async def _run_on(client: QmpClient) -> None:
    """See to it that a guest that was not moved runs; QEMU does so by itself."""
    try:
        if not (await client.status()).running:
            await client.execute("cont")
    except QmpLost:
        # It ended meanwhile, which the next look at it will find.
        pass


async def _tls_directory(host: KvmHost, guest: KvmGuest) -> Path:
    return await host.offload(
        lambda: make_tls_directory(host.paths, guest.files.directory)
    )


def _uri(address: str, port: int) -> str:
    return f"tcp:[{address}]:{port}" if ":" in address else f"tcp:{address}:{port}"
