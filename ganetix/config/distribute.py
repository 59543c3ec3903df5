"""Carries ssconf to all nodes, after the fact: commits never wait for a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ganetix.config.snapshot import Snapshot
from ganetix.config.ssconf import is_same_ssconf, ssconf_files, ssconf_serial
from ganetix.config.store import ConfigStore
from ganetix.errors import GanetixError
from ganetix.interfaces import INodeRpc
from ganetix.objects import Node
from ganetix.rpc.methods import SSCONF_WRITE, SsconfWrite

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
AT_ONCE = 32


class _Target:
    """One node: which version it acknowledged, and what is being done about it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.acknowledged = 0
        self.failures = 0
        self.retry: IDelayedCall | None = None
        self.push: Deferred[None] | None = None

    def forget_retry(self) -> bool:
        """Take back the retry that was planned; whether there was one."""
        if self.retry is None:
            return False
        self.retry.cancel()
        self.retry = None
        return True


class _Wait:
    """Somebody waits until these nodes have this version or have failed to take it."""

    def __init__(self, version: int, nodes: dict[str, str]) -> None:
        self.version = version
        self.nodes = nodes
        self.behind: list[str] = []
        self.told: Deferred[tuple[str, ...]] = Deferred()


class SsconfDistributor:
    """Pushes the files to each node that is not offline, when they are not what it has.

    Changes that come while a node is being told are told it together. A node that does
    not answer is tried again after 1 s, 2 s, … 60 s, and at once if its address or
    certificate changes or somebody waits by ``settled``.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, config: ConfigStore, rpc: INodeRpc, clock: IReactorTime) -> None:
        self._config = config
        self._rpc = rpc
        self._clock = clock
        self._files: dict[str, str] = {}
        self._serial = 0
        self._version = 0
        self._seen: Snapshot | None = None
        self._look: IDelayedCall | None = None
        self._targets: dict[str, _Target] = {}
        self._due: dict[str, None] = {}
        self._pushing = 0
        self._waits: list[_Wait] = []
        self._is_pumping = False
        self._is_stopped = False
        config.on_change(self._on_change)

    def start(self) -> None:
        """Tell all nodes the loaded configuration; what they have is not known."""
        self._refresh()

    def settled(self) -> Deferred[tuple[str, ...]]:
        """Wait until the current files are on all nodes that answer.

        Each node that lacks them is tried at least once. Fires with the names of those
        that were tried in vain, sorted.
        """
        if self._is_stopped:
            return succeed(())
        self._refresh()
        lagging = {
            uuid: target.node.name
            for uuid, target in self._targets.items()
            if target.acknowledged < self._version
        }
        if not lagging:
            return succeed(())
        wait = _Wait(self._version, lagging)
        self._waits.append(wait)
        for uuid in list(lagging):
            if self._targets[uuid].forget_retry():
                self._due[uuid] = None
        self._pump()
        return wait.told

    def stop(self) -> None:
        """Give up what is under way, and push no more."""
        self._is_stopped = True
        if self._look is not None and self._look.active():
            self._look.cancel()
        self._due.clear()
        for uuid in list(self._targets):
            self._drop(uuid)

    def _on_change(self, old: Snapshot, new: Snapshot) -> None:
        if self._is_stopped or is_same_ssconf(old, new):
            return
        # Not at once: commits of one group, and the callers' own work, come first.
        if self._look is None or not self._look.active():
            self._look = self._clock.callLater(0, self._refresh)

    def _refresh(self) -> None:
        snapshot = self._config.snapshot()
        if self._seen is not None and is_same_ssconf(self._seen, snapshot):
            return
        self._seen = snapshot
        files = ssconf_files(snapshot)
        if files != self._files:
            self._files = files
            self._serial = ssconf_serial(snapshot)
            self._version += 1
        online = {
            uuid: node for uuid, node in snapshot.nodes.items() if not node.offline
        }
        for uuid in self._targets.keys() - online.keys():
            self._drop(uuid)
        for uuid, node in online.items():
            self._aim(uuid, node)
        self._pump()

    def _aim(self, uuid: str, node: Node) -> None:
        target = self._targets.setdefault(uuid, _Target(node))
        if _whereabouts(target.node) != _whereabouts(node) and target.forget_retry():
            target.failures = 0
        target.node = node
        is_lagging = target.acknowledged < self._version
        if is_lagging and target.retry is None and target.push is None:
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
        while self._due and self._pushing < AT_ONCE:
            uuid = next(iter(self._due))
            del self._due[uuid]
            target = self._targets[uuid]
            self._pushing += 1
            push = Deferred.fromCoroutine(self._push(uuid, target))
            target.push = None if push.called else push
        self._is_pumping = False

    async def _push(self, uuid: str, target: _Target) -> None:
        version = self._version
        request = SsconfWrite(files=self._files, serial_no=self._serial)
        message = None
        try:
            await self._rpc.call(target.node, SSCONF_WRITE, request)
        except CancelledError:
            message = "cancelled"
        except GanetixError as error:
            message = error.message
        except Exception as error:  # noqa: BLE001 (the others go on all the same)
            self._log.failure("pushing ssconf failed in an unexpected way")
            message = str(error)
        target.push = None
        self._pushing -= 1
        if self._targets.get(uuid) is target:
            if message is None:
                self._succeeded(uuid, target, version)
            else:
                self._failed(uuid, target, message)
        self._pump()

    def _succeeded(self, uuid: str, target: _Target, version: int) -> None:
        if target.failures:
            self._log.info("ssconf has reached node {node}", node=target.node.name)
        target.failures = 0
        target.acknowledged = version
        if version < self._version:
            self._due[uuid] = None

        def note(wait: _Wait) -> None:
            if wait.version <= version:
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
