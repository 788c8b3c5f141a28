"""The Yelp Open Dataset with photos.

    yelp_academic_dataset_review.json, yelp_academic_dataset_business.json      one object per line
    photos.json (or yelp_academic_dataset_photo(s).json), photos/<photo_id>.jpg

Photos belong to a business, not to a review. Either each review gets the photos of its business (the reviews of one
business then stay in one split, or pictures would leak), or a business is one datapoint with the texts of its reviews,
its photos and its stars.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from automm.config.schema import Section
from automm.data.change_kinds import Change
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import first_object, joined_key, matching, objects
from automm.data.records.forms import Values
from automm.data.records.source import Record
from automm.data.sections import Fields

KEY = "business_id"
PHOTOS = ("photos.json", "*photos.json", "*photo.json")  # possible names of the list: the first that exists is read
BUSINESS = {"business_name": "name", "business_stars": "stars", "city": "city", "categories": "categories"}


class Options(Section):
    """`unit` is what a datapoint is; a business has at most `max_photos`, and `max_reviews` joined as its text."""

    unit: Literal["review", "business"] = "review"
    max_photos: int | None = Field(default=None, ge=1)
    max_reviews: int = Field(default=20, ge=1)
    only_with_images: bool = False


def read(reading: Reading) -> Iterator[Record]:
    """Yield columns id, text, photos, stars, business_id and those of the business; for reviews also their own."""
    photos = _photos(reading)
    businesses: dict[str, Values] = {}
    for file in matching(reading.path, "*business.json"):
        for _, _, values in objects(reading, file):
            business = joined_key(values, [KEY])
            if business is None:
                reading.changes[Change.NO_ID] += 1
            else:
                businesses[business] = {name: values.get(key) for name, key in BUSINESS.items()}
    by_review = reading.options.unit == "review"
    records = _reviews(reading, businesses) if by_review else _businesses(reading, businesses, photos)
    for record in records:
        own_photos = photos.get(joined_key(record.values, [KEY]) or "", [])
        if reading.options.only_with_images and not own_photos:
            reading.changes[Change.NO_PHOTO] += 1
        else:
            yield Record(record.where, record.values | {"photos": own_photos}, record.fallback_id)


def fits(path: Path) -> bool:
    """Return whether there are reviews of businesses."""
    files = matching(path, "*review.json") if path.is_dir() else []
    return bool(files) and {"review_id", "business_id", "stars"} <= first_object(files[0], path).keys()


YELP = Layout(
    looks_for="yelp_academic_dataset_review.json, and photos.json with photos/<photo_id>.jpg",
    fits=fits,
    fields=Fields(id="id", text=("text",), images=("photos",), label="stars", group="business_id"),
    read=read,
    options=Options,
)


def _photos(reading: Reading) -> dict[str, list[str]]:
    """Return the pictures of each business, in the order of the file."""
    photos: dict[str, list[str]] = defaultdict(list)
    lists = [matching(reading.path, pattern) for pattern in PHOTOS]
    for file in next(filter(None, lists), []):
        for where, _, values in objects(reading, file):
            name, business = values.get("photo_id"), values.get("business_id")
            if not isinstance(name, str) or not isinstance(business, str):
                reading.problem(where, "expected photo_id and business_id as strings")
            elif reading.options.max_photos is None or len(photos[business]) < reading.options.max_photos:
                photos[business].append(f"photos/{name}.jpg")
    return photos


def _reviews(reading: Reading, businesses: dict[str, Values]) -> Iterator[Record]:
    unknown: Values = dict.fromkeys(BUSINESS) if businesses else {}
    for file in matching(reading.path, "*review.json"):
        for where, fallback, values in objects(reading, file):
            known = businesses.get(joined_key(values, [KEY]) or "", unknown)
            own = {"id": values.get("review_id"), KEY: values.get(KEY)}
            yield Record(where, {**values, **known, **own}, fallback)


def _businesses(reading: Reading, businesses: dict[str, Values], photos: Mapping[str, list[str]]) -> Iterator[Record]:
    """Yield the businesses, each with its first reviews; texts of businesses that are ignored later are not kept."""
    if not businesses:
        fix = "Add it, or set unit: review"
        reading.problem(reading.path.name, "no *business.json found, needed by options.unit: business", fix)
        return
    texts: dict[str, list[str]] = defaultdict(list)
    for record in _reviews(reading, {}):
        name, text = joined_key(record.values, [KEY]), record.values.get("text")
        if name is None:
            continue
        own_texts, needed = texts[name], name in photos or not reading.options.only_with_images
        if needed and isinstance(text, str) and len(own_texts) < reading.options.max_reviews:
            own_texts.append(text)
    for name, values in businesses.items():
        if name in texts:
            own: Values = {"id": name, "business_id": name, "stars": values["business_stars"], "text": texts[name]}
            yield Record(f"business {name}", own | values, f"business-{name}")
        else:
            reading.changes[Change.NO_REVIEW] += 1
