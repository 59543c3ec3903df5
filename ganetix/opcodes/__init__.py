"""Requests as values: one frozen struct per kind of work, tagged by ``OP_ID``."""

from ganetix.opcodes.base import (
    PRIORITY_HIGH,
    PRIORITY_LOW,
    PRIORITY_NORMAL,
    SUBMIT_PRIORITIES,
    Opcode,
    opcode_id,
    summary,
)
from ganetix.opcodes.cluster import OpClusterDestroy, OpClusterVerify
from ganetix.opcodes.group import OpGroupAdd
from ganetix.opcodes.instance import (
    DiskRequest,
    NicRequest,
    OpInstanceCleanup,
    OpInstanceCreate,
    OpInstanceReboot,
    OpInstanceRemove,
    OpInstanceShutdown,
    OpInstanceStartup,
)
from ganetix.opcodes.node import (
    OpNodeAdd,
    OpNodeEnrol,
    OpNodeModify,
    OpNodePowercycle,
    OpNodeRemove,
)
from ganetix.opcodes.test import OpTestDelay

AnyOpcode = (
    OpClusterDestroy
    | OpClusterVerify
    | OpGroupAdd
    | OpInstanceCleanup
    | OpInstanceCreate
    | OpInstanceReboot
    | OpInstanceRemove
    | OpInstanceShutdown
    | OpInstanceStartup
    | OpNodeAdd
    | OpNodeEnrol
    | OpNodeModify
    | OpNodePowercycle
    | OpNodeRemove
    | OpTestDelay
)

__all__ = [
    "PRIORITY_HIGH",
    "PRIORITY_LOW",
    "PRIORITY_NORMAL",
    "SUBMIT_PRIORITIES",
    "AnyOpcode",
    "DiskRequest",
    "NicRequest",
    "OpClusterDestroy",
    "OpClusterVerify",
    "OpGroupAdd",
    "OpInstanceCleanup",
    "OpInstanceCreate",
    "OpInstanceReboot",
    "OpInstanceRemove",
    "OpInstanceShutdown",
    "OpInstanceStartup",
    "OpNodeAdd",
    "OpNodeEnrol",
    "OpNodeModify",
    "OpNodePowercycle",
    "OpNodeRemove",
    "OpTestDelay",
    "Opcode",
    "opcode_id",
    "summary",
]
