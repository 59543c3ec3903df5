"""Carries ssconf to all nodes, after the fact: commits never wait for a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ganetix.config.edition import Edition
from ganetix.config.snapshot import Snapshot
from ganetix.config.ssconf import is_same_ssconf, ssconf_files, ssconf_serial
from ganetix.config.store import ConfigStore
from ganetix.errors import GanetixError
from ganetix.flow.gate import Gate
from ganetix.interfaces import INodeRpc
from ganetix.objects import Node
from ganetix.rpc.methods import SSCONF_WRITE

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
AT_ONCE = 24
SLOW_SECONDS = 0.5
"""A node that takes longer than this no longer counts as one of those ``AT_ONCE``."""

FREE_NODES = 20
PACE_SECONDS = 0.001
MOST_PACE_SECONDS = 3.0
"""In a burst the nodes are told again after so long for each but a few of them, then
after twice as long, and so on up to the most."""


class _Target:
    """One node: which edition it acknowledged, and what is being done about it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.known: Edition | None = None
        self.failures = 0
        self.retry: IDelayedCall | None = None
        self.push: Deferred[None] | None = None

    def lacks(self, edition: Edition) -> bool:
        """Whether it is not known to have this edition or a later one."""
        return self.known is None or self.known.number < edition.number

    def forget_retry(self) -> bool:
        """Take back the retry that was planned; whether there was one."""
        if self.retry is None:
            return False
        self.retry.cancel()
        self.retry = None
        return True


class _Wait:
    """Somebody waits until nodes have an edition or have failed to take it.

    Which edition and nodes is open until the configuration was looked at.
    """

    def __init__(self, group: str | None) -> None:
        self.group = group
        self.number = 0
        self.nodes: dict[str, str] = {}
        self.behind: list[str] = []
        self.told: Deferred[tuple[str, ...]] = Deferred()


class SsconfDistributor:
    """Pushes the files to each node that is not offline, when they are not what it has.

    Only files that changed travel, unless a node turns out to have others than were
    thought. Changes that come while a node is being told are told it together, and so
    are those of a burst: the more nodes there are, the more seldom they are told. A
    node that does not answer is tried again after 1 s, 2 s, … 60 s, and at once if its
    address or certificate changes or somebody waits by ``settled``; it does not delay
    the others.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, config: ConfigStore, rpc: INodeRpc, clock: IReactorTime) -> None:
        self._config = config
        self._rpc = rpc
        self._clock = clock
        self._edition = Edition(0, {}, 0)
        self._seen: Snapshot | None = None
        self._look: IDelayedCall | None = None
        self._next_look = 0.0
        self._pause = 0.0
        self._targets: dict[str, _Target] = {}
        self._due: dict[str, None] = {}
        self._gate = Gate(clock, AT_ONCE, SLOW_SECONDS)
        self._waits: list[_Wait] = []
        self._new_waits: list[_Wait] = []
        self._is_pumping = False
        self._is_stopped = False
        config.on_change(self._on_change)

    def start(self) -> None:
        """Tell all nodes the loaded configuration; what they have is not known."""
        self._refresh()

    def settled(self, group: str | None = None) -> Deferred[tuple[str, ...]]:
        """Wait until the current files are on all nodes that answer.

        Each node that lacks them is tried at least once. Fires with the names of those
        that were tried in vain, sorted.

        :param group: wait for the nodes of this group (UUID) only
        """
        if self._is_stopped:
            return succeed(())
        wait = _Wait(group)
        self._new_waits.append(wait)
        self._look_soon()
        return wait.told

    def repeat(self) -> Deferred[tuple[str, ...]]:
        """Write all files on all nodes again, whatever these are thought to have.

        Fires as ``settled`` does.
        """
        for uuid, old in list(self._targets.items()):
            self._targets[uuid] = _Target(old.node)
            self._due[uuid] = None
            old.forget_retry()
            if old.push is not None:
                old.push.cancel()
        return self.settled()

    def hasten(self, node: Node) -> None:
        """A node answers again: if it was told in vain, do not wait any longer."""
        target = self._targets.get(node.uuid)
        if target is not None and target.forget_retry():
            self._due[node.uuid] = None
            self._pump()

    def stop(self) -> None:
        """Give up what is under way, and push no more."""
        self._is_stopped = True
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._due.clear()
        for uuid in list(self._targets):
            self._drop(uuid)
        waits, self._new_waits = self._new_waits, []
        for wait in waits:
            wait.told.callback(())

    def _on_change(self, old: Snapshot, new: Snapshot) -> None:
        if self._is_stopped or is_same_ssconf(old, new) or self._look is not None:
            return
        # Not at once: commits of one group, and the callers' own work, come first.
        pause = max(0.0, self._next_look - self._clock.seconds())
        self._look = self._clock.callLater(pause, self._refresh)

    def _look_soon(self) -> None:
        """As soon as it is time to tell nodes again; that may be now."""
        if self._look is None or self._clock.seconds() >= self._next_look:
            self._refresh()

    def _refresh(self) -> None:
        if self._look is not None and self._look.active():
            self._look.cancel()
        self._look = None
        snapshot = self._config.snapshot()
        if self._seen is None or not is_same_ssconf(self._seen, snapshot):
            self._seen = snapshot
            self._take(snapshot)
        waits, self._new_waits = self._new_waits, []
        for wait in waits:
            self._begin(wait)
        self._pump()

    def _take(self, snapshot: Snapshot) -> None:
        files = ssconf_files(snapshot)
        online = {
            uuid: node for uuid, node in snapshot.nodes.items() if not node.offline
        }
        if files != self._edition.files:
            number = self._edition.number + 1
            self._edition = Edition(number, files, ssconf_serial(snapshot))
            self._pace(max(0, len(online) - FREE_NODES))
        for uuid in self._targets.keys() - online.keys():
            self._drop(uuid)
        for uuid, node in online.items():
            self._aim(uuid, node)

    def _pace(self, nodes: int) -> None:
        """Let the next changes wait for more to come, the longer the burst lasts."""
        now = self._clock.seconds()
        is_burst = now < self._next_look + self._pause
        shortest = nodes * PACE_SECONDS
        pause = max(shortest, 2 * self._pause) if is_burst else shortest
        self._pause = min(pause, MOST_PACE_SECONDS)
        self._next_look = now + self._pause

    def _begin(self, wait: _Wait) -> None:
        wait.number = self._edition.number
        wait.nodes = {
            uuid: target.node.name
            for uuid, target in self._targets.items()
            if target.lacks(self._edition) and wait.group in (None, target.node.group)
        }
        if not wait.nodes:
            wait.told.callback(())
            return
        self._waits.append(wait)
        for uuid in wait.nodes:
            if self._targets[uuid].forget_retry():
                self._due[uuid] = None

    def _aim(self, uuid: str, node: Node) -> None:
        target = self._targets.setdefault(uuid, _Target(node))
        if _whereabouts(target.node) != _whereabouts(node) and target.forget_retry():
            target.failures = 0
        target.node = node
        if target.lacks(self._edition) and target.retry is None and not target.push:
            self._due[uuid] = None

    def _drop(self, uuid: str) -> None:
        target = self._targets.pop(uuid)
        self._due.pop(uuid, None)
        target.forget_retry()
        if target.push is not None:
            target.push.cancel()
        self._note(lambda wait: wait.nodes.pop(uuid, None))

    def _pump(self) -> None:
        if self._is_pumping:
            # A node that answers at once must not pile up a stack with the others.
            return
        self._is_pumping = True
        while self._due:
            uuid = next(iter(self._due))
            del self._due[uuid]
            target = self._targets[uuid]
            push = Deferred.fromCoroutine(self._push(uuid, target))
            target.push = None if push.called else push
        self._is_pumping = False

    async def _push(self, uuid: str, target: _Target) -> None:
        message = None
        edition = self._edition
        try:
            leave = await self._gate.enter()
            edition = self._edition
            try:
                await self._write(target, edition)
            finally:
                leave.hand_back()
        except CancelledError:
            message = "cancelled"
        except GanetixError as error:
            message = error.message
        except Exception as error:  # noqa: BLE001 (the others go on all the same)
            self._log.failure("pushing ssconf failed in an unexpected way")
            message = str(error)
        target.push = None
        if self._targets.get(uuid) is target:
            if message is None:
                self._succeeded(uuid, target, edition)
            else:
                self._failed(uuid, target, message)
        self._pump()

    async def _write(self, target: _Target, edition: Edition) -> None:
        request = edition.since(target.known)
        written = await self._rpc.call(target.node, SSCONF_WRITE, request)
        if written.needs_all:
            target.known = None
            await self._rpc.call(target.node, SSCONF_WRITE, edition.whole())

    def _succeeded(self, uuid: str, target: _Target, edition: Edition) -> None:
        if target.failures:
            self._log.info("ssconf has reached node {node}", node=target.node.name)
        target.failures = 0
        target.known = edition
        if target.lacks(self._edition):
            self._due[uuid] = None

        def note(wait: _Wait) -> None:
            if wait.number <= edition.number:
                wait.nodes.pop(uuid, None)

        self._note(note)

    def _failed(self, uuid: str, target: _Target, message: str) -> None:
        if not target.failures:
            self._log.warn(
                "ssconf did not reach node {node}: {message}",
                node=target.node.name,
                message=message,
            )
        delay = min(FIRST_RETRY_SECONDS * 2**target.failures, LONGEST_RETRY_SECONDS)
        target.failures = min(target.failures + 1, 16)
        target.retry = self._clock.callLater(delay, self._retry, uuid, target)

        def note(wait: _Wait) -> None:
            if (name := wait.nodes.pop(uuid, None)) is not None:
                wait.behind.append(name)

        self._note(note)

    def _retry(self, uuid: str, target: _Target) -> None:
        target.retry = None
        self._due[uuid] = None
        self._pump()

    def _note(self, note: Callable[[_Wait], object]) -> None:
        for wait in self._waits:
            note(wait)
        over = [wait for wait in self._waits if not wait.nodes]
        self._waits = [wait for wait in self._waits if wait.nodes]
        for wait in over:
            wait.told.callback(tuple(sorted(wait.behind)))


def _whereabouts(node: Node) -> tuple[str, int, str]:
    return (node.primary_ip, node.port, node.certificate)
