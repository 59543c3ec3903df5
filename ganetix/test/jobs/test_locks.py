"""Tests of jobs and their locks."""

from twisted.internet.defer import Deferred, succeed

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import Cancelled, NotFound
from ganetix.jobs.attempts import ATTEMPT_SECONDS
from ganetix.jobs.model import PRIORITY_BEST
from ganetix.jobs.work import LevelLocks, LockPlan, Mode, Outcome
from ganetix.objects import Instance
from ganetix.test.jobs.support import QueueTestCase, creates, instance_locks, request
from ganetix.testing.config import make_instance


class JobLockTests(QueueTestCase):
    """What is held while a unit works, and what happens until then."""

    def setUp(self) -> None:
        """Two instances are in the configuration."""
        super().setUp()
        self.web, self.db = make_instance("web", "node1"), make_instance("db", "node1")
        self.change(put=(self.web, self.db))

    def change(
        self, put: tuple[Instance, ...] = (), delete: tuple[Instance, ...] = ()
    ) -> None:
        """Change the configuration beside all jobs."""
        edits = Edits(put=put, delete=delete)
        self.successResultOf(self.master.config.commit(lambda _: edits))

    def plan(self, name: str, plan: LockPlan) -> None:
        """What an opcode locks."""
        self.worker.plans[name] = plan

    def names(self) -> set[str]:
        """The instances that can be locked."""
        return set(self.master.locks.names("instance"))

    def test_excludes(self) -> None:
        """Of two jobs on one instance the second waits for the first."""
        for name in "ab":
            self.plan(name, instance_locks("web"))
            self.submit(name)
        self.assertEqual(self.worker.started, ["a"])
        self.assertEqual(self.job(2).status, "waiting")
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a", "b"])
        self.assertEqual(self.queue.locks()[0].mode, "shared")

    def test_all_let_go(self) -> None:
        """After its end, whichever, a job holds nothing."""
        self.plan("a", instance_locks("web", "db"))
        self.plan("b", instance_locks("web", "db", mode="shared"))
        self.submit("a")
        self.fail_op("a", NotFound("x"))
        self.submit("b")
        self.succeed("b")
        self.assertEqual(self.queue.locks(), ())

    def test_modes(self) -> None:
        """Names may be held in different modes, below all that is shared."""
        self.plan(
            "a",
            {"instance": LevelLocks(names={"web": "exclusive"}, all="shared")},
        )
        self.submit("a")
        held = {(i.level, i.name): i.mode for i in self.queue.locks()}
        self.assertEqual(
            held,
            {
                ("cluster", "cluster"): "shared",
                ("instance", "[all]"): "shared",
                ("instance", "db"): "shared",
                ("instance", "web"): "exclusive",
            },
        )

    def test_cancel_while_waiting(self) -> None:
        """A job that waits for locks is canceled at once, and holds and awaits none."""
        self.plan("a", instance_locks("db"))
        self.plan("b", instance_locks("db", "web"))
        self.submit("a")
        job_id = self.submit("b")
        self.assertEqual(self.cancel(job_id), (True, "job 2 was canceled"))
        self.assertEqual(self.job(job_id).status, "canceled")
        self.succeed("a")
        self.assertEqual(self.queue.locks(), ())
        self.assertEqual(self.worker.started, ["a"])

    def test_change_priority_while_waiting(self) -> None:
        """A job that waits for a lock waits on with the priority it was given."""
        for name in "abc":
            self.plan(name, instance_locks("web"))
            self.submit(name)
        self.successResultOf(self.queue.change_priority(3, -10))
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a", "c"])

    def test_creates(self) -> None:
        """The name of an instance in the making is locked, and stays if it is made."""
        self.plan("a", creates("new"))
        self.plan("b", creates("new"))
        self.submit("a")
        self.submit("b")
        self.assertEqual(self.worker.started, ["a"])
        new = make_instance("new", "node1")
        self.succeed("a", Outcome(change=lambda _: Edits(put=(new,))))
        self.assertEqual(self.worker.started, ["a", "b"])
        self.succeed("b")
        self.assertEqual(self.names(), {"db", "new", "web"})

    def test_creates_in_vain(self) -> None:
        """The name of an instance that was not made is gone again."""
        self.plan("a", creates("new"))
        self.submit("a")
        self.assertIn("new", self.names())
        self.fail_op("a", NotFound("x"))
        self.assertEqual(self.names(), {"db", "web"})

    def test_removed_while_waiting(self) -> None:
        """A job on an instance that vanishes fails as if it had come later."""

        def plan(snapshot: Snapshot) -> LockPlan:
            return instance_locks(snapshot.instance("web").name)

        self.worker.plans["a"] = self.worker.plans["b"] = plan
        self.submit("a")
        job_id = self.submit("b")
        instance = self.master.config.snapshot().instance("web")
        self.succeed("a", Outcome(change=lambda _: Edits(delete=(instance,))))
        error = self.job(job_id).ops[0].error
        assert error is not None
        self.assertEqual(error.message, "there is no instance 'web'; there are db")
        self.assertEqual(self.names(), {"db"})

    def test_plan_changed_while_waiting(self) -> None:
        """When the plan comes out otherwise in the end, the locks are taken anew."""

        def plan(snapshot: Snapshot) -> LockPlan:
            more = (
                ["new"]
                if "new" in {i.name for i in snapshot.instances.values()}
                else []
            )
            return instance_locks("web", *more)

        self.plan("a", instance_locks("web"))
        self.worker.plans["b"] = plan
        self.submit("a")
        self.submit("b")
        self.change(put=(make_instance("new", "node1"),))
        self.succeed("a")
        held = {i.name for i in self.queue.locks() if i.level == "instance"}
        self.assertEqual((self.worker.started, held), (["a", "b"], {"new", "web"}))

    def test_unknown_lock(self) -> None:
        """A plan with a lock that does not exist fails the opcode and names it."""
        self.plan("a", instance_locks("ghost"))
        job_id = self.submit("a")
        error = self.job(job_id).ops[0].error
        self.assertEqual(error and error.message, "there is no lock instance/ghost")

    def test_names_of_a_new_master(self) -> None:
        """A new master has the locks of the configuration."""
        self.restart()
        locks = self.master.locks
        snapshot = self.master.config.snapshot()
        self.assertEqual(self.names(), {"db", "web"})
        self.assertEqual(locks.names("group"), set(snapshot.groups))
        self.assertEqual(locks.names("node"), set(snapshot.nodes))
        self.assertEqual(locks.names("node_resource"), set(snapshot.nodes))

    def test_why(self) -> None:
        """A waiting job says which lock it awaits, who holds it, and since when."""
        self.plan("a", instance_locks("web"))
        self.plan("b", instance_locks("web"))
        self.submit("a")
        job_id = self.submit("b")
        self.turn(0.5)
        self.assertEqual(
            self.queue.why(job_id),
            "waits for lock instance/web, held exclusive by job 1 (GROUP_ADD(a)) since"
            " 13:46:40 UTC (0 s)",
        )
        self.assertIsNone(self.queue.why(1))
        self.assertIsNone(self.queue.why(99))

    def test_monitor(self) -> None:
        """The monitor tells jobs from other owners."""
        self.plan("a", instance_locks("web"))
        self.plan("b", instance_locks("web", mode="shared"))
        self.submit("a")
        self.submit("b", priority=-10)
        (lock,) = [i for i in self.queue.locks() if i.level == "instance"]
        self.assertEqual([owner.job_id for owner in lock.owners], [1])
        (waiter,) = lock.pending
        self.assertEqual(
            (waiter.job_id, waiter.mode, waiter.priority), (2, "shared", -10)
        )


class HeldNodeTests(QueueTestCase):
    """Nodes that are locked in the middle of an opcode, once they are chosen."""

    def setUp(self) -> None:
        """One job works on the node, and another chooses it."""
        super().setUp()
        (self.node,) = self.master.config.snapshot().nodes.values()
        taken: dict[str, Mode] = {self.node.uuid: "exclusive"}
        self.worker.plans["a"] = {"node": LevelLocks(names=taken)}
        self.submit("a")
        self.submit("b")
        self.held = self.worker.runs["b"].progress.hold_nodes([self.node.uuid])

    def test_waits(self) -> None:
        """It waits for whoever has the node for itself, and says so."""
        self.assertNoResult(self.held)
        self.assertEqual(self.job(2).status, "running")
        self.assertIn("waits for lock node/node1", self.queue.why(2) or "")
        self.succeed("a")
        self.successResultOf(self.held)
        self.assertIsNone(self.queue.why(2))
        self.succeed("b")
        self.assertEqual(self.queue.locks(), ())

    def test_chooses_again(self) -> None:
        """What is chosen next takes the place of what was chosen before."""
        self.succeed("a")
        self.successResultOf(self.held)
        progress = self.worker.runs["b"].progress
        self.successResultOf(progress.hold_nodes([self.node.uuid]))
        (lock,) = [i for i in self.queue.locks() if i.level == "node"]
        self.assertEqual(([o.job_id for o in lock.owners], lock.mode), ([2], "shared"))

    def test_cancel(self) -> None:
        """Its user need not wait with it."""
        self.successResultOf(self.queue.cancel(2))
        error = self.failureResultOf(self.held, Cancelled).value
        self.fail_op("b", error)
        self.assertEqual(self.job(2).status, "canceled")
        self.succeed("a")
        self.assertEqual(self.queue.locks(), ())

    def test_any_work(self) -> None:
        """So it is with all work that may be given up: it is ended, with the job."""
        progress = self.worker.runs["b"].progress
        ended: list[str] = []
        first: Deferred[None] = Deferred(lambda _: ended.append("first"))
        wanted = progress.while_wanted(first)
        self.successResultOf(self.queue.cancel(2))
        self.failureResultOf(self.held, Cancelled)
        self.failureResultOf(wanted, Cancelled)
        late: Deferred[None] = Deferred(lambda _: ended.append("late"))
        self.failureResultOf(progress.while_wanted(late), Cancelled)
        self.assertEqual(ended, ["first", "late"])
        self.assertEqual(self.successResultOf(progress.while_wanted(succeed(1))), 1)


class AttemptTests(QueueTestCase):
    """A job that does not get its locks in time."""

    slots = 2

    def setUp(self) -> None:
        """A job that holds an instance for long, and one that wants it."""
        super().setUp()
        change = Edits(put=(make_instance("web", "node1"),))
        self.successResultOf(self.master.config.commit(lambda _: change))
        self.worker.plans["a"] = self.worker.plans["b"] = instance_locks("web")
        self.submit("a")
        self.waiting = self.submit("b")

    def test_returns_to_the_queue(self) -> None:
        """After its attempt it makes way for others of its priority."""
        self.submit("c")
        self.assertEqual(self.worker.started, ["a"])
        self.clock.advance(ATTEMPT_SECONDS[0] * 1.05)
        self.turn()
        self.assertEqual(self.worker.started, ["a", "c"])
        self.assertEqual(self.job(self.waiting).status, "queued")
        self.assertIn("waits for one of 2 slots", self.queue.why(self.waiting) or "")
        self.assertIn(
            "lock instance/web, held by job 1", self.queue.why(self.waiting) or ""
        )
        self.succeed("c")
        self.assertEqual(self.job(self.waiting).status, "waiting")

    def wait_out(self) -> None:
        """Let all attempts at one priority be in vain."""
        priority = self.job(self.waiting).priority
        for _ in range(400):
            if self.job(self.waiting).priority != priority:
                return
            self.turn(0.5)
        self.fail("the priority was not raised")

    def test_escalation(self) -> None:
        """After 150 s of attempts it is more urgent, and that is durable."""
        began = self.clock.seconds()
        self.wait_out()
        self.assertEqual(self.job(self.waiting).priority, -1)
        took = self.clock.seconds() - began
        self.assertTrue(150 * 0.95 <= took <= 175, took)
        self.assertEqual(
            self.log(self.waiting),
            ["waited long for its locks; its priority is now -1"],
        )
        self.restart()
        self.assertEqual(self.job(self.waiting).priority, -1)

    def test_blocks_at_best(self) -> None:
        """At the best priority it waits without end, and gets the lock at last."""
        d = self.queue.submit([request("c", priority=PRIORITY_BEST)], internal=True)
        (job_id,) = self.successResultOf(d)
        self.worker.plans["c"] = instance_locks("web")
        self.cancel(self.waiting)
        self.turn()
        self.turn(100_000)
        self.assertEqual(self.job(job_id).status, "waiting")
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a", "c"])

    def test_user_changes_priority(self) -> None:
        """A priority that the user gives while it waits counts from then on."""
        self.successResultOf(self.queue.change_priority(self.waiting, 10))
        self.turn(2)
        job = self.job(self.waiting)
        self.assertEqual((job.status, job.priority), ("waiting", 10))
        (lock,) = [i for i in self.queue.locks() if i.level == "instance"]
        self.assertEqual([waiter.priority for waiter in lock.pending], [10])

    def test_restart_while_waiting(self) -> None:
        """A job that only waited for locks goes on with the next master."""
        self.restart()
        self.worker.plans["b"] = instance_locks("web")
        self.turn()
        self.assertEqual(self.worker.started, ["b"])
