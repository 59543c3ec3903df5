"""Replicas that nobody needs any more: they are removed where they are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ganetix.errors import GanetixError, StaleEpoch
from ganetix.flow.retry import backoff
from ganetix.objects.replica import Claim
from ganetix.state.replicate_follower import Awaited

ANSWER_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class RemovalLinks(Protocol):
    """Calls to nodes, by UUID; see ``ganetix.config.replicate``."""

    def is_member(self, uuid: str) -> bool:
        """Whether the node belongs to the cluster."""

    def name_of(self, uuid: str) -> str:
        """The node's name, for messages."""

    def forget(self, uuid: str, claim: Claim) -> Awaited:
        """Have the replica removed."""


class Removal:
    """Has nodes remove their replicas, and tries until they have.

    A node that has left the cluster is asked once: it removes all by itself.

    :param on_done: called when a node needs no more to be asked
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        links: RemovalLinks,
        claim: Callable[[], Claim],
        on_done: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._links = links
        self._claim = claim
        self._on_done = on_done
        self._asking: dict[str, Deferred[None]] = {}

    def only_from(self, uuids: Collection[str]) -> None:
        """These are to remove theirs, and no others."""
        for uuid in self._asking.keys() - uuids:
            self._asking.pop(uuid).cancel()
        for uuid in uuids - self._asking.keys():
            self._asking[uuid] = asking = Deferred.fromCoroutine(self._ask(uuid))
            _ = asking.addErrback(lambda failure: failure.trap(CancelledError))

    async def _ask(self, uuid: str) -> None:
        # Whoever asked for this may have more to do first.
        await deferLater(self._clock, 0)
        pauses = backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        told = ""
        while True:
            try:
                asked = self._links.forget(uuid, self._claim())
                await asked.addTimeout(ANSWER_SECONDS, self._clock)
                break
            except TimeoutError:
                why = f"no answer within {ANSWER_SECONDS:g} s"
            except StaleEpoch:
                # Whoever is master now sees to it.
                return
            except GanetixError as error:
                why = error.message
            if why != told:
                self._log.warn(
                    "node {node} may still have its replica: {why}",
                    node=self._links.name_of(uuid),
                    why=why,
                )
                told = why
            if not self._links.is_member(uuid):
                break
            await deferLater(self._clock, next(pauses))
        del self._asking[uuid]
        self._on_done(uuid)
