"""A client of the master that is measured: one way of using it, figures as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from ganetix.api.client import ApiClient, connect
from ganetix.errors import Unavailable
from ganetix.jobs.model import Dependency
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import OpTestDelay
from ganetix.paths import Paths

BATCH = 100
CONNECT_LIMIT_SECONDS = 60.0
PLAIN = OpTestDelay(duration=0)
BRIEF = OpTestDelay(duration=1e-6)
RICH_LOG_LINES = 4
Figures = dict[str, float]


def request(
    kind: str, number: int = 0, after: int | None = None, priority: int = 0
) -> SubmitRequest:
    """A job of a kind, the ``number``-th of its batch.

    A plain one does nothing. A brief one lasts, if only a microsecond, so that it is
    recorded that it runs. A rich one locks six names of its own, the group and the
    node, and is done after another job.
    """
    if kind != "rich":
        op = {"plain": PLAIN, "brief": BRIEF}[kind]
        return SubmitRequest(ops=(op,), priority=priority)
    names = [f"i{number}-{n}.{os.getpid()}" for n in range(6)]
    op = OpTestDelay(
        duration=0,
        log_lines=RICH_LOG_LINES,
        locks={
            "instance": dict.fromkeys(names, "exclusive"),
            "group": {"default": "shared"},
            "node": {"node1": "shared"},
        },
    )
    depends = () if after is None else (Dependency(after),)
    return SubmitRequest(ops=(op,), priority=priority, depends=depends)


async def follow_all(client: ApiClient, job_ids: tuple[int, ...]) -> None:
    """Wait until all have ended."""
    await client.follow_many(job_ids, ends_only=True)


async def hello(client: ApiClient) -> Figures:
    """Nothing but to be answered."""
    return {}


async def batches(client: ApiClient, kind: str, jobs: str) -> Figures:
    """Submit in batches, and wait for each batch's end with the next on its way.

    Rich jobs depend on those of the batch before; in the first, on its first job.
    All clients begin together: each says that it is ready, and waits for a line.
    """
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    waiting: list[Deferred[None]] = []
    befores: Sequence[int | None] = (None, *(-n for n in range(1, BATCH)))
    for _batch in range(int(jobs) // BATCH):
        requests = [request(kind, n, before) for n, before in enumerate(befores)]
        befores = job_ids = await client.submit(requests)
        waiting.append(Deferred.fromCoroutine(follow_all(client, job_ids)))
        if len(waiting) >= 4:
            await waiting.pop(0)
    await gatherResults(waiting)
    return {"began": began, "ended": time.time()}


async def latency(client: ApiClient, rounds: str) -> Figures:
    """One job at a time, from its submission to its end as seen here."""
    times = []
    for _round in range(int(rounds)):
        began = time.perf_counter()
        await client.run([request("plain")], ends_only=True)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return {
        "latency_p50_ms": times[len(times) // 2],
        "latency_p99_ms": times[int(len(times) * 0.99)],
    }


async def urgent(client: ApiClient, crowd: str) -> Figures:
    """A high-priority job behind a crowd of queued ones."""
    slow = SubmitRequest(ops=(OpTestDelay(duration=0.05),))
    for _batch in range(int(crowd) // 1000):
        await client.submit([slow] * 1000)
    began = time.perf_counter()
    await client.run([request("plain", priority=-10)], ends_only=True)
    return {"urgent_ms": (time.perf_counter() - began) * 1000}


USES: dict[str, Callable[..., Coroutine[Any, Any, Figures]]] = {
    "hello": hello,
    "batches": batches,
    "latency": latency,
    "urgent": urgent,
}


async def main(reactor: Any, root: str, use: str, *argv: str) -> None:
    """Connect as soon as the master answers, measure, print."""
    end = time.time() + CONNECT_LIMIT_SECONDS
    while True:
        try:
            client = await connect(reactor, Paths(Path(root)).master_socket)
            break
        except Unavailable:
            if time.time() > end:
                raise
            await deferLater(reactor, 0.02)
    figures = await USES[use](client, *argv)
    client.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, *sys.argv[1:])))
