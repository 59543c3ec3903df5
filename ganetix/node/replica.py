"""What a node does as a master candidate: replica, vote, the master's secrets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from ganetix.bootstrap.dirs import write_secret
from ganetix.errors import BadParameter, NotAllowed, StateFault
from ganetix.flow.shield import shielded
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.node.obeyed import ssconf_value
from ganetix.node.replica_store import ReplicaStore
from ganetix.node.turns import Turns
from ganetix.objects.replica import Claim
from ganetix.objects.replica_calls import (
    MasterBelief,
    ReplicaAppend,
    ReplicaClaim,
    ReplicaPart,
    ReplicaPromise,
    ReplicaRead,
    ReplicaRows,
    ReplicaStatus,
    ReplicaTaken,
    SecretsWrite,
)
from ganetix.paths import Paths
from ganetix.rpc.methods import (
    MASTER_BELIEF,
    REPLICA_APPEND,
    REPLICA_FORGET,
    REPLICA_PART,
    REPLICA_PROMISE,
    REPLICA_READ,
    REPLICA_RELEASE,
    REPLICA_STATUS,
    SECRETS_WRITE,
    Nothing,
)

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

T = TypeVar("T")

_TURN = "replica"


def master_secrets(paths: Paths) -> Mapping[str, Path]:
    """The files that masters and candidates have and no other node, by name."""
    return {"ca_key": paths.ca_key, "next_ca_key": paths.next_ca_key}


def read_secrets(paths: Paths) -> dict[str, bytes]:
    """Their contents, as far as they exist. Blocking."""
    return {
        name: path.read_bytes()
        for name, path in master_secrets(paths).items()
        if path.exists()
    }


def secrets_digest(files: Mapping[str, bytes]) -> str:
    """A digest that tells whether two nodes have the same secrets."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


class ReplicaCalls:
    """Does ``replica_…``, ``secrets_write`` and ``master_belief``.

    :param offload: runs what reads and writes small files
    """

    def __init__(
        self, paths: Paths, own: str, store: ReplicaStore, offload: Offload
    ) -> None:
        self._paths = paths
        self._own = own
        self._store = store
        self._offload = offload
        self._turns = Turns()

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(REPLICA_STATUS, self._status)
        yield handler(REPLICA_PROMISE, self._promise)
        yield handler(REPLICA_APPEND, self._append)
        yield handler(REPLICA_PART, self._part)
        yield handler(REPLICA_READ, self._read)
        yield handler(REPLICA_RELEASE, self._release)
        yield handler(REPLICA_FORGET, self._forget)
        yield handler(SECRETS_WRITE, self._write_secrets)
        yield handler(MASTER_BELIEF, self._believe)

    def leave(self) -> Deferred[None]:
        """Remove the replica and the secrets, unless a master runs here."""
        return self._turn(self._leave)

    def is_serving(self) -> Deferred[bool]:
        """Whether a master daemon has the store open."""
        status = self._turn(self._store.status)
        return status.addCallback(lambda found: found.is_serving)

    def close(self) -> Deferred[None]:
        """Close the replica after what is under way."""
        return self._turn(self._store.close)

    def _turn(
        self, work: Callable[[], Coroutine[Deferred[Any], Any, T]]
    ) -> Deferred[T]:
        # What was begun is finished, though the caller may be gone.
        return shielded(self._turns.run(_TURN, lambda: Deferred.fromCoroutine(work())))

    async def _status(self, request: Nothing, call: Call) -> ReplicaStatus:
        status = await self._turn(self._store.status)
        secrets = await self._offload(lambda: read_secrets(self._paths))
        return replace(status, secrets=secrets_digest(secrets))

    async def _promise(self, request: ReplicaPromise, call: Call) -> ReplicaStatus:
        claim = _checked(request.claim, call)
        return await self._turn(lambda: self._store.promise(claim))

    async def _append(self, request: ReplicaAppend, call: Call) -> ReplicaTaken:
        _checked(request.claim, call)
        return await self._turn(lambda: self._store.append(request))

    async def _part(self, request: ReplicaPart, call: Call) -> Nothing:
        _checked(request.claim, call)
        await self._turn(lambda: self._store.part(request))
        return Nothing()

    async def _read(self, request: ReplicaRead, call: Call) -> ReplicaRows:
        _checked(request.claim, call)
        return await self._turn(lambda: self._store.read(request))

    async def _release(self, request: ReplicaClaim, call: Call) -> Nothing:
        claim = _checked(request.claim, call)
        if call.peer.uuid != self._own:
            raise NotAllowed("a replica is released to its own node only")
        await self._turn(lambda: self._store.release(claim))
        return Nothing()

    async def _forget(self, request: ReplicaClaim, call: Call) -> Nothing:
        claim = _checked(request.claim, call)
        await self._turn(lambda: self._store.forget(claim))
        await self._offload(self._remove_secrets)
        return Nothing()

    async def _write_secrets(self, request: SecretsWrite, call: Call) -> Nothing:
        claim = _checked(request.claim, call)
        known = master_secrets(self._paths)
        if strange := sorted(request.files.keys() - known.keys()):
            raise BadParameter(f"{', '.join(strange)}: no such secret is kept here")

        async def write() -> None:
            # Only for the master of the day.
            await self._store.promise(claim)
            await self._offload(lambda: self._write(request.files))

        await self._turn(write)
        return Nothing()

    async def _believe(self, request: Nothing, call: Call) -> MasterBelief:
        return await self._offload(self._belief)

    async def _leave(self) -> None:
        await self._store.leave()
        if self._store.is_open or self._paths.state_db.exists():
            return
        await self._offload(self._remove_secrets)

    def _write(self, files: Mapping[str, bytes]) -> None:
        try:
            for name, path in master_secrets(self._paths).items():
                if name in files:
                    write_secret(path, files[name])
                elif files:
                    path.unlink(missing_ok=True)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise StateFault(f"secrets cannot be written: {why}") from error

    def _remove_secrets(self) -> None:
        for path in master_secrets(self._paths).values():
            path.unlink(missing_ok=True)

    def _belief(self) -> MasterBelief:
        epoch = ssconf_value(self._paths, "master_epoch")
        return MasterBelief(
            master=ssconf_value(self._paths, "master_node_uuid"),
            name=ssconf_value(self._paths, "master_node"),
            epoch=int(epoch) if epoch.isdecimal() else 0,
        )


def _checked(claim: Claim, call: Call) -> Claim:
    """The claim, if its caller may make it: everybody speaks for itself."""
    if claim.master != call.peer.uuid:
        raise NotAllowed(f"node {call.peer.uuid} speaks for node {claim.master}")
    return claim
