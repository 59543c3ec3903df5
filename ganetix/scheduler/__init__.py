"""The cooperative task scheduler: slots, priorities, deferral."""

from ganetix.scheduler.scheduler import Scheduler
from ganetix.scheduler.task import Again, Task, Work

__all__ = ["Again", "Scheduler", "Task", "Work"]
