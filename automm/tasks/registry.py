"""The tasks by name, and what holds for all of them together."""

from collections.abc import Iterable, Mapping

from automm.tasks.base import Metric, Task
from automm.tasks.classification import Classification
from automm.tasks.regression import Regression

TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Regression())}


def all_metrics() -> dict[str, Metric]:
    """Every metric of every task, by name."""
    return {name: metric for task in TASKS.values() for name, metric in task.metrics.items()}


def all_objectives() -> dict[str, str]:
    """The direction of every objective of every task."""
    return {name: direction for task in TASKS.values() for name, direction in task.objectives.items()}


def belongs(task: Task, attribute: str, name: str) -> bool:
    """Whether an option or a check may be used with a task: one that some tasks list needs one of these.

    Args:
        attribute: "options" or "checks".
    """
    return name in getattr(task, attribute) or not any(name in getattr(one, attribute) for one in TASKS.values())


def task_of(metrics: Iterable[str] | Mapping[str, float]) -> Task:
    """The task that has these metrics."""
    names = set(metrics)
    return next(task for task in TASKS.values() if names & task.metrics.keys())
