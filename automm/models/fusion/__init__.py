"""The fusions of a search: they combine several modalities into one vector.

A fusion of vectors is a subclass of `base.Fusion` with a name in FUSIONS. A fusion of whole sequences is a subclass of
`sequences.SequenceFusion` with a name in SEQUENCE_FUSIONS.
"""

from typing import Any

from automm.models.fusion.bilinear import Bilinear, FactorizedBilinear, LowRankBilinear, Mutan
from automm.models.fusion.gating import Film, GatedUnit
from automm.models.fusion.late import Late
from automm.models.fusion.plain import Concatenation, Product, Sum
from automm.models.fusion.sequences import Bottleneck, CrossAttention

FUSIONS: dict[str, Any] = {
    "concatenation": Concatenation,
    "sum": Sum,
    "product": Product,
    "bilinear": Bilinear,
    "low_rank_bilinear": LowRankBilinear,
    "mutan": Mutan,
    "mfb": FactorizedBilinear,
    "gated_unit": GatedUnit,
    "film": Film,
    "late": Late,
}
SEQUENCE_FUSIONS: dict[str, Any] = {
    "cross_attention": CrossAttention,
    "bottleneck": Bottleneck,
}
OPERATORS: dict[str, Any] = {**FUSIONS, **SEQUENCE_FUSIONS}
