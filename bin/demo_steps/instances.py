"""The demo's instances, what is shown of them, and how all is taken down."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path

from cluster import STOP_SECONDS, DemoCluster
from commands import PROGRAMS, command, table, together
from processes import at_once, end, guest_pids, until
from screen import DemoFailed, counted, detail, say, shown_on_failure

INSTANCES = {"web1.demo": "rack1", "db1.demo": "rack1"}
GUEST_STOP_SECONDS = 20
CONSOLE = ("gnt-instance", "console", "--log", "-n", "10", "web1.demo")
HEARTBEATS = 2
BEAT_SECONDS = 60.0


def add_command(name: str, group: str, hypervisor: str) -> list[str]:
    """The command that makes an instance."""
    words = ["gnt-instance", "add", "-t", "file", "--disk", "0:size=128M"]
    words += ["-B", "memory=128M,vcpus=1", "-g", group, "--net", "0:mode=user"]
    return [*words, "-o", "tiny" if hypervisor == "kvm" else "noop", name]


def run_instances(demo: DemoCluster, hypervisor: str) -> None:
    """Create what is missing and start what does not run."""
    rows = table(demo.root, "instance", "name", "status")
    status = {str(name): state for name, state in rows}
    wanted = {*INSTANCES, *demo.choices.get("running").split()}
    new = {
        name: add_command(name, group, hypervisor)
        for name, group in INSTANCES.items()
        if name not in status
    }
    down = {
        name: ["gnt-instance", "start", name]
        for name in sorted(wanted & set(status))
        if status[name] != "running"
    }
    if new:
        say(f"creating {' and '.join(new)}")
    if down:
        say(f"starting {' and '.join(down)}")
    with shown_on_failure(*demo.logs):
        together(demo.root, {**new, **down})
    demo.choices.put(running="")


def show(demo: DemoCluster, hypervisor: str) -> None:
    """Tables, a guest's console, and what to try."""
    printed: dict[str, str] = {}

    def run(*words: str) -> None:
        printed[" ".join(words)] = command(demo.root, *words)

    if hypervisor == "kvm":
        wait_for_heartbeats(demo, CONSOLE[-1])
    lists = [(f"gnt-{kind}", "list") for kind in ("node", "group", "instance", "job")]
    shown = [*lists, CONSOLE] if hypervisor == "kvm" else lists
    at_once(*(partial(run, *words) for words in shown))
    say("the cluster is up:")
    for line in map(" ".join, shown):
        print(f"\n$ {line}\n{plain(printed[line])}")
    path = f"{shlex.quote(str(PROGRAMS))}:$PATH"
    console = "  gnt-instance console web1.demo            (Ctrl-] leaves it)\n"
    script = Path(__file__).resolve().parents[1] / "demo"
    print(
        f"\nTry next, in this shell:\n"
        f"  export GANETIX_ROOT={shlex.quote(str(demo.root))} PATH={path}\n"
        "  gnt-cluster verify --all-groups\n"
        f"{console if hypervisor == 'kvm' else ''}"
        "  gnt-instance stop web1.demo; gnt-instance list\n"
        "  gnt-instance start web1.demo\n"
        f"  {shlex.join(add_command('web2.demo', 'rack1', hypervisor))}\n"
        "  gnt-cluster capacity\n"
        "  gnt-job list; gnt-job info 1\n"
        f"All of it goes on running. {script} --stop ends it, --clean removes it.",
        flush=True,
    )


def wait_for_heartbeats(demo: DemoCluster, name: str) -> None:
    """Until a guest's heart is seen to beat; what its log has from before is past."""
    rows = table(demo.root, "instance", "name", "uuid")
    uuid = next(str(uuid) for found, uuid in rows if found == name)

    def beats() -> int:
        logs = demo.base.glob(f"n*/run/ganetix/guests/{uuid}/console.log")
        return sum(log.read_bytes().count(b"HB ") for log in logs)

    past = beats()
    say(f"waiting for the heart of {name} to beat")
    if not until(lambda: beats() >= past + HEARTBEATS, BEAT_SECONDS):
        detail(f"it has not for {BEAT_SECONDS:g} s")


def plain(text: str) -> str:
    """Text without control sequences, some of which the terminal would answer."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n\x20-\x7e]", "", text).strip("\n")


def take_down(demo: DemoCluster) -> None:
    """End guests in good order if the master can, then the daemons, then the rest."""
    if demo.master.pids():
        stop_instances(demo)
    pids = [pid for daemon in demo.daemons for pid in daemon.pids()]
    if pids:
        say(f"stopping {counted(len(pids), 'daemon')}")
        if late := end(pids, STOP_SECONDS):
            detail(f"{len(late)} did not end in {STOP_SECONDS:g} s and were killed")
    for daemon in demo.daemons:
        daemon.pid_file.unlink(missing_ok=True)
    guests = guest_pids(demo.base)
    if guests:
        say(f"ending {counted(len(guests), 'guest')} that ran on")
        end(guests, 5)
    say("nothing of the demo runs")


def stop_instances(demo: DemoCluster) -> None:
    """Stop what runs, and remember it for the next start."""
    try:
        rows = table(demo.root, "instance", "name", "status")
        running = [str(name) for name, status in rows if status == "running"]
        demo.choices.put(running=" ".join(running))
        if running:
            say(f"stopping {' and '.join(running)}")
            stop = ["gnt-instance", "stop", "--timeout", str(GUEST_STOP_SECONDS)]
            together(demo.root, {name: [*stop, name] for name in running})
    except DemoFailed as error:
        detail(f"the master cannot stop the guests in good order: {error}")
