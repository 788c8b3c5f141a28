"""Google Local reviews 2021 (Li and others 2022, Yan and others 2023; McAuley lab).

    review-<State>.json(.gz), meta-<State>.json(.gz)      one object per line; older dumps contain Python dicts

Pictures are URLs that end in a size. A rating may be absent. A rating without text or picture is ignored.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from automm.config.schema import Section
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import Ids, first_object, joined_key, matching, objects, objects_with_pictures
from automm.data.records.forms import Values
from automm.data.records.source import Record
from automm.data.sections import Fields

BUSINESS = {
    "business_name": "name",
    "business_category": "category",
    "business_description": "description",
    "business_average_rating": "avg_rating",
}
_SIZE = re.compile(r"=w\d+-h\d+(?=-|$)")


class Options(Section):
    """`size` requests pictures of this many pixels instead of 150; `business` joins the file of businesses."""

    size: int | None = Field(default=None, ge=16, le=4096)
    business: bool = False
    only_with_images: bool = False


def read(reading: Reading) -> Iterator[Record]:
    """Yield the columns of each review, with review_id and image_urls."""
    ids = Ids(reading.changes)

    def urls(values: Values) -> list[str]:
        return _urls(values.get("pics"), reading.options.size)

    for file in _files(reading.path):
        businesses = _businesses(reading, file) if reading.options.business else {}
        for where, fallback, values, pictures in objects_with_pictures(reading, file, urls, ("text",), literals=True):
            key = joined_key(values, ("user_id", "gmap_id", "time"))
            identity = ids.take(key, values) if key is not None else fallback
            if identity is not None:
                unknown: Values = dict.fromkeys(BUSINESS) if businesses else {}
                more = businesses.get(joined_key(values, ["gmap_id"]) or "", unknown)
                yield Record(where, {**values, "review_id": identity, "image_urls": pictures, **more}, fallback)


def fits(path: Path) -> bool:
    """Return whether there are reviews with a gmap_id."""
    return any({"gmap_id", "rating", "user_id"} <= first_object(file, path).keys() for file in _files(path))


GOOGLE_LOCAL = Layout(
    looks_for="review-<State>.json or .json.gz, one review per line: user_id, rating, text, pics, gmap_id",
    fits=fits,
    fields=Fields(id="review_id", text=("text",), images=("image_urls",), label="rating", group="gmap_id"),
    read=read,
    options=Options,
    label_optional=True,
)


def _files(path: Path) -> list[Path]:
    return matching(path, "review*.json", "review*.json.gz")


def _urls(pics: object, size: int | None) -> list[str]:
    """Return the URLs of a list of {"url": URL or list of URLs}."""
    if pics is None:
        return []
    if not isinstance(pics, list):
        raise ValueError(f"pics holds {type(pics).__name__}, expected a list")
    found: list[str] = []
    for pic in pics:
        held = pic.get("url") if isinstance(pic, dict) else pic
        urls = [held] if isinstance(held, str) else held
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise ValueError(f"picture without a URL: {str(pic)[:80]}")
        found += [url if size is None else _SIZE.sub(f"=w{size}-h{size}", url) for url in urls if url]
    return found


def _businesses(reading: Reading, file: Path) -> dict[str, Values]:
    """Return the columns to join from the businesses, by gmap_id."""
    meta = file.with_name(file.name.replace("review", "meta", 1))
    if meta == file or not meta.is_file():
        reading.problem(
            file.name,
            f"{meta.name} not found, but options.business needs it",
            "Put it beside the reviews, or remove the option",
        )
        return {}
    businesses: dict[str, Values] = {}
    for _, _, values in objects(reading, meta, literals=True):
        business = joined_key(values, ["gmap_id"])
        if business is not None:
            businesses[business] = {name: values.get(column) for name, column in BUSINESS.items()}
    return businesses
