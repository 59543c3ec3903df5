"""What was asked of each guest, and how it ended: one small JSON file a guest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from twisted.logger import Logger

from ganetix.errors import HypervisorFault
from ganetix.hypervisor.base import is_uuid
from ganetix.interfaces import Offload
from ganetix.objects import GuestInfo, GuestSpec, GuestState, Value

Ending = Literal["", "admin", "user", "crash"]

STATE_AFTER: dict[Ending, GuestState] = {
    "admin": "admin-down",
    "user": "user-down",
    "crash": "crashed",
}


class GuestRecord(Value, frozen=True, kw_only=True):
    """One guest as this host was told to run it.

    ``wanted`` is the last wish of the administrator; ``ended`` says how the guest
    ended, empty while it runs. ``since`` is the time of its start or end, ``boot_id``
    that of the host when it started. ``seen_alive``: it has shown a sign of life.
    ``moving`` is where it is between two nodes, empty if it is not.
    """

    spec: GuestSpec
    disk_paths: tuple[str, ...] = ()
    wanted: Literal["run", "stop"] = "run"
    ended: Ending = ""
    since: float = 0.0
    detail: str = ""
    seen_alive: bool = False
    accelerator: str = ""
    boot_id: str = ""
    moving: Literal["", "arriving", "left"] = ""

    def info(
        self, state: GuestState, pid: int | None = None, detail: str | None = None
    ) -> GuestInfo:
        """The guest in a given state."""
        return GuestInfo(
            uuid=self.spec.uuid,
            name=self.spec.name,
            hypervisor=self.spec.hypervisor,
            state=state,
            memory_mib=self.spec.memory_mib,
            vcpus=self.spec.vcpus,
            pid=pid,
            accelerator=self.accelerator,
            since=self.since,
            detail=self.detail if detail is None else detail,
        )

    def ended_info(self) -> GuestInfo:
        """The guest as it ended here; it has crashed if nobody ever said how.

        One that went to another node has left, however its rest was ended.
        """
        if self.moving == "left":
            return self.info("left")
        return self.info(STATE_AFTER.get(self.ended, "crashed"))


class GuestRecords:
    """The records of one hypervisor's guests, kept in memory and on disk.

    They are read once, at first use: a small file a guest, so not worth a thread.
    Writes reach the disk before they are done, behind ``offload``. The caller sees
    to it that one guest's record is not written twice at a time.
    """

    _log = Logger()

    def __init__(self, directory: Path, hypervisor: str, offload: Offload) -> None:
        self._directory = directory
        self._hypervisor = hypervisor
        self._offload = offload
        self._loaded: dict[str, GuestRecord] | None = None

    def get(self, uuid: str) -> GuestRecord | None:
        """The record of one guest."""
        return self._records().get(uuid)

    def all(self) -> Sequence[GuestRecord]:
        """All records."""
        return tuple(self._records().values())

    async def put(self, record: GuestRecord) -> None:
        """Keep a record in place of the guest's last one.

        Fails with ``HypervisorFault`` if it cannot be written.
        """
        path = self._path(record.spec.uuid)
        data = msgspec.json.encode(record)
        self._records()[record.spec.uuid] = record
        try:
            await self._offload(lambda: _write(path, data))
        except OSError as error:
            raise HypervisorFault(
                f"the record of guest {record.spec.name} cannot be written: {error}",
                instance=record.spec.name,
            ) from error

    async def remove(self, uuid: str) -> None:
        """Drop a guest's record, if there is one."""
        path = self._path(uuid)
        self._records().pop(uuid, None)
        try:
            await self._offload(lambda: path.unlink(missing_ok=True))
        except OSError as error:
            raise HypervisorFault(
                f"the record of guest {uuid} cannot be removed: {error}"
            ) from error

    def _path(self, uuid: str) -> Path:
        return self._directory / f"{uuid}.json"

    def _records(self) -> dict[str, GuestRecord]:
        if self._loaded is None:
            self._loaded = {}
            for path in sorted(self._directory.glob("*.json")):
                record = self._read(path)
                if record is not None and record.spec.hypervisor == self._hypervisor:
                    self._loaded[record.spec.uuid] = record
        return self._loaded

    def _read(self, path: Path) -> GuestRecord | None:
        try:
            record = msgspec.json.decode(path.read_bytes(), type=GuestRecord)
        except (OSError, msgspec.MsgspecError) as error:
            self._log.error(
                "guest record {path} cannot be read: {reason}", path=path, reason=error
            )
            return None
        return record if is_uuid(path.stem) and record.spec.uuid == path.stem else None


def _write(path: Path, data: bytes) -> None:
    """Replace a file's contents, wholly or not at all, also if the host dies."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    draft.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
