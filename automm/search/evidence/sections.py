"""The sections of the evidence, in the order in which they are computed: what is quick comes first."""

from automm.search.evidence import learning_curve, modalities
from automm.search.evidence.stage import Section

SECTIONS = (
    Section(modalities.NAME, modalities.modalities, modalities.seconds),
    Section(learning_curve.NAME, learning_curve.learning_curve, learning_curve.seconds),
)
