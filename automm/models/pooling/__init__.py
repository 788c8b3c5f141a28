"""Several pictures of one review become one vector: the poolings that a search can choose from.

A pooling is a class of `base.Pooling` and a name in POOLINGS.
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
