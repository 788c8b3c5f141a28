"""What the tasks name exists."""

import pytest

from automm.data.quality.checks.registry import CHECKS
from automm.data.records.targets import TARGETS
from automm.evaluate.plots import FIGURES
from automm.search.training.options import Options
from automm.tasks.base import SMALLER
from automm.tasks.registry import TASKS, all_metrics, task_of


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_every_name_of_a_task_exists(task):
    assert task.target in TARGETS
    assert task.figure in FIGURES
    assert task.checks <= {check.__name__ for check in CHECKS}
    assert task.options <= {name.removeprefix("training/") for name in Options().values()}
    assert {name.removeprefix("val_") for name in task.objectives} <= set(task.metrics)
    assert task.metrics[task.smooth].direction == SMALLER
    assert task_of(task.metrics) is task


def test_no_metric_belongs_to_two_tasks():
    assert len(all_metrics()) == sum(len(task.metrics) for task in TASKS.values())
