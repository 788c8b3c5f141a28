"""The sections of the evidence, in the order in which they are computed: what is quick comes first."""

from dataclasses import asdict
from typing import Any

from automm.evaluate.course.section import course_of
from automm.search.evidence import learning_curve, modalities
from automm.search.evidence.stage import Section, Stage


def course(stage: Stage) -> dict[str, Any]:
    """Return how the search went: of the finalists and baselines, the correlations of their errors."""
    search, setup = stage.search, stage.search.setup
    baselines = [candidate.name for candidate in search.ranking.ranked() if candidate.kind == "baseline"]
    return asdict(
        course_of(
            setup.task,
            setup.experiment.objective,
            search.candidates,
            setup.judged_rows,
            search.run.predictions,
            shown=list(dict.fromkeys([*stage.result["finalists"], *baselines])),
            seconds=search.run.read("spent.json").get("stages", {}),
            seed=setup.experiment.seed,
        )
    )


SECTIONS = (
    Section("course", course),
    Section(modalities.NAME, modalities.modalities, modalities.seconds),
    Section(learning_curve.NAME, learning_curve.learning_curve, learning_curve.seconds),
)
