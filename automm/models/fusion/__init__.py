"""The vectors of several modalities become one: the fusions that a search can choose from.

A fusion is a class of `base.Fusion` and a name in FUSIONS.
"""

from typing import Any

from automm.models.fusion.bilinear import Bilinear, FactorizedBilinear, LowRankBilinear, Mutan
from automm.models.fusion.gating import Film, GatedUnit
from automm.models.fusion.late import Late
from automm.models.fusion.plain import Concatenation, Product, Sum

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
