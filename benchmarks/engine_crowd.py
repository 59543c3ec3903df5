"""Client processes of a master that is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parent / "engine_client.py"


def begin_client(root: Path, *argv: object) -> subprocess.Popen[bytes]:
    """Start a client process of the master in this root."""
    words = [str(word) for word in argv]
    return subprocess.Popen(
        [sys.executable, CLIENT, root, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def jobs_a_second(root: Path, kind: str, jobs: int, clients: int) -> float:
    """How fast some clients get so many jobs done, all beginning at the same time."""
    crowd = [
        begin_client(root, "batches", kind, jobs // clients) for _ in range(clients)
    ]
    for client in crowd:
        assert client.stdout is not None
        client.stdout.readline()
    for client in crowd:
        assert client.stdin is not None
        client.stdin.write(b"go\n")
        client.stdin.flush()
    ends = [finish(client) for client in crowd]
    first = min(end["began"] for end in ends)
    return jobs / (max(end["ended"] for end in ends) - first)


def finish(client: subprocess.Popen[bytes]) -> dict[str, float]:
    """What a client process measured, when it has ended."""
    out, _ = client.communicate(timeout=100)
    if client.returncode:
        raise SystemExit(f"a client failed with status {client.returncode}")
    figures: dict[str, float] = json.loads(out)
    return figures
