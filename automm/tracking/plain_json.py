"""Convert results to what JSON can hold."""

import math
from typing import Any


def plain(value: Any) -> Any:
    """Convert numpy numbers to Python numbers, and NaN and infinity to None: JSON has neither."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
