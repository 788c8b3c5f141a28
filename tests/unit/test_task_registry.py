"""What the tasks name exists."""

from typing import ClassVar

import pytest

from automm.data.quality.checks.registry import OF_TASKS, checks_of
from automm.data.records.targets import TARGETS
from automm.evaluate.plots import FIGURES
from automm.search.training.options import Options
from automm.tasks.base import SMALLER
from automm.tasks.registry import TASKS, all_metrics, task_of


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_every_name_of_a_task_exists(task):
    assert task.target in TARGETS
    assert task.figure in FIGURES
    assert task.checks <= {check.__name__ for check in OF_TASKS}
    assert task.options <= {name.removeprefix("training/") for name in Options().values()}
    assert {name.removeprefix("val_") for name in task.objectives} <= set(task.metrics)
    assert task.metrics[task.smooth].direction == SMALLER
    assert task_of(task.metrics) is task


def test_a_metric_means_the_same_in_all_tasks_and_no_two_have_the_same_set():
    metrics = [(name, metric) for task in TASKS.values() for name, metric in task.metrics.items()]
    assert all(all_metrics()[name] == metric for name, metric in metrics)
    assert len({frozenset(task.metrics) for task in TASKS.values()}) == len(TASKS)


def test_a_task_that_shares_metrics_with_another_is_recognised(monkeypatch):
    class Ordered(type(TASKS["classification"])):
        name = "ordered"
        metrics: ClassVar = {name: all_metrics()[name] for name in ("mae", "accuracy")}

    monkeypatch.setitem(TASKS, "ordered", Ordered())
    assert task_of({"accuracy": 0.5, "mae": 0.3}).name == "ordered"
    assert task_of({"accuracy": 0.5, "macro_f1": 0.4, "loss": 1.0}).name == "classification"


def test_a_task_takes_no_option_or_check_from_another(monkeypatch):
    class Greedy(type(TASKS["classification"])):
        name = "greedy"
        options = frozenset(("modality_dropout",))
        checks = frozenset(("duplicate_reviews",))

    before = [check.__name__ for check in checks_of(TASKS["classification"])]
    monkeypatch.setitem(TASKS, "greedy", Greedy())
    assert [check.__name__ for check in checks_of(TASKS["classification"])] == before
