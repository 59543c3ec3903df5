"""A client of the master that is measured: one way of using it, figures as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from ganetix.api.client import ApiClient, connect
from ganetix.errors import Unavailable
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import OpTestDelay
from ganetix.paths import Paths

BATCH = 100
CONNECT_LIMIT_SECONDS = 60.0
PLAIN = OpTestDelay(duration=0)
Figures = dict[str, float]


def request(kind: str, priority: int = 0) -> SubmitRequest:
    """A job of a kind."""
    op = PLAIN if kind == "plain" else OpTestDelay(duration=0)
    return SubmitRequest(ops=(op,), priority=priority)


async def follow_all(client: ApiClient, job_ids: tuple[int, ...]) -> None:
    """Wait until all have ended."""
    await client.follow_many(job_ids, ends_only=True)


async def hello(client: ApiClient) -> Figures:
    """Nothing but to be answered."""
    return {}


async def batches(client: ApiClient, kind: str, jobs: str) -> Figures:
    """Submit in batches, and wait for each batch's end with the next on its way."""
    began = time.time()
    waiting: list[Deferred[None]] = []
    for _batch in range(int(jobs) // BATCH):
        job_ids = await client.submit([request(kind)] * BATCH)
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
        (job_id,) = await client.submit([request("plain")])
        await client.follow(job_id, lambda _: None)
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
    (job_id,) = await client.submit([request("plain", priority=-10)])
    await client.follow(job_id, lambda _: None)
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
