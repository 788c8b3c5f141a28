"""A quality report as one self-contained HTML page, with small pictures of the examples inside."""

import base64
import io
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from PIL import Image

from automm.data.images.decode import PictureError, decode_picture
from automm.data.quality.finding_kinds import SEVERITIES
from automm.data.quality.report import Report
from automm.data.quality.terminal import verdict

SIDE, QUALITY = 96, 75  # pixels, squashed to a square as a model sees them; JPEG quality
HEAD = 4096  # characters that hold the head of a page
SIGNS_IN_HEAD = (": quality of the data</title>", "default-src 'none'; img-src data:")  # see page.html
MOST_PICTURES = 200  # about 3 kB each


def write_page(report: Report, file: Path) -> None:
    """Write a report, with the pictures of its examples, as an HTML page.

    Raises:
        OSError: the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(report), encoding="utf-8")


def remove_page(file: Path) -> bool:
    """Remove a page that `write_page` has written; leave any other file alone.

    Returns:
        Whether there was such a page.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        with file.open(encoding="utf-8") as page:
            head = page.read(HEAD)
    except (OSError, UnicodeDecodeError):  # absent, or no text file
        return False
    ours = head.startswith("<!DOCTYPE html>") and all(sign in head for sign in SIGNS_IN_HEAD)
    if ours:
        file.unlink()
    return ours


def page(report: Report) -> str:
    """Return the page as HTML; everything that comes from the data is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    totals = {split: max(1, sum(counts.values())) for split, counts in report.labels.items()}
    return template.render(
        report=report, verdict=verdict(report), totals=totals, thumbnails=_thumbnails(report), severities=SEVERITIES
    )


def _thumbnails(report: Report) -> dict[Path, str]:
    """Return the pictures of the examples as data: URIs, at most `MOST_PICTURES`."""
    uris: dict[Path, str] = {}
    for path in (path for finding in report.findings for example in finding.examples for path in example.pictures):
        if path not in uris and len(uris) < MOST_PICTURES:
            try:
                pixels = decode_picture(path, SIDE)
            except PictureError:  # replaced or removed since its inspection
                continue
            jpeg = io.BytesIO()
            Image.fromarray(pixels).save(jpeg, "JPEG", quality=QUALITY)
            uris[path] = f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode('ascii')}"
    return uris
