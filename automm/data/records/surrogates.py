"""Surrogates in texts: two that stand for one character are joined, and half of a pair is no text.

Escapes of JSON, YAML and Python ("\\ud83d\\ude00") bring them in; what holds one cannot be hashed, written or
printed.
"""

from typing import Any

HALF = "holds half a surrogate pair (\\ud...), which is no text"


def join_pairs(value: Any) -> Any:
    """The value, with each pair of surrogates in its texts made the one character that they stand for."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") if holds_half(value) else value
    if isinstance(value, dict):
        return {join_pairs(key): join_pairs(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([join_pairs(one) for one in value])
    return value


def holds_half(value: object) -> bool:
    """Whether a text of the value, or what it holds, has a surrogate in it."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(holds_half(key) or holds_half(one) for key, one in value.items())
    return isinstance(value, list | tuple) and any(map(holds_half, value))
