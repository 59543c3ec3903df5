"""Jobs and their logs as rows of the state store."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ganetix.errors import StateFault
from ganetix.jobs.model import Job, LogLine
from ganetix.state.rows import Row, RowKey

UNFINISHED = "job"
FINISHED = "job.done"
ARCHIVED = "job.archive"
LOG = "job.log"
COUNTER = RowKey("meta", "job-serial")
"""The highest job number ever given."""

MAX_LOG_SERIAL = 999_999
"""More lines than fit the keys of log rows are not recorded."""

_encoder = msgspec.json.Encoder()
_job_decoder = msgspec.json.Decoder(Job)
_line_decoder = msgspec.json.Decoder(LogLine)


def job_key(job_id: int) -> str:
    """Keys sort as numbers do."""
    return f"{job_id:012d}"


def log_key(job_id: int, serial: int) -> str:
    """The key of a log line; those of one job are next to each other, in order."""
    return f"{job_id:012d}/{serial:06d}"


def job_rows(job: Job) -> tuple[Row, ...]:
    """The job's record; an ended one leaves the unfinished ones."""
    key, data = job_key(job.id), _encoder.encode(job)
    if job.is_final:
        return (Row(UNFINISHED, key, None), Row(FINISHED, key, data))
    return (Row(UNFINISHED, key, data),)


def counter_row(job_id: int) -> Row:
    """The record of the highest number given."""
    return Row(*COUNTER, b"%d" % job_id)


def log_rows(job_id: int, lines: Iterable[LogLine]) -> tuple[Row, ...]:
    """The records of log lines."""
    return tuple(
        Row(LOG, log_key(job_id, line.serial), _encoder.encode(line)) for line in lines
    )


def job_of(row: Row) -> Job:
    """The job in a row; ``StateFault`` if it is none."""
    try:
        return _job_decoder.decode(row.data or b"")
    except msgspec.DecodeError as error:
        raise StateFault(f"the record of job {row.key} is damaged: {error}") from error


def line_of(row: Row) -> LogLine:
    """The log line in a row; ``StateFault`` if it is none."""
    try:
        return _line_decoder.decode(row.data or b"")
    except msgspec.DecodeError as error:
        raise StateFault(f"log line {row.key} is damaged: {error}") from error
