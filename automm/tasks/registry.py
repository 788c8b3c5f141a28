"""The tasks by name, and the metrics and objectives of all of them."""

from collections.abc import Iterable, Mapping

from automm.tasks.base import Metric, Task
from automm.tasks.classification import Classification
from automm.tasks.regression import Regression

TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Regression())}


def all_metrics() -> dict[str, Metric]:
    """Return every metric of every task, by name."""
    return {name: metric for task in TASKS.values() for name, metric in task.metrics.items()}


def all_objectives() -> dict[str, str]:
    """Return the direction of every objective of every task, by name."""
    return {name: direction for task in TASKS.values() for name, direction in task.objectives.items()}


def applies_to(task: Task, attribute: str, name: str) -> bool:
    """Whether an option or a check applies to a task: the task lists it, or no task does.

    Args:
        attribute: "options" or "checks".
    """
    return name in getattr(task, attribute) or not any(name in getattr(other, attribute) for other in TASKS.values())


def task_of(metrics: Iterable[str] | Mapping[str, float]) -> Task:
    """Return the task that has these metrics."""
    names = set(metrics)
    return next(task for task in TASKS.values() if names & task.metrics.keys())
