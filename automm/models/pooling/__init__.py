"""The poolings of a search: they combine the pictures of a review into one vector.

A pooling is a subclass of `base.Pooling` with a name in POOLINGS.
"""

from typing import Any

from automm.models.pooling.attention import GatedAttention, TextAttention
from automm.models.pooling.plain import First, MaskedMax, MaskedMean, SumOfSets
from automm.models.pooling.set_transformer import SetTransformer

POOLINGS: dict[str, Any] = {
    "first": First,
    "mean": MaskedMean,
    "max": MaskedMax,
    "sum_of_sets": SumOfSets,
    "gated_attention": GatedAttention,
    "text_attention": TextAttention,
    "set_transformer": SetTransformer,
}
