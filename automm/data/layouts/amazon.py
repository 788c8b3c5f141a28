"""Amazon reviews of the McAuley lab: 2023 (Hou and others 2024, arXiv 2403.03952) and 2018 (Ni and others, EMNLP 2019).

    <Category>.jsonl(.gz), meta_<Category>.jsonl(.gz)      2023; files of 2018 end in .json(.gz)

A review has no id; one is made of user, product and time. Its pictures are URLs. A rating without text or picture is
ignored.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from automm.config.schema import Section
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import Ids, first_object, joined_key, matching, objects, objects_with_pictures
from automm.data.records.forms import Values
from automm.data.records.source import Record
from automm.data.sections import Fields

PRODUCT = {
    "product_title": "title",
    "product_price": "price",
    "product_store": "store",
    "product_category": "main_category",
    "product_average_rating": "average_rating",
}


class Options(Section):
    """`product` joins the file of products; `only_with_images` ignores the many reviews without a picture."""

    product: bool = False
    only_with_images: bool = False


class Options2023(Options):
    """`size` of the pictures: large (up to 1,600 pixels), medium (800) or small (256); another if it is missing."""

    size: Literal["large", "medium", "small"] = "large"


def read_2023(reading: Reading) -> Iterator[Record]:
    """Yield the columns of each review, with review_id and image_urls."""
    keys = [f"{size}_image_url" for size in (reading.options.size, "large", "medium", "small")]

    def urls(values: Values) -> list[str]:
        return _urls(values.get("images"), keys)

    return _read(reading, ("user_id", "asin", "timestamp"), "parent_asin", urls, AMAZON_2023.fields.text)


def read_2018(reading: Reading) -> Iterator[Record]:
    """Yield the columns of each review, with review_id and image_urls."""

    def urls(values: Values) -> list[str]:
        return _urls(values.get("image"), ())

    return _read(reading, ("reviewerID", "asin", "unixReviewTime"), "asin", urls, AMAZON_2018.fields.text)


def _fits(*columns: str) -> Callable[[Path], bool]:
    def fits(path: Path) -> bool:
        return any(set(columns) <= first_object(file, path).keys() for file in _files(path))

    return fits


AMAZON_2023 = Layout(
    looks_for="<Category>.jsonl or .jsonl.gz (2023), one review per line: rating, title, text, images, parent_asin",
    fits=_fits("rating", "parent_asin", "user_id"),
    fields=Fields(id="review_id", text=("title", "text"), images=("image_urls",), label="rating", group="parent_asin"),
    read=read_2023,
    options=Options2023,
)
AMAZON_2018 = Layout(
    looks_for="<Category>.json or .json.gz (2018), one review per line: overall, summary, reviewText, image, asin",
    fits=_fits("overall", "asin", "reviewerID"),
    fields=Fields(
        id="review_id",
        text=("summary", "reviewText"),
        images=("image_urls",),
        label="overall",
        group="asin",
    ),
    read=read_2018,
    options=Options,
)


def _files(path: Path) -> list[Path]:
    files = matching(path, "*.jsonl", "*.jsonl.gz", "*.json", "*.json.gz")
    return [file for file in files if not file.name.startswith("meta_") or file == path]


def _read(
    reading: Reading,
    key: tuple[str, ...],
    product: str,
    urls: Callable[[Values], list[str]],
    texts: Sequence[str],
) -> Iterator[Record]:
    ids = Ids(reading.changes)
    for file in _files(reading.path):
        products = _products(reading, file, product) if reading.options.product else {}
        for where, fallback, values, pictures in objects_with_pictures(reading, file, urls, texts):
            made_of = joined_key(values, key)
            identity = ids.take(made_of, values) if made_of is not None else fallback
            if identity is not None:
                unknown: Values = dict.fromkeys(PRODUCT) if products else {}
                more = products.get(joined_key(values, [product]) or "", unknown)
                yield Record(where, {**values, "review_id": identity, "image_urls": pictures, **more}, fallback)


def _urls(images: object, keys: Sequence[str]) -> list[str]:
    """Return the pictures' URLs: each entry is a URL, or an object with a URL at the first key present of `keys`."""
    if images is None:
        return []
    if not isinstance(images, list):
        raise ValueError(f"images holds {type(images).__name__}, expected a list")
    urls: list[str] = []
    for image in images:
        held = [image[key] for key in keys if image.get(key)] if isinstance(image, dict) else [image]
        if not held or not isinstance(held[0], str):
            raise ValueError(f"picture without a URL: {str(image)[:80]}")
        urls.append(held[0])
    return [url for url in urls if url]


def _products(reading: Reading, file: Path, key: str) -> dict[str, Values]:
    """Return the columns to join from the products, by product."""
    meta = file.with_name(f"meta_{file.name}")
    if not meta.is_file():
        reading.problem(file.name, f"{meta.name} not found, needed by options.product", "Add it, or remove the option")
        return {}
    products: dict[str, Values] = {}
    for _, _, values in objects(reading, meta):
        product = joined_key(values, [key])
        if product is not None:
            products[product] = {name: values.get(column) for name, column in PRODUCT.items()}
    return products
