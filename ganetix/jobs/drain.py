"""Whether the job queue takes new jobs: a switch that outlives the master."""

from __future__ import annotations

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ganetix.errors import BadParameter, WrongState
from ganetix.jobs.ports import Rows
from ganetix.jobs.values import Drain
from ganetix.state.rows import Row, RowKey

DRAIN = RowKey("meta", "job-drain")
LONGEST_REASON = 1000

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Drain)


class DrainSwitch:
    """Off unless somebody switched it on; what is durable is what counts."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: Rows) -> None:
        self._clock = clock
        self._store = store
        self.drain: Drain | None = None

    async def load(self) -> None:
        """Find the switch as it was left. Of a damaged record only that it is there."""
        for row in await self._store.get([DRAIN]):
            try:
                self.drain = _decoder.decode(row.data or b"")
            except msgspec.DecodeError as error:
                self._log.error("the record of the drain: {error}", error=error)
                self.drain = Drain(since=self._clock.seconds())

    async def on(self, reason: str) -> Drain:
        """Take no more jobs; one who asks again may give another reason.

        An earlier reason stays if there is no new one. One that is too long is refused:
        everybody hears it whose job is.
        """
        if len(reason) > LONGEST_REASON:
            raise BadParameter(
                f"reason: {len(reason)} characters are too long; at most"
                f" {LONGEST_REASON} are allowed"
            )
        before = self.drain or Drain(since=self._clock.seconds())
        drain = Drain(since=before.since, reason=reason or before.reason)
        await self._store.write([Row(*DRAIN, _encoder.encode(drain))])
        self.drain = drain
        return drain

    async def off(self) -> None:
        """Take jobs again."""
        await self._store.write([Row(*DRAIN, None)])
        self.drain = None

    def check(self) -> None:
        """Raise ``WrongState`` while no jobs are taken."""
        if self.drain is not None:
            why = self.drain.reason or "no new jobs are taken"
            raise WrongState(
                f"the queue is drained: {why}; 'gnt-cluster queue undrain' ends that"
            )
