"""An instance that is made and moved."""

from __future__ import annotations

from ganetix.opcodes import OpInstanceCreate, OpInstanceFailover, OpInstanceMigrate

MIGRATE = OpInstanceMigrate(name="web1")
FAILOVER = OpInstanceFailover(name="web1", timeout=1)
CREATE = OpInstanceCreate(
    name="web1", os="noop", disk_template="diskless", node="node2", memory_mib=64
)
