"""``gnt-instance``: its commands, and those that only look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError
from ganetix.cli.instance_add import add_creation
from ganetix.cli.instance_jobs import add_names
from ganetix.cli.instance_move import add_move_commands
from ganetix.cli.instance_state import add_remove_command, add_state_commands
from ganetix.cli.listing import print_info, print_list
from ganetix.cli.options import add_group_option, add_json_option, add_list_options
from ganetix.cli.parser import Options, Program, completes
from ganetix.cli.tags import add_tag_commands

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session


def program() -> Program:
    """The parser of ``gnt-instance``."""
    made = Program(
        "gnt-instance",
        "Manages instances.",
        "An instance is a virtual machine. Its disks and its guest live on its primary"
        " node.",
    )
    add_creation(made)
    _add_listings(made)
    add_state_commands(made)
    add_move_commands(made)
    add_remove_command(made)
    _add_console(made)
    add_tag_commands(made, "instance")
    return made


def _add_listings(made: Program) -> None:
    listing = made.look(
        "list",
        list_instances,
        "list instances",
        "States: running, ADMIN_down, USER_down (shut down from inside), ERROR_down"
        " (should run), ERROR_up (should not), ERROR_nodedown, ERROR_nodeoffline.",
        examples=[
            "list",
            "list -g rack2 -o +be/vcpus,disk.sizes",
            "list --json -o name,status",
        ],
    )
    add_names(listing, "*", "default: all")
    add_group_option(listing, "only instances of this group")
    add_list_options(listing, "instance")
    info = made.look(
        "info", info_instances, "show instances in full", examples=["info web1"]
    )
    add_names(info, "*", "default: all")
    add_group_option(info, "only instances of this group")
    add_json_option(info)


def _add_console(made: Program) -> None:
    console = made.command(
        "console",
        open_console,
        "use an instance's serial console",
        "Ctrl-] leaves it. --log shows what the guest has written so far.",
        examples=["console web1", "console --log -n 20 web1", "console --log -F web1"],
    )
    completes(
        console.add_argument("name", metavar="INSTANCE", help="which one"), "instance"
    )
    console.add_argument(
        "--log", action="store_true", help="print the end of its log and return"
    )
    console.add_argument(
        "-n", "--lines", type=int, default=50, help="how many lines (default: 50)"
    )
    console.add_argument(
        "-F", "--follow", action="store_true", help="with --log: go on until Ctrl-C"
    )


async def list_instances(session: Asking, options: Options) -> None:
    """List instances."""
    await print_list(session, options, "instance", options.names, options.node_group)


async def info_instances(session: Asking, options: Options) -> None:
    """Show instances."""
    await print_info(session, options, "instance", options.names, options.node_group)


async def open_console(session: Session, options: Options) -> None:
    """Use or show a console."""
    from ganetix.cli.console import follow_log, print_log, use_console

    if options.follow and not options.log:
        raise UsageError("--follow goes with --log")
    if not options.log:
        await use_console(session, options.name)
        return
    await print_log(session, options.name, options.lines)
    if options.follow:
        await follow_log(session, options.name)
