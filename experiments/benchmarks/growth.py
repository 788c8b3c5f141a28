"""Question: do the costs that may grow in proportion to the number of reviews grow no faster?

Command:  python experiments/benchmarks/growth.py
          python experiments/benchmarks/growth.py --reviews 100000 --cases link place       larger, some of the cases
Cost:     about two minutes on one core with the defaults.
Prints:   processor seconds with n, 2n and 4n reviews or pictures for each case, and the factor at each doubling. The
          limit is 3 for cases of a second or more; shorter ones are dominated by imports and the clock.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from synthetic import WORDS

from automm.data.images.inspect import Inspection, Inspections
from automm.data.images.near_duplicates import near_duplicates
from automm.data.manifest import parse_manifest
from automm.data.quality.checked import Checked
from automm.data.quality.checks.duplicates import contradictions, duplicate_reviews, linked_reviews, shared_content
from automm.data.quality.checks.unused import UnusedIds
from automm.data.records.reviews import Dataset, Review, load_dataset
from automm.data.splitting.links import link_reviews
from automm.data.splitting.near_texts import near_texts
from automm.data.splitting.split import split_dataset
from automm.errors import DataError

LABELS = ("bad", "fair", "good")
RULES = {"name": "growth", "records": "r.jsonl", "fields": {"text": "text", "label": "label"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reviews", type=int, default=20_000, help="n")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[*CASES])
    arguments = parser.parse_args()
    for case in arguments.cases:
        seconds = [measure(case, arguments.reviews * times) for times in (1, 2, 4)]
        ratios = [round(larger / max(smaller, 0.001), 1) for smaller, larger in pairwise(seconds)]
        print(json.dumps({"case": case, "n": arguments.reviews, "seconds": seconds, "ratios": ratios}), flush=True)


def measure(case: str, count: int) -> float:
    """Return the processor seconds of a case, without its preparation."""
    with tempfile.TemporaryDirectory() as folder:
        work = CASES[case](count, Path(folder))
        began = time.process_time()
        work()
        return round(time.process_time() - began, 2)


def unknown_labels(count: int, folder: Path) -> Callable[[], object]:
    """Each record has a different label, and labels.map lists others, one per fifty records: an error."""
    with (folder / "r.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps({"text": f"{sentence(number)} {number}", "label": f"label {number}"}) + "\n")
    listed = {f"class {number}": [f"class {number}"] for number in range(count // 50)}
    manifest = parse_manifest(RULES | {"labels": {"map": listed}}, folder / "m.yaml")

    def work() -> None:
        try:
            load_dataset(manifest)
        except DataError:
            return
        raise AssertionError("no label was refused")

    return work


def link(count: int, folder: Path) -> Callable[[], object]:
    """One post in ten is a retweet; three reviews share each picture, and four each group."""
    some = reviews(count)
    return lambda: link_reviews(some, {}).components


def link_one_phrase(count: int, folder: Path) -> Callable[[], object]:
    """All reviews have one of two phrases, each in a different variant."""
    some = [review(number, f"{WORDS[number % 2]} as it was described @u{number}") for number in range(count)]
    return lambda: link_reviews(some, {}).components


def near_copies(count: int, folder: Path) -> Callable[[], object]:
    """Posts of 20 words; one in ten is a copy of another with one word changed."""
    texts = [one.text for one in reviews(count)]
    return lambda: near_texts([text if n % 10 else f"{texts[n - 1]} indeed" for n, text in enumerate(texts)])


def near_copies_of_one_phrase(count: int, folder: Path) -> Callable[[], object]:
    """Posts of one phrase and equally many different words, which are not near duplicates."""
    phrase = sentence(0)
    texts = [f"{phrase} {sentence(number + 1)}" for number in range(count)]
    return lambda: near_texts(texts)


def place(count: int, folder: Path) -> Callable[[], object]:
    data = dataset(count)
    links = link_reviews(data.reviews, {})
    return lambda: split_dataset(data, links)


def near_pictures(count: int, folder: Path) -> Callable[[], object]:
    """Photos with random hashes and colours; one in ten is a copy of another."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    thumbnails = rng.integers(0, 256, (count, 2, 2, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    copies = np.arange(count) - (np.arange(count) % 10 == 9)
    seen = {f"{n:09d}": look(int(hashes[copies[n]]), thumbnails[copies[n]]) for n in range(count)}
    return lambda: near_duplicates(seen)


def near_pictures_of_one_hash(count: int, folder: Path) -> Callable[[], object]:
    """Avatars: one shape in different colours."""
    rng = np.random.default_rng(0)
    shape = np.zeros((8, 8), int)
    shape[2:6, 2:6], shape[6:, 1:7] = 1, 2
    colours = rng.integers(0, 256, (count, 3, 3), dtype=np.uint8)
    seen = {f"{n:09d}": look(7, colours[n][shape]) for n in range(count)}
    return lambda: near_duplicates(seen)


def sharing(count: int, folder: Path) -> Callable[[], object]:
    """The findings of `automm check` about texts, pictures and groups that reviews share."""
    data = dataset(count)
    links = link_reviews(data.reviews, {})
    splits = split_dataset(data, links)
    split_of = {data.reviews[row].id: split for split, rows in splits.items() for row in rows}
    digests = {path: path.name for one in data.reviews for path in one.images}
    checked = Checked(data, Inspections(digests, {}, {}, {}), links, [], [], split_of, UnusedIds(data.manifest))
    checks = (shared_content, contradictions, duplicate_reviews, linked_reviews)
    return lambda: [found for check in checks for found in check(checked)]


CASES: dict[str, Callable[[int, Path], Callable[[], object]]] = {
    "unknown_labels": unknown_labels,
    "link": link,
    "link_one_phrase": link_one_phrase,
    "near_copies": near_copies,
    "near_copies_of_one_phrase": near_copies_of_one_phrase,
    "place": place,
    "near_pictures": near_pictures,
    "near_pictures_of_one_hash": near_pictures_of_one_hash,
    "sharing": sharing,
}


def sentence(number: int) -> str:
    """Return twenty words, different for each number."""
    rng = np.random.default_rng(number)
    return " ".join(f"{WORDS[one]}{two}" for one, two in zip(*rng.integers(0, len(WORDS), (2, 20)), strict=True))


def reviews(count: int) -> list[Review]:
    return [
        review(
            number,
            sentence(number) if number % 10 else f"RT @u{number}: {sentence(number + 1)} http://t.co/{number}",
            images=(Path(f"{number // 3}.png"),),
            group=f"g{number // 4}" if number % 8 < 4 else None,
        )
        for number in range(count)
    ]


def review(number: int, text: str, images: tuple[Path, ...] = (), group: str | None = None) -> Review:
    return Review(f"R{number}", text, images, LABELS[number % 3], group, None, f"r.jsonl:{number + 1}")


def dataset(count: int) -> Dataset:
    return Dataset(parse_manifest(RULES, Path("manifest.yaml")), reviews(count), LABELS, {})


def look(bits: int, thumbnail: np.ndarray) -> Inspection:
    return Inspection("PNG", 640, 480, animated=False, contrast=200, hash=bits, thumbnail=thumbnail)


if __name__ == "__main__":
    main()
