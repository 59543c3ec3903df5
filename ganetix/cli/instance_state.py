"""``gnt-instance start``, ``stop``, ``reboot`` and ``remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.instance_jobs import (
    add_force,
    add_names,
    add_selection,
    add_stop_timeout,
    run_for_named,
    run_for_selected,
)
from ganetix.cli.options import add_job_options
from ganetix.cli.parser import Options, Program

if TYPE_CHECKING:
    from ganetix.cli.session import Session


def add_state_commands(made: Program) -> None:
    """Add ``start``, ``stop`` and ``reboot``."""
    start = made.command(
        "start",
        start_instances,
        "start instances",
        "Several are started in parallel, a job for each. One that runs is left alone.",
        examples=["start web1 web2", "start -g rack2", "start --all --submit"],
        aliases=["startup"],
    )
    add_selection(start)
    add_job_options(start)
    stop = made.command(
        "stop",
        stop_instances,
        "stop instances",
        "Presses the guest's power button. A guest that has not ended after the"
        " time-out is ended without being asked again; 0 does so at once.",
        examples=["stop web1", "stop --timeout 10s web1 web2", "stop -f --all"],
        aliases=["shutdown"],
    )
    add_selection(stop)
    add_stop_timeout(stop)
    add_force(stop, "do not ask before stopping all that -g or --all selects")
    add_job_options(stop)
    reboot = made.command(
        "reboot",
        reboot_instances,
        "reboot instances",
        "soft stops and starts the guest, hard presses its reset button.",
        examples=["reboot web1", "reboot -t hard web1"],
    )
    add_selection(reboot)
    reboot.add_argument(
        "-t",
        "--type",
        choices=("soft", "hard"),
        default="soft",
        help="how (default: %(default)s)",
    )
    add_stop_timeout(reboot)
    add_force(reboot, "do not ask before rebooting all that -g or --all selects")
    add_job_options(reboot)


def add_remove_command(made: Program) -> None:
    """Add ``remove``."""
    remove = made.command(
        "remove",
        remove_instances,
        "stop instances and remove them with their disks",
        "Asks first. Where nobody can answer, -f is needed.",
        examples=["remove web1", "remove -f --timeout 0 web1 web2"],
    )
    add_names(remove, "+", "what to remove")
    add_stop_timeout(remove)
    add_force(remove, "do not ask")
    remove.add_argument(
        "--ignore-failures",
        action="store_true",
        help="remove it from the configuration even if its node cannot clean up",
    )
    add_job_options(remove)


async def start_instances(session: Session, options: Options) -> None:
    """Start instances."""
    from ganetix.opcodes import OpInstanceStartup

    await run_for_selected(session, options, lambda name: OpInstanceStartup(name=name))


async def stop_instances(session: Session, options: Options) -> None:
    """Stop instances."""
    from ganetix.opcodes import OpInstanceShutdown

    await run_for_selected(
        session,
        options,
        lambda name: OpInstanceShutdown(name=name, timeout=options.timeout),
        ask="Stop",
    )


async def reboot_instances(session: Session, options: Options) -> None:
    """Reboot instances."""
    from ganetix.opcodes import OpInstanceReboot

    await run_for_selected(
        session,
        options,
        lambda name: OpInstanceReboot(
            name=name, mode=options.type, timeout=options.timeout
        ),
        ask="Reboot",
    )


async def remove_instances(session: Session, options: Options) -> None:
    """Remove instances."""
    from ganetix.opcodes import OpInstanceRemove

    await run_for_named(
        session,
        options,
        lambda name: OpInstanceRemove(
            name=name,
            timeout=options.timeout,
            ignore_failures=options.ignore_failures,
        ),
        ask="Remove {names} with all disks?",
    )
