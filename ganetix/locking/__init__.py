"""Priority locks on Deferreds: shared locks, sets of them, levels, their manager."""

from ganetix.locking.info import Holder, LockState, Waiter
from ganetix.locking.levels import LEVELS, Level, Mode
from ganetix.locking.lockset import LockSet, SetHold
from ganetix.locking.manager import LockManager
from ganetix.locking.request import ALL, Names
from ganetix.locking.shared import Hold, SharedLock

__all__ = [
    "ALL",
    "LEVELS",
    "Hold",
    "Holder",
    "Level",
    "LockManager",
    "LockSet",
    "LockState",
    "Mode",
    "Names",
    "SetHold",
    "SharedLock",
    "Waiter",
]
