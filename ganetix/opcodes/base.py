"""The base of opcodes."""

from __future__ import annotations

import re
from functools import cache
from typing import ClassVar

import msgspec

PRIORITY_HIGH = -10
PRIORITY_NORMAL = 0
PRIORITY_LOW = 10
SUBMIT_PRIORITIES = (PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW)


@cache
def _op_id(class_name: str) -> str:
    """``OpInstanceCreate`` → ``OP_INSTANCE_CREATE``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", class_name).upper()


class Opcode(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="OP_ID",
    tag=_op_id,
    gc=False,
):
    """A request; ``SUBJECT`` names the field that a one-line summary shows."""

    SUBJECT: ClassVar[str] = ""


def opcode_id(op: Opcode) -> str:
    """The OP_ID of an opcode."""
    return str(op.__struct_config__.tag)


def summary(op: Opcode) -> str:
    """One line for lists: ``INSTANCE_CREATE(web1)``."""
    name = opcode_id(op).removeprefix("OP_")
    return f"{name}({getattr(op, op.SUBJECT)})" if op.SUBJECT else name
