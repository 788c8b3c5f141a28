"""What the tasks name of Keras and scikit-learn exists."""

import pytest

from automm.models.heads import HEADS
from automm.search.candidates.boosted_trees import BOOSTINGS
from automm.search.candidates.linear import REGRESSIONS
from automm.search.training.losses import LOSSES
from automm.tasks.registry import TASKS


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_every_name_of_a_task_exists(task):
    assert task.head in HEADS
    assert task.head in BOOSTINGS
    assert task.loss in LOSSES
    assert task.linear in REGRESSIONS
