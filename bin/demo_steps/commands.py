"""Running the checkout's commands for one root."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from functools import partial
from pathlib import Path

from processes import at_once
from screen import DemoFailed, detail

PROGRAMS = Path(__file__).resolve().parents[2] / ".venv/bin"
LIMIT_SECONDS = 300


def environment(root: Path) -> dict[str, str]:
    """The environment of a command for one root."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GANETIX_")}
    path = f"{PROGRAMS}:{kept.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    return {**kept, "PATH": path, "GANETIX_ROOT": str(root)}


def command(root: Path, *words: str | Path, stdin: str = "") -> str:
    """Run one of the checkout's commands; what it printed."""
    line = shlex.join(map(str, words))
    try:
        done = subprocess.run(
            [PROGRAMS / words[0], *words[1:]],
            env=environment(root),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DemoFailed(f"{line} hangs for {LIMIT_SECONDS} s") from None
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip()
        raise DemoFailed(f"{line}\nended with status {done.returncode}: {reason}")
    return done.stdout


def follow(root: Path, label: str, *words: str) -> str | None:
    """Run a command and pass its lines on as they come; None, or why it failed."""
    with subprocess.Popen(
        [PROGRAMS / words[0], *words[1:]],
        env=environment(root),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        last = ""
        for line in process.stdout or ():
            last = line.strip() or last
            detail(f"{label}: {line.rstrip()}")
    return None if process.returncode == 0 else last or "no reason given"


def together(root: Path, jobs: dict[str, list[str]]) -> None:
    """Run several commands at a time, by label; fails if one does."""

    def one(label: str, words: list[str]) -> None:
        if reason := follow(root, label, *words):
            raise DemoFailed(f"{shlex.join(words)}\nfailed: {reason}")

    at_once(*(partial(one, label, words) for label, words in jobs.items()))


def table(root: Path, kind: str, *fields: str) -> list[list[object]]:
    """Rows of one of the cluster's lists."""
    printed = command(root, f"gnt-{kind}", "list", "--json", "-o", ",".join(fields))
    rows = json.loads(printed)
    return [[row[field] for field in fields] for row in rows]
