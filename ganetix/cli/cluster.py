"""``gnt-cluster``: the cluster as a whole. Each command is in a module of its own."""

from __future__ import annotations

from ganetix.cli.cluster_balance import add_balance
from ganetix.cli.cluster_capacity import add_capacity
from ganetix.cli.cluster_crypto import add_renew_crypto
from ganetix.cli.cluster_destroy import add_destroy
from ganetix.cli.cluster_export import add_export
from ganetix.cli.cluster_info import add_getmaster, add_info
from ganetix.cli.cluster_init import add_init
from ganetix.cli.cluster_modify import (
    add_modify,
    add_redist_conf,
    add_rename,
    add_version,
)
from ganetix.cli.cluster_queue import add_queue
from ganetix.cli.cluster_remote import add_command, add_copyfile
from ganetix.cli.cluster_verify import add_verify
from ganetix.cli.failover import add_master_failover, add_master_ping
from ganetix.cli.parser import Program
from ganetix.cli.tags import add_cluster_tags

COMMANDS = (
    add_init,
    add_info,
    add_getmaster,
    add_version,
    add_modify,
    add_rename,
    add_redist_conf,
    add_cluster_tags,
    add_queue,
    add_verify,
    add_renew_crypto,
    add_capacity,
    add_export,
    add_balance,
    add_command,
    add_copyfile,
    add_master_failover,
    add_master_ping,
    add_destroy,
)


def program() -> Program:
    """The parser of ``gnt-cluster``."""
    made = Program("gnt-cluster", "Makes, shows, checks and ends a cluster.", "")
    for add in COMMANDS:
        add(made)
    return made
