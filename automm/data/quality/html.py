"""A quality report as one HTML page that needs nothing beside it: pictures lie in it, small and few."""

import base64
import io
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from PIL import Image

from automm.data.images.decode import PictureError, decode_picture
from automm.data.quality.messages import SEVERITIES
from automm.data.quality.report import Report
from automm.data.quality.terminal import verdict

SIDE, QUALITY = 96, 75  # pixels, as a model sees them: squashed to a square; of JPEG
PAGE_BEGINS = 4096  # characters
PAGE_SIGNS = (": quality of the data</title>", "default-src 'none'; img-src data:")  # of page.html's head
MOST_PICTURES = 200  # about 3 kB each


def write_page(report: Report, file: Path) -> None:
    """Write a report with the pictures of its examples.

    Raises:
        OSError: the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(report), encoding="utf-8")


def remove_page(file: Path) -> bool:
    """Remove a page that `write_page` has written, and nothing else; whether there was one.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        with file.open(encoding="utf-8") as page:
            beginning = page.read(PAGE_BEGINS)
    except (OSError, UnicodeDecodeError):  # none, or nothing that a page could be
        return False
    ours = beginning.startswith("<!DOCTYPE html>") and all(sign in beginning for sign in PAGE_SIGNS)
    if ours:
        file.unlink()
    return ours


def page(report: Report) -> str:
    """The page; whatever stands in the data is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    totals = {split: max(1, sum(counts.values())) for split, counts in report.labels.items()}
    return template.render(
        report=report, verdict=verdict(report), totals=totals, thumbnails=_thumbnails(report), severities=SEVERITIES
    )


def _thumbnails(report: Report) -> dict[Path, str]:
    """Pictures of the examples as data: URIs; the first ones where there are too many."""
    found: dict[Path, str] = {}
    for path in (path for finding in report.findings for one in finding.examples for path in one.pictures):
        if path not in found and len(found) < MOST_PICTURES:
            try:
                pixels = decode_picture(path, SIDE)
            except PictureError:  # it has been replaced or removed since it was looked at
                continue
            packed = io.BytesIO()
            Image.fromarray(pixels).save(packed, "JPEG", quality=QUALITY)
            found[path] = f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"
    return found
