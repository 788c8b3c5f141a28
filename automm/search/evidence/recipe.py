"""Choose the recipe that is retrained to measure what modalities and reviews are worth.

The question is about the choice, but not every choice can be retrained without a modality, cheaply, many times:

- An ensemble was selected from candidates that had all modalities. To select it anew without one would measure the
  selection too, and would need all trials again. Its recipe is that of its best single neural member.
- A candidate of tier 2 trains its encoders. Its recipe is that of the head it began with, on the same frozen features.
- A linear model, trees, or a head that reads one modality: its recipe is that of the best head that reads all.

`Recipe.why` says so in each case, and a figure of one of them may differ from that of the choice itself. All trainings
of a recipe are new, also those with all modalities and all reviews: the recorded score of a choice is the luckiest of
many, and would favour the modality that it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from automm.errors import TrialError
from automm.search.finalists.folds import base_candidates
from automm.search.session import Search
from automm.tracking.run_folder import Candidate


@dataclass(frozen=True)
class Recipe:
    """The recipe of a choice.

    Attributes:
        candidate: whose hyperparameters are used.
        why: why this one, if it is not the choice itself; else "".
    """

    candidate: Candidate
    why: str = ""


def recipe_of(search: Search, choice: str) -> Recipe:
    """Return the recipe of the chosen candidate.

    Raises:
        TrialError: no completed candidate is a head that reads all modalities.
    """
    heads = {candidate.name: candidate for candidate in search.ranking.trained() if _reads_all(candidate)}
    bases, _ = base_candidates(search, choice)
    if choice in heads:
        return Recipe(heads[choice])
    members = _named(heads, list(bases))
    if members:
        found = members[0]
        what = "the best single neural member" if len(bases) > 1 else "the head on frozen features"
        return Recipe(found, f"{found.name}, {what} of {choice}")
    if heads:
        found = next(iter(heads.values()))
        return Recipe(found, f"{found.name}, the best head that reads all modalities; {choice} is none")
    raise TrialError("no completed candidate is a head that reads all modalities")


def _named(heads: dict[str, Candidate], names: Sequence[str]) -> list[Candidate]:
    """Return those heads that are named, in their own order: best first."""
    return [candidate for name, candidate in heads.items() if name in names]


def _reads_all(candidate: Candidate) -> bool:
    """Return whether the suffix is one of `models/baselines.fused`."""
    return candidate.kind == "trial" or "fusion/operator" in candidate.point
