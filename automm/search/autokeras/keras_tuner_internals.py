"""What automm needs of KerasTuner and KerasTuner does not offer in public: no other file uses a private name of it.

Each function, and each override, has a contract test in `tests/integration/test_platform.py`, so that an upgrade of
KerasTuner that breaks one shows which.
"""

from typing import Any

import numpy as np

from automm.tracking.run_folder import point_of

Base: Any = object  # a mixin: what it calls on itself is KerasTuner's Oracle


class PointHashes(Base):
    """Mixed into an oracle: trials of the same point are the same to it, whatever epochs and bracket they note.

    The oracle compares hashes of all values of a trial, and offers no other way to say which of them count.
    """

    def _compute_values_hash(self, values: dict[str, Any]) -> Any:
        return super()._compute_values_hash(point_of(values))

    def hash_of(self, values: dict[str, Any]) -> Any:
        """The same for all values that are of one point."""
        return self._compute_values_hash(values)

    def is_new(self, values: dict[str, Any]) -> bool:
        """Whether no trial has had this point. (`_tried_so_far` also holds what was drawn a moment ago.)"""
        return self.hash_of(values) not in set(self._id_to_hash.values())


def seed_oracle(oracle: Any, seed: int) -> None:
    """Set what an oracle's next draw depends on. The public `seed` is read once, when the oracle is made."""
    oracle._seed_state = seed


def seed_of(oracle: Any) -> int:
    """What `seed_oracle` has set."""
    return int(oracle._seed_state)


def restart_generator(oracle: Any) -> None:
    """Begin the generator of a Bayesian oracle anew, from `seed_of`.

    It would go on from proposal to proposal, and from its beginning in a process that resumes.
    """
    oracle._random_state = np.random.RandomState(seed_of(oracle))


def enter_trial(oracle: Any, trial: Any) -> None:
    """Make a trial that has ended elsewhere one that the oracle has had, on disk too.

    The public `end_trial` takes only trials that the oracle has itself begun.
    """
    oracle.trials[trial.trial_id] = trial
    oracle.start_order.append(trial.trial_id)
    oracle.end_order.append(trial.trial_id)
    oracle._record_values(trial)
    oracle._save_trial(trial)


def brackets_of(oracle: Any) -> int:
    """How many kinds of brackets a Hyperband oracle has, from 0 halvings on."""
    return int(oracle._get_num_brackets())


def first_size(oracle: Any, halvings: int) -> int:
    """With how many trials a Hyperband oracle begins a bracket of so many halvings."""
    return int(oracle._get_size(halvings, 0))


def epochs_of_round(oracle: Any, halvings: int, number: int) -> int:
    """How many epochs a Hyperband oracle gives to each trial of a round, counted from 0."""
    return int(oracle._get_epochs(halvings, number))
