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
from ganetix.opcodes.capacity import (
    OpClusterBalance,
    OpClusterExport,
    OpComputeCapacity,
    OpEvacuationPlan,
)
from ganetix.opcodes.cluster import (
    OpClusterDestroy,
    OpClusterModify,
    OpClusterRedistribute,
    OpClusterRename,
    OpClusterVerify,
)
from ganetix.opcodes.crypto import OpClusterRenewCrypto
from ganetix.opcodes.group import (
    OpGroupAdd,
    OpGroupAssignNodes,
    OpGroupModify,
    OpGroupRemove,
    OpGroupRename,
)
from ganetix.opcodes.instance import (
    DiskRequest,
    NicRequest,
    OpInstanceCleanup,
    OpInstanceCreate,
    OpInstanceFailover,
    OpInstanceMigrate,
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
from ganetix.opcodes.remote import OpNodesCommand, OpNodesCopyFile
from ganetix.opcodes.tags import OpTagsAdd, OpTagsRemove
from ganetix.opcodes.test import OpTestDelay

AnyOpcode = (
    OpClusterDestroy
    | OpClusterModify
    | OpClusterRedistribute
    | OpClusterRename
    | OpClusterRenewCrypto
    | OpClusterVerify
    | OpClusterBalance
    | OpClusterExport
    | OpComputeCapacity
    | OpEvacuationPlan
    | OpGroupAdd
    | OpGroupAssignNodes
    | OpGroupModify
    | OpGroupRemove
    | OpGroupRename
    | OpInstanceCleanup
    | OpInstanceCreate
    | OpInstanceFailover
    | OpInstanceMigrate
    | OpInstanceReboot
    | OpInstanceRemove
    | OpInstanceShutdown
    | OpInstanceStartup
    | OpNodeAdd
    | OpNodeEnrol
    | OpNodeModify
    | OpNodePowercycle
    | OpNodeRemove
    | OpNodesCommand
    | OpNodesCopyFile
    | OpTagsAdd
    | OpTagsRemove
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
    "OpClusterBalance",
    "OpClusterDestroy",
    "OpClusterExport",
    "OpClusterModify",
    "OpClusterRedistribute",
    "OpClusterRename",
    "OpClusterRenewCrypto",
    "OpClusterVerify",
    "OpComputeCapacity",
    "OpEvacuationPlan",
    "OpGroupAdd",
    "OpGroupAssignNodes",
    "OpGroupModify",
    "OpGroupRemove",
    "OpGroupRename",
    "OpInstanceCleanup",
    "OpInstanceCreate",
    "OpInstanceFailover",
    "OpInstanceMigrate",
    "OpInstanceReboot",
    "OpInstanceRemove",
    "OpInstanceShutdown",
    "OpInstanceStartup",
    "OpNodeAdd",
    "OpNodeEnrol",
    "OpNodeModify",
    "OpNodePowercycle",
    "OpNodeRemove",
    "OpNodesCommand",
    "OpNodesCopyFile",
    "OpTagsAdd",
    "OpTagsRemove",
    "OpTestDelay",
    "Opcode",
    "opcode_id",
    "summary",
]
