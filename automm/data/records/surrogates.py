"""Join surrogate pairs in texts into characters, and find lone surrogates, which are not valid text.

They come from escapes of JSON, YAML and Python ("\\ud83d\\ude00"). A text with a surrogate cannot be hashed, written
or printed.
"""

from typing import Any

LONE_SURROGATE = "contains half of a surrogate pair (\\ud...), which is not valid text"


def join_surrogates(value: Any) -> Any:
    """Return the value with each surrogate pair in its texts joined into one character."""
    if isinstance(value, str):
        return (
            value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") if has_surrogate(value) else value
        )
    if isinstance(value, dict):
        return {join_surrogates(key): join_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([join_surrogates(item) for item in value])
    return value


def has_surrogate(value: object) -> bool:
    """Return whether any text in a value, at any depth, contains a surrogate."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(has_surrogate(key) or has_surrogate(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(map(has_surrogate, value))
