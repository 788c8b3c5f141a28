"""Refuse read-outs of the space that an encoder does not have, before pictures are decoded."""

from automm.config.experiment import Experiment
from automm.data.inputs.input_sources import SEQUENCE
from automm.errors import ConfigError, Problem
from automm.models.encoders.sources import readouts_of
from automm.models.readouts import READOUTS, of_modality
from automm.models.towers import ATTENTION
from automm.search.space.table import TABLE, Space, readouts
from automm.search.space.validation import encoders_read


def check_readouts(experiment: Experiment, space: Space) -> None:
    """Check that each encoder that the search reads has the read-outs that points need. No weights are read.

    Raises:
        ConfigError: one has not; all of them, each with the values that it has.
        WeightsError: there is no such encoder.
    """
    needed, problems = readouts(space), []
    for modality, names in encoders_read(experiment, space).items():
        row = TABLE[f"{modality}/readout"]
        for name in names:
            hows = dict.fromkeys(READOUTS[readout].how for readout in of_modality(modality, needed, name))
            # Every encoder has the first and the sequence; only for others a preset's files are read.
            if not hows.keys() - {row.choices[0], SEQUENCE[modality]}:
                continue
            has = readouts_of(experiment.encoders.folder(name), modality)
            if wrong := [how for how in hows if how not in has]:
                legal = [value for value in (*row.choices, *row.on_request) if value in (*has, ATTENTION)]
                text = f"encoder {name!r} has no read-out {', '.join(wrong)}"
                problems.append(
                    Problem("readout", f"space.{modality}.readout", text, f"Choose among: {', '.join(legal)}")
                )
    if problems:
        raise ConfigError(problems)
