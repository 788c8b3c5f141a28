"""Compute, after a search, the evidence that did not fit into its budget."""

from automm.config.experiment import Experiment
from automm.search.evidence.sections import SECTIONS
from automm.search.evidence.stage import gather_evidence
from automm.search.memory import freeze_loaded_objects
from automm.search.reporter import Reporter
from automm.search.session import Search
from automm.search.setup.data import encoder_sources, load, prepare
from automm.search.setup.folds import with_recorded_evaluation
from automm.search.setup.same import check_same_data, check_same_rows
from automm.tracking.protocol import NoTracker
from automm.tracking.run_folder import Run


def complete_evidence(run: Run, experiment: Experiment, reporter: Reporter) -> None:
    """Compute the sections that result.json of a finished search lacks, without a time limit.

    The result and the candidates of the search are not changed, and its test split is not read for a candidate.

    Args:
        experiment: of the run.

    Raises:
        ConfigError: another process uses the run.
        DataError: the data, the encoders or the judged reviews are not those of the search.
    """
    freeze_loaded_objects()
    reporter.stage("reading reviews")
    loaded = load(experiment, reporter.step)
    encoders = encoder_sources(experiment, loaded)
    with run.locked():
        check_same_data(run, experiment, loaded, encoders)
        setup = prepare(with_recorded_evaluation(experiment, run, loaded), loaded, encoders, reporter.step)
        check_same_rows(run, setup)
        gather_evidence(Search(setup, run, NoTracker(), reporter, None), SECTIONS, None)
