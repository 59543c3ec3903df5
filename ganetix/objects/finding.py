"""What ``gnt-cluster verify`` can find: one table of stable codes."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Literal

from ganetix.objects.base import Value

FindingLevel = Literal["error", "warning"]
FindingKind = Literal["cluster", "group", "node", "instance"]

FINDING_KINDS: tuple[FindingKind, ...] = ("cluster", "group", "node", "instance")
"""In the order in which reports show them."""

ERROR_CODES: dict[str, str] = {
    "ECLUSTERADDRESS": "secondary addresses are partly IPv4, partly IPv6",
    "ECLUSTERCA": "the CA of the cluster expires, or is being renewed",
    "ECLUSTERPARAMS": "parameters that objects inherit are not valid any more",
    "ECLUSTERPOOL": "there are fewer master candidates than there should be",
    "ECLUSTERREPLICA": "a master candidate does not hold the master's state",
    "ECLUSTERSTATE": "the state medium of the master cannot be written",
    "ECLUSTERUNFINISHED": "a creation, removal or move was cut short",
    "EGROUPCANDIDATES": "the group has fewer master candidates than it should have",
    "EGROUPEMPTY": "the default group has no nodes",
    "EGROUPPARAMS": "parameters of the group are not valid any more",
    "EINSTANCEDISABLED": "the instance's hypervisor or disk template is not enabled",
    "EINSTANCEDISKMISSING": "a disk of the instance is not on its node",
    "EINSTANCEDOWN": "the instance should run and does not",
    "EINSTANCENODE": "the instance is on a node that cannot or should not hold it",
    "EINSTANCEOS": "the instance's OS definition is not on its node",
    "EINSTANCEPARAMS": "parameters of the instance are not valid any more",
    "EINSTANCESPLIT": "the instance is on nodes of more than one group",
    "EINSTANCEUP": "the instance should not run and does",
    "EINSTANCEWRONGNODE": "the instance runs on a node that is not its own",
    "ENODEADDRESS": "an address of the node is on none of its interfaces",
    "ENODECERT": "the node's certificate is not the one on record, or expires",
    "ENODEDISK": "the node has little disk space left",
    "ENODEHOST": "the hypervisor or a storage does not work on the node",
    "ENODEMEMORY": "instances of the node may use more memory than it has for them",
    "ENODEN1": "if the node fails, others lack the memory for its instances",
    "ENODENAME": "the node's name resolves to an address that is not the node's",
    "ENODEORPHANDISK": "the node has a disk of no instance",
    "ENODEORPHANINSTANCE": "the node runs a guest that is no instance",
    "ENODEREACH": "an address of the node does not answer another node of its group",
    "ENODEROLE": "the node has a role that it cannot have",
    "ENODERPC": "the node does not answer",
    "ENODESECRET": "a secret file can be read by others, or is where it should not be",
    "ENODESSCONF": "the node's ssconf files are not the master's",
    "ENODETIME": "the node's clock is off the master's",
    "ENODEVERSION": "the node runs another version than the master",
}
"""All codes, and what each means."""


class Finding(Value, frozen=True, kw_only=True):
    """One thing that is not as it should be, with a code out of ``ERROR_CODES``."""

    level: FindingLevel = "error"
    code: str
    kind: FindingKind
    name: str
    message: str


def check_codes(field: str, codes: Collection[str]) -> None:
    """``ValueError`` for a code that there is not; it lists those like it."""
    for code in codes:
        if code in ERROR_CODES:
            continue
        close = difflib.get_close_matches(code.upper(), ERROR_CODES, 3, 0.5)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ValueError(f"{field}: there is no code {code!r}{hint}")
