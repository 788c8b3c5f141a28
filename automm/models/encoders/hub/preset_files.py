"""Read the small files of a preset: what is damaged is an error that names the file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automm.errors import AutommError, WeightsError


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any error in the block into a WeightsError that names a file and the reason.

    What a damaged file raises depends on where it is noticed; the tokenizers library raises plain exceptions.
    """
    try:
        yield
    except AutommError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise WeightsError(
            f"{path} cannot be read: {type(error).__name__}: {reason}. Fetch the encoder again"
        ) from error


def read_json(path: Path | None, kind: type = dict) -> Any:
    """Return the content of a JSON file, empty if there is none. Raises WeightsError if it is not of the kind."""
    if path is None:
        return kind()
    with reading(path):
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, kind):
            raise TypeError(f"expected a {kind.__name__}, found {type(content).__name__}")
    return content
