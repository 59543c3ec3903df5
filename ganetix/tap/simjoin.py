"""Many simulated nodes join a cluster whose master is on this host."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred

from ganetix.api.client import ApiClient, connect
from ganetix.api.types import QueryRequest
from ganetix.bootstrap.join import join
from ganetix.errors import NodeUnreachable, StateFault
from ganetix.flow.retry import retry
from ganetix.flow.settle import settle
from ganetix.interfaces import Offload
from ganetix.jobs.values import SubmitRequest
from ganetix.objects.base import Value
from ganetix.objects.node import DEFAULT_PORT
from ganetix.opcodes import AnyOpcode, OpGroupAdd, OpNodeAdd
from ganetix.paths import Paths

AT_ONCE = 16
BATCH = 100
TOKEN_SECONDS = 3600.0
RETRY_SECONDS = (1.0, 2.0, 4.0)
PLACE_FILE = "sim.json"

T = TypeVar("T")


class SimPlace(Value, frozen=True, kw_only=True):
    """Where one simulated node is: below the common root it has one of its name.

    ``group`` is that in which it is to be; None for the default group.
    """

    name: str
    address: str
    port: int = DEFAULT_PORT
    group: str | None = None

    def paths(self, root: Path) -> Paths:
        """The node's files below the common root."""
        return Paths(root / self.name)


def joined_below(root: Path) -> tuple[SimPlace, ...]:
    """The nodes that have joined before. Blocking."""
    found = []
    for file in sorted(root.glob(f"*/{PLACE_FILE}")):
        try:
            place = msgspec.json.decode(file.read_bytes(), type=SimPlace)
        except (OSError, msgspec.MsgspecError) as error:
            raise StateFault(f"{file} cannot be read: {error}") from None
        if place.paths(root).node_certificate.exists():
            found.append(place)
    return tuple(found)


async def join_with(
    reactor: Any, root: Path, place: SimPlace, token: str, offload: Offload
) -> int:
    """Let a node join with its token; the job that admits it."""
    paths = place.paths(root)
    try:
        paths.root.mkdir(exist_ok=True)
        (paths.root / PLACE_FILE).write_bytes(msgspec.json.encode(place))
    except OSError as error:
        raise StateFault(f"{error.filename}: {error.strerror}") from None
    enrolment = await join(reactor, paths, token, time.time(), offload=offload)
    return enrolment.job_id


async def join_all(
    reactor: Any,
    root: Path,
    master: Paths,
    places: Sequence[SimPlace],
    serve: Callable[[SimPlace], Awaitable[None]],
    offload: Offload,
) -> None:
    """Make them all members; groups that are missing are made first.

    Names and addresses are reserved by jobs, each node joins with a token of its own
    and is served from then on, and the jobs that admit them are waited for.
    """
    client = await connect(reactor, master.master_socket)
    admissions: list[int] = []

    async def ask(place: SimPlace) -> int:
        issued = await client.issue_token(place.name, TOKEN_SECONDS)
        return await join_with(reactor, root, place, issued.token, offload)

    async def enter(place: SimPlace) -> None:
        # So many at once may be too much for the master's node for a moment.
        job_id = await retry(
            reactor, lambda: ask(place), NodeUnreachable, RETRY_SECONDS
        )
        admissions.append(job_id)
        await serve(place)

    try:
        await _make_groups(client, places)
        await _run(client, [_reservation(place) for place in places])
        await bounded(AT_ONCE, enter, places)
        await _ended(client, admissions)
    finally:
        client.close()


async def bounded(
    at_once: int, work: Callable[[T], Awaitable[None]], subjects: Sequence[T]
) -> None:
    """Do the work for each, so many at a time; raises the first error at the end."""
    rest = iter(subjects)

    async def line() -> None:
        for subject in rest:
            await work(subject)

    await settle([Deferred.fromCoroutine(line()) for _ in range(at_once)])


def _reservation(place: SimPlace) -> OpNodeAdd:
    return OpNodeAdd(
        name=place.name,
        primary_ip=place.address,
        port=place.port,
        group=place.group,
        replace=True,
    )


async def _make_groups(client: ApiClient, places: Sequence[SimPlace]) -> None:
    listed = await client.query(QueryRequest(kind="group", fields=("name",)))
    known = {row.cells[0] for row in listed.rows}
    wanted = dict.fromkeys(place.group for place in places if place.group)
    await _run(client, [OpGroupAdd(name=name) for name in wanted if name not in known])


async def _run(client: ApiClient, ops: Sequence[AnyOpcode]) -> None:
    for start in range(0, len(ops), BATCH):
        requests = [SubmitRequest(ops=(op,)) for op in ops[start : start + BATCH]]
        await _ended(client, await client.submit(requests))


async def _ended(client: ApiClient, job_ids: Sequence[int]) -> None:
    """Wait for jobs, all of which must succeed."""
    for start in range(0, len(job_ids), BATCH):
        some = job_ids[start : start + BATCH]
        for job in await client.follow_many(some, ends_only=True):
            if job.status != "success":
                error = job.error.message if job.error else job.status
                raise StateFault(f"job {job.id} ({job.summary}) has failed: {error}")
