"""The errors that every layer speaks, with one JSON shape for all wires.

``Refused``: the request cannot be honoured as asked. ``ClusterFault``: the world
failed. ``Bug``: an invariant of ours is broken; users see an id, the log the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

type_names: dict[str, type[GanetixError]] = {}


class WireError(msgspec.Struct, frozen=True, kw_only=True):
    """An error as it stands in AMP answers, RPC bodies and job records."""

    code: str
    message: str
    detail: dict[str, str] = {}


class GanetixError(Exception):
    """Base of all expected errors.

    :param message: one line for the user: names the object, the value, what is allowed
    :param detail: names of the objects concerned, by kind (``node``, ``instance`` …)
    """

    code: ClassVar[str] = "ERROR"

    def __init__(self, message: str, **detail: str) -> None:
        super().__init__(message)
        self.message = message
        self.detail: Mapping[str, str] = detail

    def __init_subclass__(cls) -> None:
        if "code" in cls.__dict__:
            type_names[cls.code] = cls

    def __str__(self) -> str:
        return self.message

    def to_wire(self) -> WireError:
        """This error as a value that any wire can carry."""
        return WireError(code=self.code, message=self.message, detail={**self.detail})

    @staticmethod
    def from_wire(wire: WireError) -> GanetixError:
        """The error a peer sent; an unknown code becomes a ``RemoteFailure``."""
        kind = type_names.get(wire.code, RemoteFailure)
        error = kind.__new__(kind)
        GanetixError.__init__(error, wire.message, **wire.detail)
        return error


class Refused(GanetixError):
    """The request cannot be honoured as asked; nothing was changed."""

    code = "REFUSED"


class BadParameter(Refused):
    """A value is of the wrong type, form or range."""

    code = "BAD_PARAMETER"


class NotFound(Refused):
    """No object of that name or UUID."""

    code = "NOT_FOUND"


class AlreadyExists(Refused):
    """The name is taken."""

    code = "ALREADY_EXISTS"


class WrongState(Refused):
    """The object is not in a state that permits this."""

    code = "WRONG_STATE"


class NoResources(Refused):
    """Not enough memory, disk or nodes."""

    code = "NO_RESOURCES"


class NotAllowed(Refused):
    """The caller has no right to do this."""

    code = "NOT_ALLOWED"


class Cancelled(Refused):
    """The work was cancelled at a safe point at the user's wish."""

    code = "CANCELLED"


class ClusterFault(GanetixError):
    """The world failed: a node, a command, a disk."""

    code = "CLUSTER_FAULT"


class NodeUnreachable(ClusterFault):
    """No connection to a node, or none in time."""

    code = "NODE_UNREACHABLE"


class NodeOffline(NodeUnreachable):
    """The node is marked offline: it was not asked."""

    code = "NODE_OFFLINE"


class AuthenticationFailed(ClusterFault):
    """A peer's certificate was refused, or it refused ours."""

    code = "AUTHENTICATION_FAILED"


class RemoteFailure(ClusterFault):
    """A peer answered with something that is not an answer."""

    code = "REMOTE_FAILURE"


class CommandFailed(ClusterFault):
    """An external command failed, ran too long or could not be started."""

    code = "COMMAND_FAILED"


class StorageFault(ClusterFault):
    """A disk could not be made, removed or examined."""

    code = "STORAGE_FAULT"


class HypervisorFault(ClusterFault):
    """The hypervisor failed or did not answer."""

    code = "HYPERVISOR_FAULT"


class LockTimeout(ClusterFault):
    """A lock was not granted in time."""

    code = "LOCK_TIMEOUT"


class LockDeleted(ClusterFault):
    """The lock's object vanished while waiting for it."""

    code = "LOCK_DELETED"


class StateFault(ClusterFault):
    """The state store cannot read or write."""

    code = "STATE_FAULT"


class StaleEpoch(ClusterFault):
    """The caller is no longer master: its epoch is over.

    ``detail`` has ``epoch``, ``master`` and ``since`` of whoever is obeyed.
    """

    code = "STALE_EPOCH"


class VersionMismatch(ClusterFault):
    """A peer speaks another version of the node RPC; nothing was done."""

    code = "VERSION_MISMATCH"


class ConfigConflict(ClusterFault):
    """An object changed since it was read; try again."""

    code = "CONFIG_CONFLICT"


class Unavailable(ClusterFault):
    """A daemon does not run, is starting or is stopping."""

    code = "UNAVAILABLE"


class Bug(GanetixError):
    """A broken invariant: logged with its traceback, shown as an id."""

    code = "BUG"


class LockOrderError(Bug):
    """A lock was asked for against the order of levels."""

    code = "LOCK_ORDER"
