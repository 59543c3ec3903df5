"""Blocking work in threads, or at once."""

from __future__ import annotations

import threading
from functools import partial

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ganetix.flow.offload import inline_offload, thread_offload


class InlineTests(SynchronousTestCase):
    """Work in the caller's thread."""

    def test_result(self) -> None:
        """The result is there at once."""
        self.assertEqual(self.successResultOf(inline_offload(lambda: 5)), 5)

    def test_error(self) -> None:
        """What the work raises is what the Deferred fails with."""
        self.failureResultOf(inline_offload(lambda: 1 // 0), ZeroDivisionError)


class ThreadTests(TestCase):
    """Work in a thread of a named pool."""

    async def test_in_order(self) -> None:
        """One thread, not the reactor's, does it all in order; errors come back."""
        pool = ThreadPool(0, 1, "work")
        pool.start()
        self.addCleanup(pool.stop)
        offload = thread_offload(IReactorFromThreads(reactor), pool)
        order: list[int] = []
        threads: set[int] = set()

        def work(number: int) -> int:
            order.append(number)
            threads.add(threading.get_ident())
            return number

        begun = [offload(partial(work, number)) for number in range(50)]
        self.assertEqual([await each for each in begun], list(range(50)))
        self.assertEqual(order, list(range(50)))
        self.assertNotIn(threading.get_ident(), threads)
        with self.assertRaises(ZeroDivisionError):
            await offload(lambda: 1 // 0)
