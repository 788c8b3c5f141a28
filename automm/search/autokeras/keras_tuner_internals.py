"""All uses of private names of KerasTuner; no other file uses one.

Each function and override has a contract test in `tests/integration/test_platform.py`, which fails if an upgrade of
KerasTuner breaks it.
"""

from typing import Any

import numpy as np

from automm.tracking.run_folder import point_of

Base: Any = object  # for a mixin of a class of KerasTuner: `super()` calls methods of that class


class PointHashes(Base):
    """Mixin of an oracle: trials with the same point count as equal, even if their epochs or brackets differ.

    The oracle compares hashes of all values of a trial, and has no public way to leave some of them out.
    """

    def _compute_values_hash(self, values: dict[str, Any]) -> Any:
        return super()._compute_values_hash(point_of(values))

    def hash_of(self, values: dict[str, Any]) -> Any:
        """Return a hash of the point, without the bookkeeping values."""
        return self._compute_values_hash(values)

    def is_new(self, values: dict[str, Any]) -> bool:
        """Return whether no trial has this point. (`_tried_so_far` also contains points that were only drawn.)"""
        return self.hash_of(values) not in set(self._id_to_hash.values())


class WithoutTensorBoard(Base):
    """Mixin of a tuner: its trials do not import tensorboard, which TensorFlow 2.21 does not install.

    KerasTuner imports it in each trial on TensorFlow, also if no callback needs it.
    """

    def _configure_tensorboard_dir(self, callbacks: Any, trial: Any, execution: int = 0) -> None:
        """Do nothing."""


def seed_oracle(oracle: Any, seed: int) -> None:
    """Set the seed of an oracle's next draw. The public `seed` is read only when the oracle is created."""
    oracle._seed_state = seed


def seed_of(oracle: Any) -> int:
    """Return the seed that `seed_oracle` has set."""
    return int(oracle._seed_state)


def restart_generator(oracle: Any) -> None:
    """Restart the random generator of a Bayesian oracle from `seed_of`.

    KerasTuner continues the generator from proposal to proposal, but restarts it in a resumed process. Restarting it
    before each proposal makes both the same.
    """
    oracle._random_state = np.random.RandomState(seed_of(oracle))


def enter_trial(oracle: Any, trial: Any) -> None:
    """Add a finished trial to an oracle and to its files.

    The public `end_trial` accepts only trials that the oracle itself has started.
    """
    oracle.trials[trial.trial_id] = trial
    oracle.start_order.append(trial.trial_id)
    oracle.end_order.append(trial.trial_id)
    oracle._record_values(trial)
    oracle._save_trial(trial)


def brackets_of(oracle: Any) -> int:
    """Return the number of bracket kinds of a Hyperband oracle: 0, 1, ... halvings."""
    return int(oracle._get_num_brackets())


def first_size(oracle: Any, halvings: int) -> int:
    """Return the number of trials in the first round of a Hyperband bracket with so many halvings."""
    return int(oracle._get_size(halvings, 0))


def epochs_of_round(oracle: Any, halvings: int, number: int) -> int:
    """Return the epochs of each trial in a round of Hyperband; rounds are counted from 0."""
    return int(oracle._get_epochs(halvings, number))
