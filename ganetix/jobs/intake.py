"""What is asked of the queue: whether it may be, and the job it becomes. Pure."""

from __future__ import annotations

from ganetix.errors import BadParameter
from ganetix.jobs.depend import resolved
from ganetix.jobs.model import PRIORITY_BEST, PRIORITY_WORST, Job, OpRun
from ganetix.jobs.values import SubmitRequest
from ganetix.opcodes import SUBMIT_PRIORITIES


def check_request(request: SubmitRequest, internal: bool) -> None:
    """Raise ``BadParameter`` for a job without opcodes or of a priority not allowed."""
    if not request.ops:
        raise BadParameter("ops: a job needs at least one opcode")
    allowed = (
        range(PRIORITY_BEST, PRIORITY_WORST + 1) if internal else SUBMIT_PRIORITIES
    )
    if request.priority not in allowed:
        raise bad_priority(request.priority)


def bad_priority(priority: int) -> BadParameter:
    """The refusal of a priority that is not one for users."""
    allowed = ", ".join(str(p) for p in SUBMIT_PRIORITIES)
    return BadParameter(f"priority: {priority} is not one of {allowed}")


def new_job(number: int, request: SubmitRequest, now: float) -> Job:
    """The queued job of that number."""
    return Job(
        depends=resolved(request, number) if request.depends else (),
        id=number,
        ops=tuple(OpRun(op=op, priority=request.priority) for op in request.ops),
        received=now,
        reason=request.reason,
    )
